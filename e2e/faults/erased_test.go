// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestErased: what an executor has done is erased while the agent hears nothing, so nobody has read how it ended. The run is lost; it is not run again.
func TestErased(t *testing.T) {
	for _, name := range []string{"job", "workflow", "velero", "volsync", "helmHookJob", "restore", "quiesce"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			task, door := taskOf(name), &Door{}
			r := tell(t, task.story(" erased", func(w *World) error {
				defer door.Open()
				if _, err := task.begin(w, (*World).Hold); err != nil {
					return err
				}
				return inTurn(
					func() error { door.Shut(); w.Release(); return w.executed(task.at) },
					func() error { return remove(OnSpoke, task.at, "")(w) },
					// What it has been told and not heard yet dies with it.
					func() error {
						w.Kill(Agent)
						door.Open()
						return w.endsAs(t, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost)
					},
				)
			}), Faults{Rules: map[string]func(int) Rule{Agent.Name: func(int) Rule { return door.Rule }}}, Report{})
			if made := r.Made[madeAs(OnSpoke, task.at)]; name != "restore" && made != task.runs {
				t.Errorf("%d of kind %s were made for %d runs", made, task.at, task.runs)
			}
		})
	}
}

// executed waits until executors have ended all that they have begun of a kind.
func (w *World) executed(kind string) error {
	return w.await("every "+kind+" to have ended", func() string {
		for _, o := range w.mirror.all(OnSpoke, kind) {
			if o.GetLabels()[opsv1alpha1.LabelOperation] != "" && !hasEnded(o) {
				return o.GetName() + " has not"
			}
		}
		return ""
	})
}

// hasEnded tells whether the executor of an object is done with it.
func hasEnded(o *unstructured.Unstructured) bool {
	switch o.GetKind() {
	case "Job":
		return status(o)["conditions"] != nil
	case "ReplicationSource":
		return text(o, "status", "lastManualSync") != ""
	}
	phase := text(o, "status", "phase")
	return phase != "" && phase != "Running" && phase != "InProgress"
}
