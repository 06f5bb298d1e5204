// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
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
		{"deletes the Jobs", remove(OnSpoke, "Job", ""), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost, false},
		{"deletes an instance's Operation", both(
			remove(OnSpoke, "Operation", apps),
			func(w *World) error { return w.None(OnSpoke, apps, "Operation", "Job") }, // before what it has begun may end
		), opsv1alpha1.PhaseCancelled, "", false},
		{"deletes the ManifestWorks", remove(OnHub, "ManifestWork", ""), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost, false},
		{"deletes the plan, and the hub is killed", func(w *World) error {
			defer w.Kill(Hub)
			return remove(OnHub, "ConfigMap", "")(w)
		}, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost, false},
		{"deletes the plan, and nobody is killed", remove(OnHub, "ConfigMap", ""), opsv1alpha1.PhaseSucceeded, "", false},
		{"replaces the plan, and the hub is killed", func(w *World) error {
			defer w.Kill(Hub)
			return replacePlan(w)
		}, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost, false},
		{"replaces the plan, and nobody is killed", replacePlan, opsv1alpha1.PhaseSucceeded, "", false},
		{"cancels in a ManifestWork", edit(OnHub, "ManifestWork", near, manifest("cancel", true)), opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled, true},
		{"writes into a ManifestWork what cannot be", edit(OnHub, "ManifestWork", near, manifest("type", "Backup")), opsv1alpha1.PhaseSucceeded, "", false},
		{"cancels an instance's Operation", edit(OnSpoke, "Operation", apps, func(o *unstructured.Unstructured) {
			_ = unstructured.SetNestedField(o.Object, true, "spec", "cancel")
		}), opsv1alpha1.PhaseCancelled, "", true},
		{"deletes the instances", remove(OnSpoke, "ApplicationInstance", ""), opsv1alpha1.PhaseSucceeded, "", false},
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
					return w.endsAs(t, c.phase, c.words)
				},
			}, Faults{}, Report{})
		})
	}
}

// manifest sets a field of the spec of what a ManifestWork carries.
func manifest(field string, value any) func(*unstructured.Unstructured) {
	return func(o *unstructured.Unstructured) {
		manifests, _, _ := unstructured.NestedSlice(o.Object, "spec", "workload", "manifests")
		_ = unstructured.SetNestedField(manifests[0].(map[string]any), value, "spec", field)
		_ = unstructured.SetNestedSlice(o.Object, manifests, "spec", "workload", "manifests")
	}
}

// replacePlan puts another plan in the place of that of a run, which cannot be edited: one without its far clusters.
func replacePlan(w *World) error {
	plans, err := w.found(OnHub, "ConfigMap", func(o *unstructured.Unstructured) bool {
		return o.GetLabels()[opsv1alpha1.LabelPart] == opsv1alpha1.PartPlan
	})
	if err != nil {
		return err
	}
	for _, o := range plans {
		chunks, err := placement.EncodePlan(placement.Plan{Groups: []placement.Group{{Clusters: []string{near}}}})
		if err != nil {
			return err
		}
		other := map[string]any{}
		data, _, _ := unstructured.NestedStringMap(o.Object, "binaryData")
		for key := range data {
			other[key] = base64.StdEncoding.EncodeToString(chunks[0])
		}
		o.Object["binaryData"] = other
		if err := w.Hub.Update(w.ctx, o.DeepCopy()); !apierrors.IsInvalid(err) {
			return fmt.Errorf("the plan could be edited: %w", err)
		}
		if err := w.Delete(OnHub, o.DeepCopy()); err != nil {
			return err
		}
		o.SetResourceVersion("")
		if err := w.Create(OnHub, o); err != nil {
			return err
		}
	}
	return nil
}

// endsAs waits until the fleet's Operation has ended, and holds that it says why.
func (w *World) endsAs(t *testing.T, phase opsv1alpha1.OperationPhase, words string) error {
	t.Helper()
	if err := w.Reaches("op", phase, ""); err != nil {
		return err
	}
	s := w.Operation(OnHub, apps, "op").Status
	told := fmt.Sprintf("%s/%s: %s %+v", s.Phase, s.Reason, s.Message, s.Failures)
	if !strings.Contains(told, words) {
		t.Errorf("it does not say %s: %s", words, told)
	}
	t.Log(told)
	return nil
}

// found is what there is of a kind that a person may lay hands on. Whoever sees objects of one kind late, on a busy machine, waits for one: hands on nothing
// would try nothing.
func (w *World) found(api API, kind string, which func(*unstructured.Unstructured) bool) (all []*unstructured.Unstructured, err error) {
	err = w.await("a "+kind+" to be there", func() string {
		all = slices.DeleteFunc(w.mirror.all(api, kind), func(o *unstructured.Unstructured) bool { return !mayBeLeft(api, o) || !which(o) })
		if len(all) == 0 {
			return "there is none"
		}
		return ""
	})
	return all, err
}

// in a namespace, or in all of them.
func in(namespace string) func(*unstructured.Unstructured) bool {
	return func(o *unstructured.Unstructured) bool { return namespace == "" || o.GetNamespace() == namespace }
}

// remove deletes what there is of a kind in a namespace, or in all of them.
func remove(api API, kind, namespace string) func(*World) error {
	return func(w *World) error {
		all, err := w.found(api, kind, in(namespace))
		for _, o := range all {
			err = errors.Join(err, w.client(api).Delete(context.Background(), o, client.PropagationPolicy(metav1.DeletePropagationBackground)))
		}
		return err
	}
}

// edit changes what there is of a kind in a namespace, or in all of them.
func edit(api API, kind, namespace string, change func(*unstructured.Unstructured)) func(*World) error {
	return func(w *World) error {
		all, err := w.found(api, kind, in(namespace))
		for _, o := range all {
			err = errors.Join(err, w.Change(api, o, func() { change(o) }))
		}
		return err
	}
}
