// SPDX-License-Identifier: Apache-2.0

package steer

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// maxBase is how much of an Operation's name is kept in that of one that is made for it.
const maxBase = 40

// Retry clusters that ended in some ways, or in any but success: in the run itself while it goes on, or by an Operation of its own.
func Retry(op *opsv1alpha1.Operation, of []opsv1alpha1.RetryOutcome) (Step, error) {
	switch {
	case op.Labels[opsv1alpha1.LabelRoot] != "" || op.Labels[opsv1alpha1.LabelParent] != "":
		return Step{}, fmt.Errorf("%s was made for Operation %s: retry that one", op.Name, op.Annotations[opsv1alpha1.AnnotationOrigin])
	case op.Spec.DryRun:
		return Step{}, fmt.Errorf("%s was a dry run, and did nothing: run it without --dry-run", op.Name)
	case op.Status.Phase.Terminal():
		return again(op, of)
	case op.Spec.Cancel:
		return Step{}, fmt.Errorf("%s is being cancelled: retry it when it has ended", op.Name)
	case op.Spec.Placement == nil:
		return Step{}, fmt.Errorf("%s has not ended, and there is nothing to retry before it has", op.Name)
	}
	return anotherAttempt(op, of)
}

// anotherAttempt of a run that goes on. It is guarded, so that of two persons who ask at the same time one asks.
func anotherAttempt(op *opsv1alpha1.Operation, of []opsv1alpha1.RetryOutcome) (Step, error) {
	var begun, asked int32
	if op.Status.Rollout != nil {
		begun = op.Status.Rollout.Attempt
	}
	if op.Spec.Retry != nil {
		asked = op.Spec.Retry.Attempt
	}
	n := max(begun, asked) + 1
	c := op.Status.Summary
	switch {
	case asked > begun:
		return Step{Says: fmt.Sprintf("is asked for a retry already (attempt %d), which it is about to begin", asked)}, nil
	case c == nil || c.Clusters == nil || c.Clusters.Failed+c.Clusters.Skipped == 0:
		return Step{}, fmt.Errorf("%s has no cluster that failed, was skipped or did not answer: there is nothing to retry", op.Name)
	case n > 100:
		return Step{}, fmt.Errorf("%s was tried again 100 times, which is all there is: cancel it, and retry it then", op.Name)
	}
	retry := map[string]any{"attempt": n, "of": nil}
	if len(of) > 0 {
		retry["of"] = of
	}
	which := plural(c.Clusters.Failed+c.Clusters.Skipped) + " that failed, were skipped or did not answer"
	if len(of) > 0 {
		which = chosen(of)
	}
	return Step{Patch: map[string]any{"retry": retry}, Guarded: true, Says: fmt.Sprintf("tries again (attempt %d): %s, each in its turn", n, which)}, nil
}

// chosen clusters, in words.
func chosen(of []opsv1alpha1.RetryOutcome) string {
	if len(of) == 0 {
		return "clusters that did not succeed"
	}
	names := make([]string, len(of))
	for i, o := range of {
		names[i] = map[opsv1alpha1.RetryOutcome]string{
			opsv1alpha1.RetryFailed: "failed", opsv1alpha1.RetrySkipped: "were skipped", opsv1alpha1.RetryUnreachable: "did not answer",
		}[o]
	}
	return "clusters that " + strings.Join(names, " or ")
}

// again is an Operation that does what another one did, where it did not succeed.
func again(op *opsv1alpha1.Operation, of []opsv1alpha1.RetryOutcome) (Step, error) {
	spec := like(op)
	switch {
	case op.Status.Phase == opsv1alpha1.PhaseSucceeded && (op.Status.Summary == nil || op.Status.Summary.Clusters == nil || op.Status.Summary.Clusters.Skipped == 0):
		return Step{}, fmt.Errorf("%s has succeeded everywhere: there is nothing to retry", op.Name)
	case op.Spec.RollbackOf != nil:
		return Step{}, fmt.Errorf("%s puts back what %s changed: vw rollback %s does so again", op.Name, op.Spec.RollbackOf.Name, op.Spec.RollbackOf.Name)
	case op.Spec.Placement == nil && op.Spec.TargetRef == nil:
		return Step{}, fmt.Errorf("%s acted on several instances of this cluster, of which some may have succeeded: run it again for those that have not, by --instance", op.Name)
	case op.Spec.Placement == nil && len(of) > 0:
		return Step{}, fmt.Errorf("%s was about one instance: leave --failed, --unreachable and --skipped out", op.Name)
	case op.Status.Plan == nil && op.Spec.Placement != nil:
		// What was to be tried again is still no more than that.
		if spec.RetryOf = op.Spec.RetryOf.DeepCopy(); spec.RetryOf != nil && len(of) > 0 {
			spec.RetryOf.Of = of
		}
		return Step{Create: beside(op, "retry", spec), Says: "ended before it had a plan: it is run once more from the beginning"}, nil
	case op.Spec.Placement == nil:
		return Step{Create: beside(op, "retry", spec), Says: "is run once more"}, nil
	}
	spec.RetryOf = &opsv1alpha1.RetryOfSpec{Name: op.Name, Of: of}
	return Step{Create: beside(op, "retry", spec), Says: chosen(of) + " are started again"}, nil
}

