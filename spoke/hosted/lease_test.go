// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"errors"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What others count from is later than what the fence counts from, and the fence is shut before a Lease can be taken.
func TestTimingsLeaveRoom(t *testing.T) {
	d := DefaultTimings()
	if room := d.Duration - d.lasts(); room < 5*time.Second {
		t.Errorf("%s from the last request to the first of another replica, want 5s at least", room)
	}
}

func newTestLease(t *testing.T, mine *bool) (*lease, *fake.Clientset, *[]error) {
	t.Helper()
	api, failures := fake.NewClientset(), &[]error{}
	return &lease{
		LeaseInterface: api.CoordinationV1().Leases("ns"), clock: clock.RealClock{}, holder: "a_1", key: client.ObjectKey{Namespace: "ns", Name: "cluster-spoke1"},
		mayTake: func() bool { return *mine }, renewed: func(time.Time) {}, failed: func(err error) { *failures = append(*failures, err) },
	}, api, failures
}

// A Lease is not taken while another replica is to serve the cluster, even where it is free.
func TestLeaseIsLeftToOthers(t *testing.T) {
	mine := false
	l, api, _ := newTestLease(t, &mine)
	made := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: l.key.Name}, Spec: coordinationv1.LeaseSpec{HolderIdentity: ptr.To("a_1")}}
	if _, err := l.Create(t.Context(), made, metav1.CreateOptions{}); !errors.Is(err, errNotOurTurn) || len(api.Actions()) > 0 {
		t.Errorf("got %v and sent %v, want that it is left alone", err, api.Actions())
	}
	mine = true
	if _, err := l.Create(t.Context(), made, metav1.CreateOptions{}); err != nil {
		t.Error(err)
	}
}

// A Lease is given back only while it is this process', and not that of one before it with the same name.
func TestLeaseIsGivenBackByItsHolder(t *testing.T) {
	for holder, want := range map[string]string{"a_1": "", "a_0": "a_0", "b_1": "b_1"} {
		mine := true
		l, api, _ := newTestLease(t, &mine)
		made := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: l.key.Name}, Spec: coordinationv1.LeaseSpec{HolderIdentity: ptr.To(holder)}}
		if err := api.Tracker().Add(made); err != nil {
			t.Fatal(err)
		}
		if err := l.release(t.Context()); err != nil {
			t.Fatal(err)
		}
		now, err := l.LeaseInterface.Get(t.Context(), l.key.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := ptr.Deref(now.Spec.HolderIdentity, "?"); got != want {
			t.Errorf("the Lease was %s's and is %q's, want %q", holder, got, want)
		}
	}
}

// Why a Lease cannot be written is told: client-go keeps it to itself here.
func TestLeaseTellsWhyItCannotBeWritten(t *testing.T) {
	mine := true
	l, api, failures := newTestLease(t, &mine)
	forbidden := errors.New("leases.coordination.k8s.io is forbidden")
	api.PrependReactor("create", "leases", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, forbidden })
	if _, err := l.Create(t.Context(), &coordinationv1.Lease{}, metav1.CreateOptions{}); err == nil || len(*failures) != 1 || !errors.Is((*failures)[0], forbidden) {
		t.Errorf("got %v and told %v", err, *failures)
	}
}
