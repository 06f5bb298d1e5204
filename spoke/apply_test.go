// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestUnreadableObject: what the API server cannot read now it cannot read later, such as a hook with a number where a string must be.
func TestUnreadableObject(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	faults.inject(t, ns, func(verb string, obj client.Object) error {
		if verb == "create" && obj.GetObjectKind().GroupVersionKind().Kind == "Widget" {
			return apierrors.NewBadRequest("Widget in version v1 cannot be handled as a Widget: json: cannot unmarshal bool into Go struct field")
		}
		return nil
	})
	op := on(ns, "unreadable", "web", opsv1alpha1.TypeBackup)
	create(t, op)
	reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed)
	says(t, op, "cannot unmarshal bool")
}

// TestLateApply: what an agent sent that hung changes nothing when the object has changed since, and is tried again on what is there now.
func TestLateApply(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	theirs := testKind("Widget")
	theirs.SetNamespace(ns)
	theirs.SetName("somebody")
	create(t, theirs)
	arrived := faults.late(t, ns, 1, func() error { return touch(t, theirs) })
	op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
	op.Spec.Parameters = parameters(t, `{"poke":"somebody"}`)
	create(t, op)
	eventually(t, func() string {
		reload(t, theirs)
		if by, _, _ := unstructured.NestedString(theirs.Object, "spec", "pokedBy"); by != string(op.UID) {
			return "it is poked by " + by
		}
		return ""
	})
	if arrived() {
		t.Error("the change that was late was applied")
	}
}
