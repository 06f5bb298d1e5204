// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// Bounds of a poll's wait, in seconds.
const (
	defaultWait = 30
	maxWait     = 300
)

// poll waits for jobs.
func (f *Fake) poll(ctx context.Context, q *Request, query url.Values, fault Fault) reply {
	wait := defaultWait
	if query.Has("wait") {
		var err error
		if wait, err = strconv.Atoi(query.Get("wait")); err != nil || wait < 0 || wait > maxWait {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.violate(q, "has wait=%s; 0 to %d seconds are allowed", query.Get("wait"), maxWait)
			return *refuse(http.StatusBadRequest, "bad_request")
		}
	}
	if got := query.Get("cluster"); got != q.who.clusterID {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.violate(q, "polls for cluster %q with the token of %q", got, q.who.clusterID)
		return *refuse(http.StatusForbidden, "forbidden")
	}
	timer := f.clock.NewTimer(time.Duration(wait) * time.Second)
	defer timer.Stop()
	for over := wait == 0; ; {
		jobs, changed := f.waiting(q, fault)
		if len(jobs) > 0 || over {
			return answerJSON(http.StatusOK, map[string]any{"jobs": jobs})
		}
		select {
		case <-changed:
		case <-timer.C():
			over = true
		case <-ctx.Done():
			over = true
		case <-f.closed:
			over = true
		}
	}
}

// waiting are the jobs to answer a poll with, and what is closed when that may have changed.
func (f *Fake) waiting(q *Request, fault Fault) ([]wire.Job, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	jobs := []wire.Job{}
	for _, j := range f.jobs {
		if j.Cluster != q.who.clusterID || len(jobs) == f.options.MaxJobs {
			continue
		}
		if again := j.again || fault.Again; (j.Closed || j.Acked) && !again {
			continue
		}
		if j.Acked {
			j.credits++
		}
		j.again = false
		j.Deliveries++
		jobs = append(jobs, j.Job)
	}
	if fault.Reversed {
		slices.Reverse(jobs)
	}
	return jobs, f.changed
}
