// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestHands: a person deletes or edits what is not his while a command is at work everywhere. It ends all the same, and says why; nothing that was
// taken away is made again.
func TestHands(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(w *World) error
		// phase and words that the fleet's Operation ends with.
		phase opsv1alpha1.OperationPhase
		words string
		// stuck executors never end what they have begun.
		stuck bool
	}{
		{"deletes the Jobs", remove(OnSpoke, "Job"), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost, false},
		{"deletes an instance's Operation", both(
			remove(OnSpoke, "Operation", func(o *unstructured.Unstructured) bool { return o.GetNamespace() == apps }),
			func(w *World) error { return w.None(OnSpoke, apps, "Operation", "Job") }, // before what it has begun may end
		), opsv1alpha1.PhaseCancelled, "", false},
		{"deletes the ManifestWorks", remove(OnHub, "ManifestWork"), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost, false},
		{"deletes the plan, and the hub is killed", func(w *World) error {
			defer w.Kill(Hub)
			return remove(OnHub, "ConfigMap")(w)
		}, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost, false},
		{"deletes the plan, and nobody is killed", remove(OnHub, "ConfigMap"), opsv1alpha1.PhaseSucceeded, "", false},
		{"deletes the instances", remove(OnSpoke, "ApplicationInstance"), opsv1alpha1.PhaseSucceeded, "", false},
		{"cancels on the spoke", edit(OnSpoke, "Operation", opsv1alpha1.DefaultAgentNamespace, func(o *unstructured.Unstructured) {
			_ = unstructured.SetNestedField(o.Object, true, "spec", "cancel")
		}), opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled, true},
		{"takes the labels off the Jobs", edit(OnSpoke, "Job", apps, func(o *unstructured.Unstructured) { o.SetLabels(nil) }),
			opsv1alpha1.PhaseSucceeded, "", false},
		{"takes the labels off the ManifestWorks", edit(OnHub, "ManifestWork", near, func(o *unstructured.Unstructured) { o.SetLabels(nil) }),
			opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost, false},
		{"takes the finalizer off the hub's Operation", edit(OnHub, "Operation", apps, func(o *unstructured.Unstructured) { o.SetFinalizers(nil) }),
			opsv1alpha1.PhaseSucceeded, "", false},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			tell(t, Story{
				Name:   c.name,
				Before: instances(opsv1alpha1.EngineJob),
				Tell: func(w *World) error {
					if _, err := taskOf("job").begin(w, (*World).Hold); err != nil {
						return err
					}
					if err := c.do(w); err != nil {
						return err
					}
					if c.stuck {
						w.play.near.Store(true)
					}
					w.Release()
					if err := w.Reaches("op", c.phase, ""); err != nil {
						return err
					}
					s := w.Operation(OnHub, apps, "op").Status
					if told := fmt.Sprintf("%s/%s: %s %+v", s.Phase, s.Reason, s.Message, s.Failures); !strings.Contains(told, c.words) {
						t.Errorf("it does not say %s: %s", c.words, told)
					} else {
						t.Log(told)
					}
					return nil
				},
			}, Faults{}, Report{})
		})
	}
}

// remove deletes what there is of a kind.
func remove(api API, kind string, only ...func(*unstructured.Unstructured) bool) func(*World) error {
	return func(w *World) error {
		for _, o := range w.mirror.all(api, kind) {
			if !mayBeLeft(api, o) || len(only) > 0 && !only[0](o) {
				continue
			}
			if err := w.client(api).Delete(context.Background(), o, client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
				return err
			}
		}
		return nil
	}
}

// edit changes what there is of a kind in a namespace.
func edit(api API, kind, namespace string, change func(*unstructured.Unstructured)) func(*World) error {
	return func(w *World) error {
		for _, o := range w.mirror.all(api, kind) {
			if o.GetNamespace() != namespace {
				continue
			}
			if err := w.Change(api, o, func() { change(o) }); err != nil {
				return err
			}
		}
		return nil
	}
}
