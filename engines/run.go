// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// DefaultServiceAccount is whom the pods of a run act as when nobody names another. It has no rights to begin with.
const DefaultServiceAccount = "vworkspace-operation-runner"

// Run is one execution of one Operation on one ApplicationInstance. Engines read it and never change it.
type Run struct {
	// Operation with spec.targetRef; its status says what was applied so far.
	Operation *opsv1alpha1.Operation
	// Target of the Operation. Nil while observing a run whose target was deleted meanwhile.
	Target *appsv1alpha1.ApplicationInstance
	// Cluster is the name of the managed cluster, empty on a spoke without a hub.
	Cluster string
	// Step is empty, or names a run beside the Operation's own, such as its quiesce: it has other names, and an Operation of its own making.
	Step string
}

// UID of the run: a new Operation under an old name is a new run.
func (r Run) UID() types.UID { return r.Operation.UID }

// Namespace that the run's objects live in.
func (r Run) Namespace() string { return r.Operation.Namespace }

// Name for the run's object that plays the given parts; no part for the one main object.
func (r Run) Name(parts ...string) string {
	if r.Step != "" {
		// No engine's part has a space: one that is a cluster's name, say, is a DNS label.
		parts = append([]string{"step " + r.Step}, parts...)
	}
	return opsv1alpha1.RunName(r.Operation.Name, r.Operation.UID, parts...)
}

// Labels for every object that the run creates.
func (r Run) Labels() map[string]string {
	labels := map[string]string{
		opsv1alpha1.LabelOperation:  string(r.UID()),
		appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane,
	}
	if r.Cluster != "" {
		labels[appsv1alpha1.LabelClusterID] = r.Cluster
	}
	if r.Step != "" {
		labels[opsv1alpha1.LabelStep] = r.Step
	}
	// A name that is too long for a label is in the Operation only.
	if target := r.Operation.Spec.TargetRef; target != nil && len(validation.IsValidLabelValue(target.Name)) == 0 {
		labels[appsv1alpha1.LabelApplicationInstance] = target.Name
	}
	return labels
}

// excludeFromBackup keeps Velero from copying an object.
const excludeFromBackup = "velero.io/exclude-from-backup"

// RunnerLabels are for what does the work of a run, such as a Job and its pods. Velero leaves them out of Backups: one that came back with a
// Restore would have neither owner nor status, and do its work again.
func (r Run) RunnerLabels() map[string]string {
	labels := r.Labels()
	labels[excludeFromBackup] = "true"
	return labels
}

// Applied tells whether the plan was put in place: from then on a missing object is a lost result, never a reason to start again.
func (r Run) Applied() bool { return len(r.Operation.Status.Resources) > 0 }

// Recorded returns the UID under which an object of the run was recorded, or "" when it was not.
func (r Run) Recorded(kind, namespace, name string) types.UID {
	for _, ref := range r.Operation.Status.Resources {
		if ref.Kind == kind && ref.Namespace == namespace && ref.Name == name {
			return ref.UID
		}
	}
	return ""
}
