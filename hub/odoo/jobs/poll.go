// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"vworkspace.io/fleet/hub/odoo/wire"
)

const (
	// longPoll is how long a control plane may wait for jobs before it answers.
	longPoll = 30 * time.Second
	// shortest is the least time between two polls that bring nothing.
	shortest = time.Second
	// patience is how long a poll waits for the jobs of the one before it to be acknowledged: it would bring the same again.
	patience = 30 * time.Second
	// longestID of a job.
	longestID = 1024
)

// poll for jobs until the session ends.
func (j *Jobs) poll(ctx context.Context, s *Session) {
	for ctx.Err() == nil {
		wait := shortest
		if s.Ready == nil || s.Ready() {
			begun := j.Clock.Now()
			n, err := j.once(ctx, s)
			wait = j.pause(err, n, j.Clock.Since(begun))
			if err != nil && ctx.Err() == nil {
				j.log.V(1).Info("no jobs came", "controlPlane", s.ControlPlane, "error", err.Error(), "again", wait)
			}
		}
		select {
		case <-ctx.Done():
		case <-j.Clock.After(wait):
		}
	}
}

// pause before the next poll.
func (j *Jobs) pause(err error, n int, took time.Duration) time.Duration {
	if err != nil {
		if after, known := later(err); known {
			return after
		}
		return shortest
	}
	if n > 0 {
		return 0
	}
	return max(shortest-took, 0)
}

// once asks for jobs, and records those that come. It tells how many there were.
func (j *Jobs) once(ctx context.Context, s *Session) (int, error) {
	jobs, err := s.Client.Jobs(ctx, longPoll)
	if err != nil {
		return 0, err
	}
	var given []<-chan struct{}
	var names []string
	var errs []error
	for i := range jobs {
		name, err := j.receive(ctx, s, &jobs[i])
		errs = append(errs, err)
		if name != "" {
			names, given = append(names, name), append(given, j.ledger.give(name))
		}
	}
	j.ask(names...) // when all are known, so that they are carried out in their order
	timeout := j.Clock.NewTimer(patience)
	defer timeout.Stop()
	for _, done := range given {
		select {
		case <-done:
		case <-timeout.C():
			return len(jobs), errors.Join(errs...)
		case <-ctx.Done():
			return len(jobs), ctx.Err()
		}
	}
	return len(given), errors.Join(errs...)
}

// receive a job: it is recorded. It returns the name of the record; an empty one when the job can have none.
func (j *Jobs) receive(ctx context.Context, s *Session, job *wire.Job) (string, error) {
	if job.ID == "" || job.ID == "." || job.ID == ".." || len(job.ID) > longestID {
		j.warn(s, fmt.Sprintf("a job without an id, or with one that is no part of a path, or has more than %d characters, can neither be taken nor refused: %s", longestID, job.Malformed))
		return "", nil
	}
	name := RecordName(s.ControlPlane, job.ID)
	switch known := j.ledger.get(name); {
	case known == nil:
		r, err := j.store.create(ctx, newRecord(s.ControlPlane, job, s.Client.Now()))
		if err != nil {
			return "", err
		}
		j.ledger.put(r)
	case known.State == StateClosed && known.Result == nil, !known.isOf(job): // closed before anything was done, and open again; or of a control plane that counts anew
		r := newRecord(s.ControlPlane, job, s.Client.Now())
		r.version = known.version
		r, err := j.store.update(ctx, r)
		if err != nil {
			j.setStale(name, true)
			return "", err
		}
		j.ledger.put(r)
	}
	return name, nil
}

// reload a record after a write that may, or may not, have been stored.
func (j *Jobs) reload(ctx context.Context, name string) (*Record, error) {
	r, err := j.store.read(ctx, name)
	if apierrors.IsNotFound(err) {
		j.ledger.forget(name)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	j.ledger.put(r)
	return j.ledger.get(name), nil
}
