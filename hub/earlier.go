// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/placement"
)

// recordedAgain is how soon a rollback looks again whether the run that it is for has written down that it is.
const recordedAgain = time.Second

// earlier is a run that another one goes by: the one that spec.rollbackOf puts back, or that spec.retryOf tries again. Which clusters there were, and what
// became of them, is read from what is stored of it, and not from what a Placement says today.
type earlier struct {
	op      *opsv1alpha1.Operation
	plan    placement.Plan
	results map[string]placement.ClusterResult
	// back tells that it is put back, and not tried again.
	back bool
	// ours tells that the hub itself has made the one that puts it back.
	ours bool
}

// earlierField is where a spec names an earlier run, and its name; nil when it names none.
func earlierField(spec *opsv1alpha1.OperationSpec) (*field.Path, string) {
	switch at := field.NewPath("spec"); {
	case spec.RollbackOf != nil:
		return at.Child("rollbackOf"), spec.RollbackOf.Name
	case spec.RetryOf != nil:
		return at.Child("retryOf"), spec.RetryOf.Name
	default:
		return nil, ""
	}
}

// misplaced is what makes no sense beside the name of an earlier run; empty when all does.
func misplaced(op *opsv1alpha1.Operation) string {
	at, name := earlierField(&op.Spec)
	switch spec := field.NewPath("spec"); {
	case at == nil:
		return ""
	case op.Spec.Placement != nil && op.Spec.Placement.OnChange == opsv1alpha1.ChangeFollow:
		return field.Invalid(spec.Child("placement", "onChange"), op.Spec.Placement.OnChange,
			fmt.Sprintf("must be Freeze with %s: its clusters are those of Operation %s", at, name)).Error()
	case op.Spec.RollbackOf != nil && !noParameters(op.Spec.Parameters):
		return field.Forbidden(spec.Child("parameters"),
			fmt.Sprintf("must be left out with %s: each instance goes back to the chart version that Operation %s found there", at, name)).Error()
	}
	return ""
}

func noParameters(raw *runtime.RawExtension) bool {
	return raw == nil || len(bytes.Trim(raw.Raw, " \t\r\n{}")) == 0 || string(raw.Raw) == "null"
}

// recall reads the run that an Operation goes by, if it names one, and tells whether there is nothing against that; what is, is in the status. It reads past the
// cache: whether a run has ended, and what it came to, must not be an old answer.
func (r *OperationReconciler) recall(ctx context.Context, p *pass) (bool, error) {
	at, name := earlierField(&p.op.Spec)
	if at == nil {
		return true, nil
	}
	other, err := find(ctx, r.Live, types.NamespacedName{Namespace: p.op.Namespace, Name: name}, &opsv1alpha1.Operation{})
	if err != nil {
		return false, fmt.Errorf("read Operation %s, which %s names: %w", name, at, err)
	}
	refuse := func(err *field.Error) (bool, error) {
		p.transition().Reject(err.Error())
		return false, nil
	}
	if other == nil {
		return refuse(field.Invalid(at.Child("name"), name, fmt.Sprintf(
			"there is no such Operation in namespace %s; one that was deleted, or whose ttlSecondsAfterFinished is over, has taken its plan along", p.op.Namespace)))
	}
	e := &earlier{op: other, back: p.op.Spec.RollbackOf != nil}
	made, err := r.madeByHub(ctx, p.op, other)
	if err != nil {
		return false, err
	}
	if made && other.Status.RolledBackBy == "" && !other.Status.Phase.Terminal() {
		p.meet(obstacle{reason: opsv1alpha1.ReasonRollingBack, message: fmt.Sprintf("waits until Operation %s has recorded that this one puts it back", name)})
		p.after(recordedAgain)
		return false, nil
	}
	e.ours = made && other.Status.RolledBackBy == p.op.Name
	if wrong := e.mismatch(p.op, at); wrong != nil {
		return refuse(wrong)
	}
	missing, err := r.readEarlier(ctx, e)
	if err != nil {
		return false, err
	}
	if missing != "" {
		return refuse(field.Invalid(at.Child("name"), name, missing))
	}
	p.earlier = e
	return true, nil
}

