// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"fmt"
	"slices"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
)

func leaseOfTest(replica, version string) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: leaseNameOf(leaseOfReplica, replica), ResourceVersion: version},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To(replica)},
	}
}

// A replica is alive while its Lease changes, whatever times are written there.
func TestReplicasAreAliveWhileTheirLeasesChange(t *testing.T) {
	c := testingclock.NewFakePassiveClock(time.Now())
	r := newReplicas(c, "a", 20*time.Second)
	alive := func(want ...string) {
		t.Helper()
		if got := slices.Sorted(slices.Values(r.alive())); !slices.Equal(got, want) {
			t.Errorf("alive: %v, want %v", got, want)
		}
	}
	alive("a")
	if !r.saw(leaseOfTest("b", "1")) || r.saw(leaseOfTest("a", "1")) {
		t.Error("b is news, and a is not to itself")
	}
	alive("a", "b")
	c.SetTime(c.Now().Add(15 * time.Second))
	if r.saw(leaseOfTest("b", "2")) || r.expire() {
		t.Error("b has been seen in time, and is no news")
	}
	c.SetTime(c.Now().Add(15 * time.Second))
	if r.saw(leaseOfTest("b", "2")); r.expire() {
		t.Error("b has changed 15 s ago")
	}
	c.SetTime(c.Now().Add(5 * time.Second))
	if !r.expire() || r.expire() {
		t.Error("b is silent for 20 s, once")
	}
	alive("a")
	r.saw(leaseOfTest("b", "3"))
	if !r.left(leaseOfTest("b", "3")) || r.left(leaseOfTest("b", "3")) {
		t.Error("b leaves, once")
	}
	alive("a")
}

// Each cluster is one replica's, each replica has about as many, and only those change hands that the one that went had.
func TestReplicasShareEvenly(t *testing.T) {
	const n = 3000
	share := func(names ...string) map[string]string {
		of := map[string]string{}
		for _, self := range names {
			r := newReplicas(testingclock.NewFakePassiveClock(time.Now()), self, time.Hour)
			for _, name := range names {
				r.saw(leaseOfTest(name, "1"))
			}
			for i := range n {
				cluster := fmt.Sprintf("spoke%d", i)
				if !r.mine(cluster) {
					continue
				}
				if other, taken := of[cluster]; taken {
					t.Fatalf("%s is %s's and %s's", cluster, other, self)
				}
				of[cluster] = self
			}
		}
		return of
	}
	three, two := share("hosted-0", "hosted-1", "hosted-2"), share("hosted-0", "hosted-2")
	if len(three) != n || len(two) != n {
		t.Fatalf("%d and %d of %d clusters are somebody's", len(three), len(two), n)
	}
	count := map[string]int{}
	for cluster, of := range three {
		count[of]++
		if of != "hosted-1" && two[cluster] != of {
			t.Errorf("%s went from %s to %s when hosted-1 left", cluster, of, two[cluster])
		}
	}
	for of, got := range count {
		if got < n*3/10 || got > n*37/100 {
			t.Errorf("%s has %d of %d clusters, want about a third", of, got, n)
		}
	}
}
