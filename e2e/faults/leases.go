// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
)

const (
	// ofCluster and ofReplica are what the names of hosted mode's Leases begin with.
	ofCluster, ofReplica = "cluster-", "replica-"
	// dense is a time in which a replica writes one Lease crowded times at most. Due are two in a second, and some when it changes hands.
	dense, crowded = 2 * time.Second, 10
)

// leaseOf is the Lease that a call writes, or that it was answered with; nil when there is none.
func leaseOf(body []byte) *coordinationv1.Lease {
	o, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	if err != nil {
		return nil
	}
	l, _ := o.(*coordinationv1.Lease)
	return l
}

// sent is the Lease that a call carries.
func sent(c Call) *coordinationv1.Lease {
	if c.Request == nil || c.Request.GetBody == nil {
		return nil
	}
	body, err := c.Request.GetBody()
	if err != nil {
		return nil
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return nil
	}
	return leaseOf(raw)
}

// leaseWrite names a write of a Lease by what it is for, such as "takes cluster-one"; "" of another call.
func leaseWrite(c Call) string {
	if c.Resource != "leases" || c.Method == http.MethodGet {
		return ""
	}
	if c.Method == http.MethodDelete {
		return "deletes " + c.Name
	}
	l := sent(c)
	switch {
	case l == nil:
		return c.What()
	case c.Method == http.MethodPost:
		return "makes " + l.Name
	case strings.HasPrefix(l.Name, ofReplica):
		return "announces " + l.Name
	case ptr.Deref(l.Spec.HolderIdentity, "") == "":
		return "gives back " + l.Name
	case l.Spec.AcquireTime != nil && l.Spec.AcquireTime.Equal(l.Spec.RenewTime):
		return "takes " + l.Name
	}
	return "renews " + l.Name
}

// ledger has every write of every run of every replica: those of Leases, and those to clusters. It holds that nobody writes to a cluster but who has its
// Lease, and no two at once.
type ledger struct {
	mu sync.Mutex
	// held is who has each cluster, as the API server has accepted it.
	held map[string]holding
	// under are the writes to each cluster that are under way, by run.
	under map[string]map[*life]int
	// wrote are the writes of Leases that were accepted, by replica, in order.
	wrote map[string][]string
	// tries are when each run has tried each kind of write of late.
	tries map[*life]map[string][]time.Time
	// densest is how often a run has written one Lease within dense, at most, and served how many writes went to clusters.
	densest, served int
	wrong           []string
}

// holding is a Lease: by is nil when it was given back.
type holding struct {
	by      *life
	version string
}

func newLedger() *ledger {
	return &ledger{held: map[string]holding{}, under: map[string]map[*life]int{}, wrote: map[string][]string{}, tries: map[*life]map[string][]time.Time{}}
}

// broken is a law; the caller holds the lock.
func (l *ledger) broken(format string, args ...any) {
	const most = 10 // the first say enough
	if len(l.wrong) < most {
		l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
	}
}

// leases passes a write of a Lease on to send, and takes note of it.
func (l *ledger) leases(r *life, c Call, send Send) (*http.Response, error) {
	name, carried := leaseWrite(c), sent(c)
	l.try(r, name)
	resp, err := send()
	if err != nil || resp.StatusCode >= http.StatusMultipleChoices {
		return resp, err
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrote[r.replica] = append(l.wrote[r.replica], name)
	_, lease, _ := strings.Cut(name, ofCluster)
	switch stored := leaseOf(raw); {
	case lease == "" || c.Method != http.MethodDelete && (carried == nil || stored == nil):
	case c.Method == http.MethodDelete:
		l.held[lease] = holding{version: l.held[lease].version}
	default:
		now := holding{version: stored.ResourceVersion}
		if ptr.Deref(carried.Spec.HolderIdentity, "") != "" {
			now.by = r
		}
		if newer(now.version, l.held[lease].version) { // answers pass each other
			l.held[lease] = now
		}
	}
	return resp, nil
}

func newer(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return b == "" || err == nil && order > 0
}

// try takes note of a write of a Lease that is sent.
func (l *ledger) try(r *life, name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tries[r] == nil {
		l.tries[r] = map[string][]time.Time{}
	}
	_, lease, _ := strings.Cut(name, "-")
	now := time.Now()
	all := slices.DeleteFunc(l.tries[r][lease], func(t time.Time) bool { return now.Sub(t) > dense })
	l.tries[r][lease] = append(all, now)
	if n := len(all) + 1; n > crowded {
		l.broken("%s writes the Lease of %s %d times within %s, the last time it %s", r, lease, n, dense, name)
	} else if n > l.densest {
		l.densest = n
	}
}

// cluster passes a write to a cluster on to send.
func (l *ledger) cluster(r *life, cluster string, c Call, send Send) (*http.Response, error) {
	l.begin(r, cluster, c)
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.under[cluster][r]--
	}()
	return send()
}

func (l *ledger) begin(r *life, cluster string, c Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.served++
	if by := l.held[cluster].by; by != r {
		l.broken("%s sends %s to cluster %s, whose Lease is that of %s", r, c, cluster, by)
	}
	for other, n := range l.under[cluster] {
		if other != r && n > 0 {
			l.broken("%s sends %s to cluster %s, and what %s has sent is under way", r, c, cluster, other)
		}
	}
	if l.under[cluster] == nil {
		l.under[cluster] = map[*life]int{}
	}
	l.under[cluster][r]++
}

// count of a kind of write of a replica.
func (l *ledger) count(replica, name string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.wrote[replica] {
		if w == name {
			n++
		}
	}
	return n
}

// holders are who has each cluster.
func (l *ledger) holders() map[string]*life {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]*life{}
	for cluster, h := range l.held {
		all[cluster] = h.by
	}
	return all
}
