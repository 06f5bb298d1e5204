// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"strings"
	"testing"
	"time"

	"k8s.io/utils/ptr"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestPartition: a cluster loses the hub while its run is at work, and comes back after the run has ended and its record's time is over. The work agent puts
// back whatever it misses meanwhile, as it has never been able to say that the run is complete. Nothing runs twice.
func TestPartition(t *testing.T) {
	story := func(comeBack func(w *World) error) Story {
		return Story{
			Name: "partition", Before: instances(opsv1alpha1.EngineJob),
			Tell: func(w *World) error {
				w.Hold()
				op := tool("op")
				op.Spec.TTLSecondsAfterFinished = ptr.To[int32](0)
				return inTurn(
					func() error { return w.Create(OnHub, op) },
					func() error { return w.AtWork(2) },
					func() error { w.play.away.Store(true); w.Release(); return w.endedOnSpoke() },
					func() error { return comeBack(w) },
					func() error { w.play.away.Store(false); return w.Gone(OnHub, "Operation", apps, "op") },
				)
			},
		}
	}
	for name, c := range map[string]struct {
		ahead *jumping
		back  func(w *World, ahead *jumping) error
	}{
		"shorter than a delivery may take": {&jumping{}, func(w *World, _ *jumping) error {
			return w.await("the record to be kept", func() string {
				if len(w.mirror.all(OnSpoke, "Operation")) == 0 {
					return "it is gone"
				}
				return ""
			})
		}},
		"longer than a delivery may take": {&jumping{}, func(w *World, ahead *jumping) error {
			ahead.jump(time.Hour)
			w.Kill(Agent)
			return inTurn(
				func() error { return w.None(OnSpoke, apps, "Job") },
				func() error {
					return w.await("what was put back to be refused", func() string {
						for _, o := range w.mirror.all(OnSpoke, "Operation") {
							if text(o, "status", "reason") == opsv1alpha1.ReasonResultLost {
								return ""
							}
						}
						return "it is not"
					})
				},
			)
		}},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			r := tell(t, story(func(w *World) error { return c.back(w, c.ahead) }), Faults{Clock: c.ahead}, Report{})
			if jobs := r.Made["spoke Job"]; jobs != 2 {
				t.Errorf("%d Jobs were made for 2 instances", jobs)
			}
		})
	}
}

// endedOnSpoke waits until what was delivered to the near cluster has ended there.
func (w *World) endedOnSpoke() error {
	return w.await("the run to end on the spoke", func() string {
		for _, o := range w.mirror.all(OnSpoke, "Operation") {
			if o.GetNamespace() == opsv1alpha1.DefaultAgentNamespace && opsv1alpha1.OperationPhase(text(o, "status", "phase")).Terminal() {
				return ""
			}
		}
		return "it has not"
	})
}
