// SPDX-License-Identifier: Apache-2.0

package engines

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// OwnerReference makes an object go with the Operation. It is for runners, such as Jobs, and never for what a run produces, such as a
// Backup. It does not block the owner's deletion: that would ask for the right to set finalizers on Operations, and on clusters that check
// it (OwnerReferencesPermissionEnforcement) the runner's ServiceAccount has none.
func (r Run) OwnerReference() metav1.OwnerReference {
	controller := true
	return metav1.OwnerReference{
		APIVersion: opsv1alpha1.GroupVersion.String(),
		Kind:       "Operation",
		Name:       r.Operation.Name,
		UID:        r.Operation.UID,
		Controller: &controller,
	}
}

// Owns tells whether obj, which was found under a name of the run, is really this run's: it carries the run's UID, and when the run has
// recorded an object of that kind and name, it is that very one and not one that took its place. Kind is passed along because typed
// objects read from a cluster do not carry it.
func (r Run) Owns(obj metav1.Object, kind string) bool {
	if obj.GetLabels()[opsv1alpha1.LabelOperation] != string(r.UID()) {
		return false
	}
	recorded := r.Recorded(kind, obj.GetNamespace(), obj.GetName())
	return recorded == "" || recorded == obj.GetUID()
}
