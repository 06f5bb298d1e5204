// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"testing"
	"time"

	"vworkspace.io/fleet/hub/odoo/wire"
)

func TestRotationDue(t *testing.T) {
	since := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	cases := []struct {
		name    string
		expires time.Time
		every   time.Duration
		want    time.Time
	}{
		{name: "a week", want: since.Add(168 * time.Hour)},
		{name: "as the spec says", every: time.Hour, want: since.Add(time.Hour)},
		{name: "two thirds of their life", expires: since.Add(30 * time.Hour), want: since.Add(20 * time.Hour)},
		{name: "the spec is sooner", expires: since.Add(30 * time.Hour), every: time.Hour, want: since.Add(time.Hour)},
		{name: "they live longer", expires: since.Add(9000 * time.Hour), want: since.Add(168 * time.Hour)},
		{name: "they ended before they were given, as far as is known", expires: since, want: since.Add(-rotateAhead)},
	}
	for _, c := range cases {
		if got := rotationDue(since, c.expires, c.every); !got.Equal(c.want) {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestSinkWants(t *testing.T) {
	operation, ours, other := wire.Ref{Kind: "Operation", Name: "odoo"}, wire.Ref{Kind: kindControlPlane, Name: "odoo"}, wire.Ref{Kind: kindControlPlane, Name: "another"}
	cases := []struct {
		name       string
		event      wire.Event
		whole, one bool
	}{
		{"of the fleet", wire.Event{Kind: wire.EventCondition, ResourceRef: operation}, true, false},
		{"of the cluster", wire.Event{Kind: wire.EventCondition, ResourceRef: operation, Cluster: "c1"}, true, true},
		{"of another cluster", wire.Event{Kind: wire.EventClusterResult, ResourceRef: operation, Cluster: "c2"}, true, false},
		{"of the identity", wire.Event{Kind: wire.EventCredentialRotated, ResourceRef: ours}, true, true},
		{"of another identity", wire.Event{Kind: wire.EventJobRefused, ResourceRef: other, Cluster: "c1"}, false, false},
	}
	whole, one := &sink{controlPlane: "odoo"}, &sink{controlPlane: "odoo", managedCluster: "c1"}
	for _, c := range cases {
		if got := whole.Wants(&c.event); got != c.whole {
			t.Errorf("%s, for the whole fleet: %v", c.name, got)
		}
		if got := one.Wants(&c.event); got != c.one {
			t.Errorf("%s, for one cluster: %v", c.name, got)
		}
	}
}
