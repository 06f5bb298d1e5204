// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/expressions"
	"vworkspace.io/fleet/placement"
)

// belongsToSpoke tells whether an Operation was delivered by a hub, or made below one: its agent acts on it, not the hub.
func belongsToSpoke(op *opsv1alpha1.Operation) bool {
	return op.Labels[opsv1alpha1.LabelRoot] != "" || op.Labels[opsv1alpha1.LabelParent] != ""
}

// refusal is why an Operation makes no sense on the hub; empty when it does.
func (o Options) refusal(op *opsv1alpha1.Operation) (reason, message string) {
	if op.Spec.Placement == nil && op.Spec.TargetRef == nil {
		return opsv1alpha1.ReasonValidationFailed,
			"spec.placement is required on the hub: name a Placement in spec.placement.placementRef.name, or one delivered instance in spec.targetRef"
	}
	if errs := wrongFields(op); len(errs) > 0 {
		return opsv1alpha1.ReasonValidationFailed, errs.ToAggregate().Error()
	}
	if message := misplaced(op); message != "" {
		return opsv1alpha1.ReasonValidationFailed, message
	}
	if op.Namespace == o.PlatformNamespace || op.Spec.Selector == nil {
		return "", ""
	}
	for _, ns := range op.Spec.Selector.Namespaces {
		if ns != op.Namespace {
			return opsv1alpha1.ReasonNamespaceNotAllowed, fmt.Sprintf(
				"spec.selector.namespaces: %q is not allowed: an Operation in namespace %s may select only the spokes' namespace of that name; "+
					"Operations across namespaces belong into the hub's namespace %s", ns, op.Namespace, o.PlatformNamespace)
		}
	}
	return "", ""
}

// wrongFields are the fields that make no sense, whatever there is on the hub.
func wrongFields(op *opsv1alpha1.Operation) field.ErrorList {
	errs := append(placement.ValidateRollout(op.Spec), placement.ValidateWindow(op.Spec)...)
	form, wrong := expressions.Read(op.Spec.Parameters)
	if form != nil && !form.Fixed() && op.Spec.Placement != nil && op.Spec.Placement.OnChange == opsv1alpha1.ChangeFollow {
		wrong = append(wrong, field.Invalid(field.NewPath("spec", "placement", "onChange"), opsv1alpha1.ChangeFollow,
			"must be Freeze where spec.parameters has expressions: what a cluster that joins is given could not be refused any more"))
	}
	return append(errs, wrong...)
}

// sentSpec is what every cluster is given: the Operation without the parts that the hub itself acts on.
//
// A target by name becomes a selector that must match: on the spoke the Operation lands in the agent's namespace, and the instance is
// in the namespace that bears the name of the hub Operation's. The template, where it is one, goes along by its digest: a cluster whose catalog says
// something else does not run it.
func (o Options) sentSpec(op *opsv1alpha1.Operation, template *opsv1alpha1.TemplateRef) opsv1alpha1.OperationSpec {
	spec := *op.Spec.DeepCopy()
	if template != nil {
		spec.TemplateRef = template
	}
	spec.Placement, spec.Rollout, spec.Approvals = nil, nil, nil
	spec.DryRun, spec.DryRunScope, spec.Cancel, spec.Suspend = asksClusters(op), "", false, false
	spec.Retry, spec.ConcurrencyKey, spec.ConcurrencyPolicy = nil, "", ""
	spec.RetryOf = nil // which clusters these are
	if spec.TTLSecondsAfterFinished == nil || rollsBack(op) && *spec.TTLSecondsAfterFinished < defaultTTL {
		spec.TTLSecondsAfterFinished = ptr.To(defaultTTL)
	}
	if target := spec.TargetRef; target != nil {
		spec.TargetRef = nil
		spec.Selector = &opsv1alpha1.InstanceSelector{Namespaces: []string{op.Namespace}, Names: []string{target.Name}, Required: true}
	}
	if len(spec.Selector.Namespaces) == 0 && op.Namespace != o.PlatformNamespace {
		spec.Selector.Namespaces = []string{op.Namespace}
	}
	return spec
}

// waitsForPeople, or for others, are the reasons for which an Operation may be blocked without end.
var waitsForPeople = []string{
	opsv1alpha1.ReasonAwaitingApproval, opsv1alpha1.ReasonApprovalInvalid, opsv1alpha1.ReasonAdmissionPassed,
	opsv1alpha1.ReasonFrozen, opsv1alpha1.ReasonConflictingOperation,
}

// blockedSince is when the present run of blocks began that the start deadline bounds: now, unless the history tells of an earlier one.
func blockedSince(s *opsv1alpha1.OperationStatus, now time.Time) time.Time {
	since := now
	for _, step := range slices.Backward(s.History) {
		if step.Phase != opsv1alpha1.PhasePending || slices.Contains(waitsForPeople, step.Reason) {
			break
		}
		since = step.Time.Time
	}
	return since
}
