// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestLeaseLostInMidDispatch: a hub that dispatches can no longer renew its Lease, and some of its writes hang. Another one takes over and does the rest;
// then what hung gets through. Every cluster has had one ManifestWork made, and the first hub has stopped by itself.
func TestLeaseLostInMidDispatch(t *testing.T) {
	f := newFleet(t, 12)
	f.options.Workers = 3
	f.place("all", f.clusters...)
	elected := func(renews time.Duration) func(*manager.Options) {
		return func(o *manager.Options) {
			o.LeaderElection, o.LeaderElectionID, o.LeaderElectionNamespace, o.LeaderElectionReleaseOnCancel = true, "vworkspace-hub", "vworkspace-hub", true
			o.LeaseDuration, o.RenewDeadline, o.RetryPeriod = ptr.To(renews+500*time.Millisecond), &renews, ptr.To(200*time.Millisecond)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	first, second := &lossy{after: 4, through: make(chan struct{})}, &lossy{}
	renews := map[*lossy]time.Duration{first: 1500 * time.Millisecond, second: 6 * time.Second} // the second shall not lose its own on a busy machine
	ended := map[*lossy]chan error{}
	for _, line := range []*lossy{first, second} {
		api := rest.CopyConfig(hubConfig)
		api.Wrap(func(next http.RoundTripper) http.RoundTripper { line.next = next; return line })
		mgr := f.newHub(ctx, api, elected(renews[line]))
		ended[line] = make(chan error, 1)
		go func() { ended[line] <- mgr.Start(ctx) }()
		if line == first {
			<-mgr.Elected()
		}
	}
	op := f.operation("backup", "all")
	works := f.awaitWorks(op, 12)
	select {
	case err := <-ended[first]:
		if err == nil || !strings.Contains(err.Error(), "leader election lost") {
			t.Errorf("the first hub ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the first hub goes on without its Lease")
	}
	close(first.through)
	first.pending.Wait()
	for _, c := range f.clusters {
		f.report(op, c, succeeded(1))
	}
	got := f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	if got.Status.Summary.Instances.Succeeded != 12 {
		t.Errorf("%+v", got.Status)
	}
	shared(t, first, second, 12)
	for c, w := range f.works(op) {
		if works[c].UID != w.UID {
			t.Errorf("the work of cluster %s was made twice", c)
		}
	}
	cancel()
	if err := <-ended[second]; err != nil && !errors.Is(err, context.Canceled) {
		t.Error("the second hub stopped:", err)
	}
}

// shared holds that both hubs made some of so many ManifestWorks, and the first one lost its Lease with some on the way.
func shared(t *testing.T, first, second *lossy, all int) {
	t.Helper()
	if first.made == 0 || first.hung == 0 || second.made == 0 || first.made+second.made != all {
		t.Errorf("the first hub made %d ManifestWorks, with %d on the way when it lost its Lease, and the second %d; want %d in all and some of each",
			first.made, first.hung, second.made, all)
	}
}

// lossy is a hub's way to the API server. After so many ManifestWorks nothing of Leases gets through any more, and ManifestWorks hang.
type lossy struct {
	next    http.RoundTripper
	after   int           // 0 for never
	through chan struct{} // closed when what hangs may go on

	mu         sync.Mutex
	asked      int
	made, hung int
	pending    sync.WaitGroup
}

func (l *lossy) RoundTrip(req *http.Request) (*http.Response, error) {
	isWork := req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/manifestworks")
	isLease := strings.Contains(req.URL.Path, "/leases")
	if !isWork && !isLease {
		return l.next.RoundTrip(req)
	}
	l.mu.Lock()
	if isWork {
		l.asked++
	}
	lost := l.after > 0 && l.asked > l.after
	if lost && isWork {
		l.hung++
		l.pending.Add(1)
		defer l.pending.Done()
	}
	l.mu.Unlock()
	switch {
	case lost && isLease:
		return nil, errors.New("the network is down")
	case lost:
		<-l.through
		req = req.Clone(context.WithoutCancel(req.Context())) // it was on its way
	}
	resp, err := l.next.RoundTrip(req)
	if isWork && err == nil && resp.StatusCode == http.StatusCreated {
		l.mu.Lock()
		l.made++
		l.mu.Unlock()
	}
	return resp, err
}
