// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"context"
	"slices"

	logf "sigs.k8s.io/controller-runtime/pkg/log"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/stream"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// Stream is what a control plane needs of the status stream.
type Stream interface {
	// Add a sink; the one of the same name before it is replaced, and what was told to that is not told again.
	Add(ctx context.Context, sink stream.Sink, paused bool) error
	// Pause a sink: nothing is delivered to it, and nothing is lost, until that is taken back.
	Pause(name string, on bool)
	// Remove a sink: it is not told anything any more.
	Remove(ctx context.Context, name string) error
	// Post a letter to all sinks that want it. What was taken is not lost. The same id is the same letter.
	Post(ctx context.Context, id string, events []wire.Event) error
	// Resynced tells whether a sink knows how everything stands since it was last away.
	Resynced(name string) bool
	// Overflow is the condition BufferOverflow of a sink.
	Overflow(name string) metav1.Condition
	// BeforeLettingGo has a function called for every Operation before it is let go, which it is not while that fails. It is for the time before the stream runs.
	BeforeLettingGo(f func(context.Context, *opsv1alpha1.Operation) error)
	// OnChange has a function called with the name of a sink of which something of this has changed. It is for the time before the stream runs.
	OnChange(f func(name string))
}

// sinkName of a ControlPlane.
func sinkName(controlPlane string) string { return "controlplane/" + controlPlane }

// sink tells a control plane what Operations and ApplicationInstances do.
type sink struct {
	controlPlane   string
	managedCluster string // alone, unless empty
	events         func(context.Context, []wire.Event) error
}

// Name implements stream.Sink.
func (s *sink) Name() string { return sinkName(s.controlPlane) }

// Wants implements stream.Sink: an identity hears of what it stands for, and of itself, but not of other control planes.
func (s *sink) Wants(e *wire.Event) bool {
	if e.ResourceRef.Kind == kindControlPlane {
		return e.ResourceRef.Name == s.controlPlane
	}
	return s.managedCluster == "" || e.Cluster == s.managedCluster
}

// Deliver implements stream.Sink. What the control plane refuses for what it is must not hold up what comes after it: of a batch that it refuses the halves are told, and
// an event that it refuses alone is logged, and left out.
func (s *sink) Deliver(ctx context.Context, events []wire.Event) error {
	if s.managedCluster != "" {
		events = without(events)
	}
	return s.deliver(ctx, events)
}

// without what events say of other clusters: how the whole fleet gets on, and why others failed.
func without(events []wire.Event) []wire.Event {
	own := slices.Clone(events)
	for i := range own {
		if own[i].Audit == nil || own[i].Kind != wire.EventClusterResult {
			continue
		}
		audit := *own[i].Audit
		audit.Progress, audit.Failed, audit.Failures = "", 0, nil
		own[i].Audit = &audit
	}
	return own
}

func (s *sink) deliver(ctx context.Context, events []wire.Event) error {
	err := s.events(ctx, events)
	switch n := len(events); {
	case !wire.Rejected(err):
		return err
	case n > 1:
		if err := s.deliver(ctx, events[:n/2]); err != nil {
			return err
		}
		return s.deliver(ctx, events[n/2:])
	default:
		logf.FromContext(ctx).Error(err, "the control plane refuses an event, and is not told of it", "controlPlane", s.controlPlane, "eventKey", events[0].EventKey)
		return nil
	}
}
