// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// TestRefusedEventIsLeftOut: an event that the control plane refuses for what it is holds up nothing; one that cannot be told now is told again, with all of its batch.
func TestRefusedEventIsLeftOut(t *testing.T) {
	var told []string
	away := false
	s := &sink{controlPlane: "odoo", events: func(_ context.Context, events []wire.Event) error {
		for _, e := range events {
			if e.EventKey == "3" {
				return &wire.Error{Status: 400, Code: "bad_request"}
			}
		}
		if away {
			return &wire.Error{Status: 503}
		}
		for _, e := range events {
			told = append(told, e.EventKey)
		}
		return nil
	}}
	var batch []wire.Event
	for i := range 7 {
		batch = append(batch, wire.Event{EventKey: fmt.Sprint(i)})
	}
	if err := s.Deliver(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if want := []string{"0", "1", "2", "4", "5", "6"}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	away = true
	if err := s.Deliver(t.Context(), batch); !wire.Temporary(err) {
		t.Errorf("of one that is away: %v", err)
	}
}

// TestOneClusterHearsNothingOfOthers: what a result says of the fleet as a whole is not for an identity that stands for one cluster.
func TestOneClusterHearsNothingOfOthers(t *testing.T) {
	result := wire.Event{EventKey: "r", Kind: wire.EventClusterResult, Cluster: "c1", Audit: &wire.Audit{Action: "Backup", Progress: "2/3", Failed: 1, Failures: []string{"c2: disk full"}}}
	for cluster, want := range map[string]wire.Audit{"": *result.Audit, "c1": {Action: "Backup"}} {
		var told wire.Event
		s := &sink{controlPlane: "odoo", managedCluster: cluster, events: func(_ context.Context, events []wire.Event) error { told = events[0]; return nil }}
		if err := s.Deliver(t.Context(), []wire.Event{result}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, *told.Audit); diff != "" {
			t.Errorf("of cluster %q (-want +told):\n%s", cluster, diff)
		}
	}
	if len(result.Audit.Failures) != 1 {
		t.Error("the event itself was changed, which others are told, too")
	}
}

// TestEarlierSuccessDoesNotHurry: a poll that was asked before something failed, and is answered after it, says nothing of how the control plane is now.
func TestEarlierSuccessDoesNotHurry(t *testing.T) {
	now := clocktesting.NewFakePassiveClock(time.Unix(1700000000, 0))
	client, err := wire.NewClient(wire.Options{Endpoint: "http://127.0.0.1:1", ClusterID: "a", Token: "t", Clock: now})
	if err != nil {
		t.Fatal(err)
	}
	l := newLink(client, "t", now, func(context.Context) (string, error) { return "t", nil }, func() {})
	polled := now.Now()
	now.SetTime(polled.Add(10 * time.Second))
	failed := l.do(t.Context(), aboutJob, func(*wire.Client) error { return &wire.Error{Status: 503, Job: "j"} })
	if failed == nil {
		t.Fatal("a 503 is no error")
	}
	if err := l.ended(polled, aboutAll, nil); err != nil {
		t.Fatal(err)
	}
	asked := false
	ask := func() error {
		return l.do(t.Context(), aboutJob, func(*wire.Client) error { asked = true; return nil })
	}
	if err := ask(); err == nil || asked {
		t.Errorf("it is asked again at once: %v", err)
	}
	now.SetTime(now.Now().Add(2 * time.Second))
	if err := errors.Join(ask(), ask()); err != nil || !asked {
		t.Errorf("it is not asked again: %v", err)
	}
}
