// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
)

// What a manager answers on a real API server is tested in hub/ready_test.go.

// TestProbe: a good answer holds for a while, a plainly bad one ends readiness at once, and so does silence of the probe itself.
func TestProbe(t *testing.T) {
	c := testclock.NewFakePassiveClock(time.Unix(1e9, 0))
	var answer error
	p := newProbe("test", 10*time.Second, c, func(context.Context) error { return answer })
	ready := func(want bool, when string) {
		t.Helper()
		if err := p.Check(nil); (err == nil) != want {
			t.Errorf("%s: %v", when, err)
		}
	}
	step := func(d time.Duration, err error) {
		c.SetTime(c.Now().Add(d))
		answer = err
		p.look(t.Context())
	}
	ready(false, "before anything was asked")
	step(0, errors.New("no route"))
	ready(false, "never answered")
	step(10*time.Second, nil)
	ready(true, "answered")
	step(10*time.Second, errors.New("timeout"))
	ready(true, "one answer was lost")
	step(21*time.Second, errors.New("timeout"))
	ready(false, "none for longer than three intervals")
	step(10*time.Second, nil)
	ready(true, "answered again")
	step(10*time.Second, fmt.Errorf("%w: gone", errPlain))
	ready(false, "plainly bad")
	step(10*time.Second, nil)
	ready(true, "mended")
	c.SetTime(c.Now().Add(time.Minute))
	ready(false, "nobody asks any more")
}

// TestStandby: who does not lead is ready only behind a leader that goes on renewing, whatever the leader's clock says.
func TestStandby(t *testing.T) {
	c := testclock.NewFakePassiveClock(time.Unix(1e9, 0))
	var lease coordinationv1.Lease
	err := errors.New("forbidden")
	elected := make(chan struct{})
	s := &standby{
		lease: types.NamespacedName{Namespace: "ns", Name: "lease"}, elected: elected, clock: c,
		read: func(context.Context) (*coordinationv1.Lease, error) { return lease.DeepCopy(), err },
	}
	says := func(want string) {
		t.Helper()
		err := s.ask(t.Context())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("wanted %q, got %v", want, err)
		}
	}
	says("read the Lease ns/lease: forbidden")
	err = nil
	says("nobody holds the Lease")
	renew := func(at time.Time) {
		lease.Spec = coordinationv1.LeaseSpec{HolderIdentity: ptr.To("a"), LeaseDurationSeconds: ptr.To(int32(15)), RenewTime: ptr.To(metav1.NewMicroTime(at))}
	}
	renew(c.Now().Add(-time.Hour)) // the leader's clock is an hour late
	says("")
	c.SetTime(c.Now().Add(20 * time.Second))
	says("a holds the Lease ns/lease and does not renew it")
	renew(c.Now().Add(-time.Hour))
	says("")
	c.SetTime(c.Now().Add(time.Hour))
	close(elected)
	says("")
}
