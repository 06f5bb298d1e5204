// SPDX-License-Identifier: Apache-2.0

package hosted_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/spoke/hosted"
)

// quick are timings that a test can wait for.
var quick = hosted.Timings{Duration: 4 * time.Second, Deadline: 2 * time.Second, Retry: 500 * time.Millisecond}

// wire is a replica's way to the API server where the Leases are. Cut, it swallows requests.
type wire struct {
	cut  atomic.Bool
	next http.RoundTripper
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if w.cut.Load() {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	return w.next.RoundTrip(req)
}

// replica runs one of several.
func replica(t *testing.T, name string) (agents, *wire) {
	t.Helper()
	w := &wire{}
	config := asHosted()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		w.next = next
		return w
	})
	source := hosted.Source{Namespace: hosted.DefaultNamespace, Label: hosted.DefaultLabel, Replica: name, Timings: quick}
	return run(t, config, hosted.Workers, source.NewManager), w
}

// handOver hands the spoke over under several names, and takes it away with the test.
func handOver(t *testing.T, names ...multicluster.ClusterName) {
	t.Helper()
	hub, c := connect(t, fleet.Hub.Config()), fleet.Spokes[0]
	for _, name := range names {
		secret, err := install.HostedSecret(t.Context(), string(name), c.Config(), c.Config().Host)
		if err != nil {
			t.Fatal(err)
		}
		if err := hub.Create(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := hub.Delete(context.WithoutCancel(t.Context()), secret); err != nil {
				t.Error(err)
			}
		})
	}
}

// shares waits until every cluster is served by exactly one of the replicas, each serves at least one, and says by whom.
func shares(t *testing.T, names []multicluster.ClusterName, replicas map[string]agents) map[multicluster.ClusterName]string {
	t.Helper()
	var by map[multicluster.ClusterName]string
	eventually(t, "every cluster to be served by one replica", func() bool {
		by = map[multicluster.ClusterName]string{}
		n, busy := 0, map[string]bool{}
		for _, name := range names {
			for r, a := range replicas {
				if _, err := a.GetCluster(t.Context(), name); err == nil {
					by[name], busy[r] = r, true
					n++
				}
			}
		}
		return n == len(names) && len(by) == n && len(busy) == len(replicas)
	})
	return by
}

func manyNames() []multicluster.ClusterName {
	names := make([]multicluster.ClusterName, 12)
	for i := range names {
		names[i] = multicluster.ClusterName(fmt.Sprintf("shared-%d", i))
	}
	return names
}

// TestReplicasShare: replicas that come get their share and no more, and one that ends in order gives back what it has, at once.
func TestReplicasShare(t *testing.T) {
	names := manyNames()
	handOver(t, names...)
	a, _ := replica(t, "a")
	before := shares(t, names, map[string]agents{"a": a})
	if len(before) != len(names) {
		t.Fatalf("a alone serves %v", before)
	}
	b, _ := replica(t, "b")
	two := shares(t, names, map[string]agents{"a": a, "b": b})
	t.Run("a third", func(t *testing.T) {
		c, _ := replica(t, "c")
		for name, by := range shares(t, names, map[string]agents{"a": a, "b": b, "c": c}) {
			if by != "c" && by != two[name] {
				t.Errorf("%s went from %s to %s, and neither of them is new", name, two[name], by)
			}
		}
	})
	began := time.Now()
	for name, by := range shares(t, names, map[string]agents{"a": a, "b": b}) {
		if by != two[name] {
			t.Errorf("%s is with %s, and was with %s before c came and went", name, by, two[name])
		}
	}
	t.Logf("taken over from a replica that ended in order in %s; a Lease lasts %s", time.Since(began), quick.Duration)
	holders(t, two)
}

// holders of the Leases are who serves the clusters.
func holders(t *testing.T, by map[multicluster.ClusterName]string) {
	t.Helper()
	c := connect(t, fleet.Hub.Config())
	for name, replica := range by {
		var l coordinationv1.Lease
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: hosted.DefaultNamespace, Name: "cluster-" + string(name)}, &l); err != nil {
			t.Fatal(err)
		}
		if holder := ptr.Deref(l.Spec.HolderIdentity, ""); !strings.HasPrefix(holder, replica+"_") {
			t.Errorf("Lease %s is %s's, and %s serves the cluster", l.Name, holder, replica)
		}
	}
}

// TestPartition: a replica that does not reach the Leases any more, and goes on to reach its clusters, sends nothing to them from before another has taken
// them over.
func TestPartition(t *testing.T) {
	names := manyNames()[:4]
	handOver(t, names...)
	a, wireA := replica(t, "a")
	b, _ := replica(t, "b")
	by := shares(t, names, map[string]agents{"a": a, "b": b})
	var name multicluster.ClusterName
	for n, r := range by {
		if r == "a" {
			name = n
		}
	}
	cl, err := a.GetCluster(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	ask := func() error {
		return cl.GetClient().Create(t.Context(), &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "nobody", ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: "pods"},
		}})
	}
	if err := ask(); err != nil {
		t.Fatalf("a cannot write to %s, which it serves: %v", name, err)
	}
	wireA.cut.Store(true)
	defer wireA.cut.Store(false) // so that it can end
	var last time.Time
	eventually(t, "a to be kept from its cluster", func() bool {
		if ask() == nil {
			last = time.Now()
			return false
		}
		return true
	})
	eventually(t, "b to serve all", func() bool {
		for _, name := range names {
			if _, err := b.GetCluster(t.Context(), name); err != nil {
				return false
			}
		}
		return true
	})
	var l coordinationv1.Lease
	if err := connect(t, fleet.Hub.Config()).Get(t.Context(), client.ObjectKey{Namespace: hosted.DefaultNamespace, Name: "cluster-" + string(name)}, &l); err != nil {
		t.Fatal(err)
	}
	taken := l.Spec.AcquireTime.Time
	if !last.Before(taken) {
		t.Errorf("a wrote last at %s, and b has served the cluster since %s", last, taken)
	}
	t.Logf("the last write was accepted %s before the cluster was taken over", taken.Sub(last))
	eventually(t, "a to let go of what it had", func() bool {
		_, err := a.GetCluster(t.Context(), name)
		return errors.Is(err, multicluster.ErrClusterNotFound)
	})
	wireA.cut.Store(false)
	for n, r := range shares(t, names, map[string]agents{"a": a, "b": b}) {
		if r != by[n] {
			t.Errorf("%s is with %s, and was with %s before a was away", n, r, by[n])
		}
	}
}
