// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"context"

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
	// OnChange has a function called with the name of a sink of which something of this has changed. It is for the time before the stream runs.
	OnChange(f func(name string))
}

// nobody is a stream of nothing.
type nobody struct{}

func (nobody) Add(context.Context, stream.Sink, bool) error     { return nil }
func (nobody) Pause(string, bool)                               {}
func (nobody) Remove(context.Context, string) error             { return nil }
func (nobody) Post(context.Context, string, []wire.Event) error { return nil }
func (nobody) Resynced(string) bool                             { return true }
func (nobody) OnChange(func(string))                            {}
func (nobody) Overflow(string) metav1.Condition {
	return metav1.Condition{Type: opsv1alpha1.ConditionBufferOverflow, Status: metav1.ConditionFalse, Reason: opsv1alpha1.ReasonNothingDropped}
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
	err := s.events(ctx, events)
	switch n := len(events); {
	case !wire.Rejected(err):
		return err
	case n > 1:
		if err := s.Deliver(ctx, events[:n/2]); err != nil {
			return err
		}
		return s.Deliver(ctx, events[n/2:])
	default:
		logf.FromContext(ctx).Error(err, "the control plane refuses an event, and is not told of it", "controlPlane", s.controlPlane, "eventKey", events[0].EventKey)
		return nil
	}
}