// mismatch is why an Operation cannot go by the earlier run: that has to have ended, and to have been about the same.
func (e *earlier) mismatch(op *opsv1alpha1.Operation, at *field.Path) *field.Error {
	other, name := e.op, at.Child("name")
	switch {
	case belongsToSpoke(other):
		return field.Invalid(name, other.Name, "it is no Operation of this hub")
	case e.back && op.Spec.RollbackOf.UID != "" && op.Spec.RollbackOf.UID != string(other.UID):
		return field.Invalid(at.Child("uid"), op.Spec.RollbackOf.UID, fmt.Sprintf("Operation %s has the uid %s: it is another one of that name", other.Name, other.UID))
	case other.Spec.DryRun:
		return field.Invalid(name, other.Name, "it was a dry run, which did nothing")
	case e.back && other.Spec.Type != opsv1alpha1.TypeUpgrade:
		return field.Invalid(name, other.Name, fmt.Sprintf("it is a %s, and what is put back is what an Upgrade has changed", other.Spec.Type))
	case !other.Status.Phase.Terminal() && e.back:
		return field.Invalid(name, other.Name, "it has not ended: wait for that, or cancel it")
	case !other.Status.Phase.Terminal():
		return field.Invalid(name, other.Name, "it has not ended: wait for that, or start clusters again by its own spec.retry")
	case other.Status.Plan == nil:
		return field.Invalid(name, other.Name, "it ended before it had a plan, and has done nothing")
	}
	for _, f := range e.same(op) {
		if !f.same {
			return field.Invalid(f.at, field.OmitValueType{}, fmt.Sprintf("is not what Operation %s did: it must be the same with %s", other.Name, at))
		}
	}
	return nil
}

// likeness is a field, and whether it is the same in two Operations.
type likeness struct {
	at   *field.Path
	same bool
}

// same are the fields that have to be: whoever may do the one may then do the other, which goes where that has gone.
func (e *earlier) same(op *opsv1alpha1.Operation) []likeness {
	spec, a, b := field.NewPath("spec"), &op.Spec, &e.op.Spec
	all := []likeness{
		{spec.Child("type"), a.Type == b.Type},
		{spec.Child("engine"), a.Engine == b.Engine},
		{spec.Child("placement", "placementRef", "name"), placementName(a) == placementName(b)},
		{spec.Child("targetRef"), equality.Semantic.DeepEqual(a.TargetRef, b.TargetRef)},
		{spec.Child("selector"), equality.Semantic.DeepEqual(chosenBy(a.Selector), chosenBy(b.Selector))},
	}
	if e.back {
		return all
	}
	return append(all,
		likeness{spec.Child("templateRef", "name"), templateName(a) == templateName(b)},
		likeness{spec.Child("parameters"), sameJSON(a.Parameters, b.Parameters)},
	)
}

func placementName(spec *opsv1alpha1.OperationSpec) string {
	if spec.Placement == nil {
		return ""
	}
	return spec.Placement.PlacementRef.Name
}

func templateName(spec *opsv1alpha1.OperationSpec) string {
	if spec.TemplateRef == nil {
		return ""
	}
	return spec.TemplateRef.Name
}

// chosenBy is the part of a selector that says which instances.
func chosenBy(s *opsv1alpha1.InstanceSelector) *opsv1alpha1.InstanceSelector {
	if s == nil {
		return nil
	}
	return &opsv1alpha1.InstanceSelector{LabelSelector: s.LabelSelector, Namespaces: s.Namespaces, Names: s.Names}
}

// sameJSON tells whether two documents say the same; none at all is an empty object.
func sameJSON(a, b *runtime.RawExtension) bool {
	if noParameters(a) || noParameters(b) {
		return noParameters(a) && noParameters(b)
	}
	var x, y any
	if json.Unmarshal(a.Raw, &x) != nil || json.Unmarshal(b.Raw, &y) != nil {
		return bytes.Equal(a.Raw, b.Raw)
	}
	return equality.Semantic.DeepEqual(x, y)
}

