// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestUnreadableObject: what the API server cannot read now it cannot read later, such as a hook with a number where a string must be.
func TestUnreadableObject(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	faults.inject(t, ns, func(verb string, _ client.Object) error {
		if verb == "create" {
			return apierrors.NewBadRequest("Widget in version v1 cannot be handled as a Widget: json: cannot unmarshal bool into Go struct field")
		}
		return nil
	})
	op := on(ns, "unreadable", "web", opsv1alpha1.TypeBackup)
	create(t, op)
	reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed)
	says(t, op, "cannot unmarshal bool")
}
