// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// An Operation with spec.rollbackOf puts back what another run did on this cluster. It is known by what that has left here: one Operation for each instance, with the
// label root.
//
//	records of the run -> one Operation for each instance that it changed, with parameters of its own -> as any other
//	before each of them starts: is the instance still what the run has made of it?

// deeds are what a run did here, by instance, the oldest record of each first.
type deeds map[types.NamespacedName][]opsv1alpha1.Operation

// instances in an order that depends on nothing else.
func (d deeds) instances() []types.NamespacedName {
	names := make([]types.NamespacedName, 0, len(d))
	for name := range d {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b types.NamespacedName) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return names
}

// lookBack picks the instances that the run of spec.rollbackOf has changed here, and keeps what each of them is given. It tells whether there are any; when not, the
// status says why.
func (r *operationReconciler) lookBack(ctx context.Context, v *visit, s scope) ([]appsv1alpha1.ApplicationInstance, bool, error) {
	of := v.op.Spec.RollbackOf
	if wrong := wrongRollback(v.op); wrong != "" {
		v.to().Reject(wrong)
		return nil, false, nil
	}
	v.accept()
	did, missing, waits, err := v.recall(ctx, of)
	switch {
	case err != nil:
		return nil, false, err
	case waits != nil && v.running(): // on something that was not there when it began
		v.lookAgain(soonInterval)
		return nil, false, nil
	case waits != nil:
		v.hold(waits)
		return nil, false, nil
	case missing != "":
		v.to().Fail(opsv1alpha1.ReasonResultLost, missing)
		return nil, false, nil
	}
	var changed []appsv1alpha1.ApplicationInstance
	v.back = map[types.NamespacedName]*runtime.RawExtension{}
	for _, name := range did.instances() {
		if !s.reaches(name) {
			continue
		}
		back, refused := r.reverse(did[name])
		if refused != nil {
			v.to().Fail(refused.reason, refused.message)
			return nil, false, nil
		}
		instance, err := v.remaining(ctx, name)
		if err != nil {
			return nil, false, err
		}
		if instance != nil && back != nil {
			v.back[name] = back.parameters
			changed = append(changed, *instance)
		}
	}
	if len(changed) == 0 && !v.running() {
		v.op.Status.Summary = &opsv1alpha1.Summary{Instances: &opsv1alpha1.Counts{}}
		v.op.Status.SetProgress(opsv1alpha1.Counts{})
		v.to().Succeed(opsv1alpha1.ReasonNoChange, fmt.Sprintf("Operation %s has changed no chart version here that could be put back", of.Name))
		return nil, false, nil
	}
	return changed, true, nil
}

// wrongRollback is what makes no sense in an Operation that is expanded; empty when all does.
func wrongRollback(op *opsv1alpha1.Operation) string {
	switch {
	case op.Spec.RollbackOf.UID == "":
		return "spec.rollbackOf.uid: is required on a cluster: give the metadata.uid of the Operation on the hub, or of the one here that was not sent by a hub"
	case op.Spec.Parameters != nil && string(op.Spec.Parameters.Raw) != "{}":
		return "spec.parameters: must be left out with spec.rollbackOf: each instance goes back to what it was before"
	}
	return ""
}

// recall reads what a run did on this cluster, from the API server. missing says that it is not known, or not all of it; waits, that it is not over.
func (v *visit) recall(ctx context.Context, of *opsv1alpha1.RollbackOfSpec) (did deeds, missing string, waits *blocker, err error) {
	list, err := v.records(ctx, of.UID)
	if err != nil {
		return nil, "", nil, err
	}
	top, err := v.topOf(ctx, of)
	if err != nil {
		return nil, "", nil, err
	}
	if top != nil {
		list = append(list, *top)
	}
	did = deeds{}
	known, made := 0, int32(0)
	for i := range list {
		o := &list[i]
		if !o.Status.Phase.Terminal() {
			return nil, "", blocked(opsv1alpha1.ReasonConflictingOperation, "Operation %s/%s of the run that is to be put back has not ended; this one starts by itself when it has",
				o.Namespace, o.Name), nil
		}
		switch {
		case o.Spec.TargetRef != nil:
			name := types.NamespacedName{Namespace: o.Namespace, Name: o.Spec.TargetRef.Name}
			did[name] = append(did[name], *o)
			made--
		default:
			known++
			if o.Status.ExpandedAt != nil {
				made += total(o)
			}
		}
	}
	switch {
	case known == 0:
		return nil, fmt.Sprintf("nothing is known here of what Operation %s (uid %s) did: its records are gone, after their time or by hand, or it never came here", of.Name, of.UID), nil, nil
	case made > 0:
		return nil, fmt.Sprintf("what Operation %s (uid %s) did here is not known any more for %s: the records are gone, after their time or by hand. Nothing is put back",
			of.Name, of.UID, plural(made, "instance")), nil, nil
	}
	return did, "", nil, nil
}

// records of a run, the oldest first.
func (v *visit) records(ctx context.Context, uid string, more ...client.ListOption) ([]opsv1alpha1.Operation, error) {
	if len(validation.IsValidLabelValue(uid)) > 0 {
		return nil, nil // no object has such a uid
	}
	var list opsv1alpha1.OperationList
	if err := v.live.List(ctx, &list, append(more, client.MatchingLabels{opsv1alpha1.LabelRoot: uid})...); err != nil {
		return nil, fmt.Errorf("look for what the run with uid %s did: %w", uid, err)
	}
	slices.SortStableFunc(list.Items, func(a, b opsv1alpha1.Operation) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.UID, b.UID))
	})
	return list.Items, nil
}