// readEarlier reads the plan of an earlier run and what its clusters came to. missing says what is not there any more. A retry needs every result: what succeeded
// must not be done again. A rollback takes a cluster of which nothing is known for one that may have changed.
func (r *OperationReconciler) readEarlier(ctx context.Context, e *earlier) (missing string, err error) {
	e.plan, err = readPlan(ctx, r.Live, e.op)
	switch {
	case errors.Is(err, placement.ErrPlanCorrupt):
		return fmt.Sprintf("its plan is gone: %v", err), nil
	case err != nil:
		return "", err
	}
	e.results = make(map[string]placement.ClusterResult, e.plan.Len())
	for i := range placement.Chunks(e.plan.Len()) {
		results, err := keptResults(ctx, r.Live, e.op, i)
		if err != nil {
			return "", err
		}
		for _, result := range results {
			e.results[result.Cluster] = result
		}
	}
	if lost := e.plan.Len() - len(e.results); lost > 0 && !e.back {
		return fmt.Sprintf("of %d of its clusters no result is kept any more (ConfigMaps %s-...): nobody knows whether they succeeded", lost, ResultName(e.op)), nil
	}
	return "", nil
}

// clusters of the earlier run that are acted on again, in its groups.
func (e *earlier) clusters(op *opsv1alpha1.Operation, template *opsv1alpha1.TemplateRef) ([]placement.Group, *obstacle) {
	if e.back {
		groups := e.plan.Only(func(cluster string) bool { return e.results[cluster].MayHaveChanged() })
		if len(groups) == 0 {
			return nil, &obstacle{reason: opsv1alpha1.ReasonNoClusters, message: fmt.Sprintf("Operation %s has changed nothing on any cluster", e.op.Name), final: true}
		}
		return groups, nil
	}
	if frozen := e.plan.Spec.TemplateRef; frozen != nil && template != nil && frozen.Digest != template.Digest {
		return nil, &obstacle{reason: opsv1alpha1.ReasonTemplateChanged, message: fmt.Sprintf(
			"OperationTemplate %s has changed since Operation %s, and what is tried again is what that did: create an Operation without spec.retryOf",
			template.Name, e.op.Name), final: true}
	}
	groups := e.plan.Only(func(cluster string) bool { return e.results[cluster].EndedAs(op.Spec.RetryOf.Of) })
	if len(groups) == 0 {
		return nil, &obstacle{reason: opsv1alpha1.ReasonNoClusters, message: fmt.Sprintf(
			"no cluster of Operation %s is left to be tried again%s", e.op.Name, outcomes(op.Spec.RetryOf.Of)), final: true}
	}
	return groups, nil
}

// outcomes that were asked for, in words.
func outcomes(of []opsv1alpha1.RetryOutcome) string {
	if len(of) == 0 {
		return ": all of them succeeded"
	}
	return fmt.Sprintf(": none ended as %v (spec.retryOf.of)", of)
}

// freeze the plan of an Operation, as it was made, by the earlier run: what is tried again is what was frozen then, with all that belongs to it; what is put back
// is found on each cluster by the UID of the run that did it.
func (e *earlier) freeze(plan placement.Plan) placement.Plan {
	switch {
	case e == nil:
	case e.back:
		plan.Spec.RollbackOf.UID = string(e.op.UID)
	default:
		plan = e.plan.Of(plan.Groups)
	}
	return plan
}

// approval that an Operation needs by its templates. What the hub puts back by itself was approved when it was done.
func (p *pass) approval(choice catalog.Choice) opsv1alpha1.ApprovalPolicy {
	if p.ours() {
		return opsv1alpha1.ApprovalPolicy{}
	}
	return catalog.Approval(choice.All()...)
}

// ours tells whether the hub itself has made the Operation, to put back another one.
func (p *pass) ours() bool { return p.earlier != nil && p.earlier.ours }