// Rollback puts back the versions that an Upgrade changed.
func Rollback(op *opsv1alpha1.Operation) (Step, error) {
	switch {
	case op.Spec.Type != opsv1alpha1.TypeUpgrade:
		return Step{}, fmt.Errorf("%s is a %s, and what can be put back is what an Upgrade changed", op.Name, op.Spec.Type)
	case op.Spec.DryRun:
		return Step{}, fmt.Errorf("%s was a dry run, and changed nothing", op.Name)
	case op.Spec.RollbackOf != nil:
		return Step{}, fmt.Errorf("%s is itself a rollback, of %s: run an Upgrade to the version that you want", op.Name, op.Spec.RollbackOf.Name)
	case op.Labels[opsv1alpha1.LabelRoot] != "" || op.Labels[opsv1alpha1.LabelParent] != "":
		return Step{}, fmt.Errorf("%s was made for Operation %s: roll that one back", op.Name, op.Annotations[opsv1alpha1.AnnotationOrigin])
	case !op.Status.Phase.Terminal():
		return Step{}, fmt.Errorf("%s has not ended: wait for that, or vw cancel %s and then roll it back", op.Name, op.Name)
	case op.Status.RolledBackBy != "":
		return Step{}, fmt.Errorf("%s is put back by Operation %s already: vw watch %s", op.Name, op.Status.RolledBackBy, op.Status.RolledBackBy)
	}
	spec := like(op)
	spec.RollbackOf = &opsv1alpha1.RollbackOfSpec{Name: op.Name, UID: string(op.UID)}
	spec.Parameters, spec.RetryOf, spec.Approvals = nil, nil, nil
	spec.ConcurrencyKey, spec.ConcurrencyPolicy = "", ""
	if spec.Rollout != nil {
		spec.Rollout.OnBreach, spec.Rollout.Gate = opsv1alpha1.BreachHalt, opsv1alpha1.GateNone
	}
	if followed := op.Status.Template; followed != nil {
		spec.TemplateRef = &opsv1alpha1.TemplateRef{Name: followed.Name}
	}
	return Step{Create: beside(op, "rollback", spec), Says: "each instance that it changed goes back to the version that it had"}, nil
}

// like is what an Operation does, without what belongs to its run alone.
func like(op *opsv1alpha1.Operation) *opsv1alpha1.OperationSpec {
	spec := op.Spec.DeepCopy()
	spec.Retry, spec.RetryOf = nil, nil
	spec.Suspend, spec.Cancel = false, false
	if spec.Approvals != nil {
		spec.Approvals = &opsv1alpha1.ApprovalsSpec{Required: spec.Approvals.Required}
	}
	if spec.Placement != nil {
		spec.Placement.OnChange = ""
	}
	if spec.Rollout != nil {
		spec.Rollout.ApprovedGroups, spec.Rollout.PromotedGroups = nil, nil
	}
	return spec
}

// beside an Operation, one whose name says what it is to it.
func beside(op *opsv1alpha1.Operation, what string, spec *opsv1alpha1.OperationSpec) *opsv1alpha1.Operation {
	base := op.Name
	if len(base) > maxBase {
		base = strings.TrimRight(base[:maxBase], "-.")
	}
	return &opsv1alpha1.Operation{
		TypeMeta:   metav1.TypeMeta{APIVersion: opsv1alpha1.GroupVersion.String(), Kind: "Operation"},
		ObjectMeta: metav1.ObjectMeta{Namespace: op.Namespace, GenerateName: base + "-" + what + "-"},
		Spec:       *spec,
	}
}