// topOf is the run itself where no hub has sent it; nil when it was sent.
func (v *visit) topOf(ctx context.Context, of *opsv1alpha1.RollbackOfSpec) (*opsv1alpha1.Operation, error) {
	top := &opsv1alpha1.Operation{}
	if err := v.live.Get(ctx, client.ObjectKey{Namespace: v.op.Namespace, Name: of.Name}, top); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if string(top.UID) != of.UID || top.Spec.Selector == nil {
		return nil, nil
	}
	return top, nil
}

// remaining is an instance that is there yet, or nil.
func (v *visit) remaining(ctx context.Context, name types.NamespacedName) (*appsv1alpha1.ApplicationInstance, error) {
	ai := &appsv1alpha1.ApplicationInstance{}
	if err := v.live.Get(ctx, name, ai); err != nil {
		if err = client.IgnoreNotFound(err); err != nil {
			return nil, fmt.Errorf("read ApplicationInstance %s: %w", name, err)
		}
		return nil, nil
	}
	if !ai.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	return ai, nil
}

// reversal is what puts an instance back. Without parameters nobody knows: the Operation on the instance says so, and the others go on.
type reversal struct{ parameters *runtime.RawExtension }

// reverse says what puts back what records of one instance tell; nil when they changed nothing.
func (r *operationReconciler) reverse(records []opsv1alpha1.Operation) (*reversal, *refusal) {
	engine, refused := r.reverser(records)
	if engine == nil || refused != nil {
		return nil, refused
	}
	parameters, err := engine.Reverse(records)
	switch {
	case err != nil:
		return &reversal{}, nil
	case parameters == nil:
		return nil, nil
	}
	return &reversal{parameters}, nil
}

// reverser is the engine that ran on an instance; nil when none did.
func (r *operationReconciler) reverser(records []opsv1alpha1.Operation) (engines.Reverser, *refusal) {
	for i := range records {
		name := records[i].Status.Engine
		if records[i].Status.StartedAt == nil || name == "" {
			continue
		}
		if engine, ok := r.engineFor(name).(engines.Reverser); ok {
			return engine, nil
		}
		return nil, &refusal{opsv1alpha1.ReasonValidationFailed, fmt.Sprintf("spec.rollbackOf: what engine %s did cannot be put back by itself", name)}
	}
	return nil, nil
}

// begin starts an Operation on one instance. One that puts back what another run did there starts only when the instance is what that has made of it.
func (r *operationReconciler) begin(ctx context.Context, v *visit) (bool, error) {
	if refused, err := r.irreversible(ctx, v); refused != nil || err != nil {
		return false, v.failed(refused, err)
	}
	return r.start(ctx, v)
}

// failed ends the Operation by a refusal, if there is one.
func (v *visit) failed(refused *refusal, err error) error {
	if err == nil && refused != nil {
		v.to().Fail(refused.reason, refused.message)
	}
	return err
}

// irreversible is why an instance is not put back, as the API server has it now. It is asked whenever the run could start: what the instance is may change while it
// waits for others.
func (r *operationReconciler) irreversible(ctx context.Context, v *visit) (*refusal, error) {
	of := v.op.Spec.RollbackOf
	if of == nil {
		return nil, nil
	}
	if v.op.Labels[opsv1alpha1.LabelParent] == "" {
		return &refusal{opsv1alpha1.ReasonValidationFailed, "spec.rollbackOf: is for spec.selector on a cluster: name the instance in spec.selector.names instead of spec.targetRef"}, nil
	}
	name := v.op.Spec.TargetRef.Name
	records, err := v.records(ctx, of.UID, client.InNamespace(v.op.Namespace))
	if err != nil {
		return nil, err
	}
	records = slices.DeleteFunc(records, func(o opsv1alpha1.Operation) bool { return o.Spec.TargetRef == nil || o.Spec.TargetRef.Name != name })
	engine, refused := r.reverser(records)
	if refused != nil {
		return refused, nil
	}
	if engine == nil {
		return &refusal{opsv1alpha1.ReasonResultLost, fmt.Sprintf("what Operation %s did to %s is not known any more: its record is gone, after its time or by hand", of.Name, name)}, nil
	}
	if _, err := engine.Reverse(records); err != nil {
		return &refusal{opsv1alpha1.ReasonResultLost, fmt.Sprintf("%s is not put back: %v", name, err)}, nil
	}
	target, err := v.remaining(ctx, types.NamespacedName{Namespace: v.op.Namespace, Name: name})
	if err != nil || target == nil {
		return nil, err // which is told as of any run
	}
	why, err := engine.Overtaken(ctx, v.live, engines.Run{Operation: v.op, Target: target, Cluster: v.name}, records)
	if err != nil {
		return nil, fmt.Errorf("look what has become of %s: %w", name, err)
	}
	if why != "" {
		return &refusal{opsv1alpha1.ReasonTargetMovedOn, why}, nil
	}
	return nil, nil
}

// child is the Operation on one instance, which is given parameters of its own where it puts something back.
func (v *visit) child(ai *appsv1alpha1.ApplicationInstance) *opsv1alpha1.Operation {
	c := child(v.op, ai)
	if v.op.Spec.RollbackOf != nil {
		c.Spec.RollbackOf, c.Spec.Parameters = v.op.Spec.RollbackOf.DeepCopy(), v.back[client.ObjectKeyFromObject(ai)]
	}
	return c
}
