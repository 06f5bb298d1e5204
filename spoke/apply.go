// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// refusal is why a change can never be put in place for this run.
type refusal struct {
	reason  string
	message string
}

// targetGone ends a run before its effects.
var targetGone = refusal{opsv1alpha1.ReasonTargetNotFound, "the target was deleted before anything was applied to it"}

// apply puts the plan in place and records it. The record is all or nothing: as long as status.resources is empty the whole plan is put in
// place again, which changes nothing where it is already; once it is not, nothing is created for this run any more.
func (r *operationReconciler) apply(ctx context.Context, v *visit, engine engines.Engine, run engines.Run) error {
	if run.Target == nil {
		v.end(opsv1alpha1.PhaseFailed, targetGone.reason, targetGone.message)
		return nil
	}
	changes, err := engine.Plan(ctx, v.live, run)
	if refused := planRefused(err); refused != nil {
		v.end(opsv1alpha1.PhaseFailed, refused.reason, refused.message)
		return nil
	}
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	recorded, refused, err := v.putAll(ctx, changes, run)
	switch {
	case err != nil:
		return v.notApplied(err)
	case refused != nil:
		v.end(opsv1alpha1.PhaseFailed, refused.reason, refused.message)
	default:
		v.op.Status.Resources = recorded
	}
	return nil
}

// putAll makes the changes in their order, once the pods of all of them have been judged.
func (v *visit) putAll(ctx context.Context, changes []engines.Change, run engines.Run) ([]opsv1alpha1.ResourceRef, *refusal, error) {
	if b, err := v.unjudged(ctx, created(changes), run); err != nil {
		return nil, nil, err
	} else if b != nil {
		return nil, &refusal{b.reason, "not created: " + b.message}, nil
	}
	made := make([]opsv1alpha1.ResourceRef, 0, len(changes))
	for _, change := range changes {
		ref, refused, err := v.put(ctx, change, run)
		if err != nil || refused != nil {
			return nil, refused, err
		}
		made = append(made, ref)
	}
	return made, nil, nil
}

// planRefused: after the fence there is no going back to waiting, so what blocks a plan now ends the run; nothing was applied.
func planRefused(err error) *refusal {
	var invalid *engines.InvalidError
	if errors.As(err, &invalid) {
		return &refusal{cmp.Or(invalid.Reason, opsv1alpha1.ReasonValidationFailed), invalid.Error()}
	}
	var b *engines.BlockedError
	if errors.As(err, &b) {
		return &refusal{b.Reason, "nothing was applied: " + b.Message}
	}
	return nil
}

// notApplied says what the API server refuses, and ends a run that it has refused for as long as a run may take to start. The time before that does
// not count: the quiesce may have taken all of it.
func (v *visit) notApplied(err error) error {
	message := "cannot put the plan in place: " + err.Error()
	deadline := startDeadline(v.op)
	if !v.failedFor(deadline) {
		v.to().Run(opsv1alpha1.ReasonEngineStarted, message)
		return err
	}
	v.end(opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonEngineFailed, fmt.Sprintf("gave up after %s: %s", deadline, message))
	return nil
}

// put makes one change, with the rights of the run's profile.
func (v *visit) put(ctx context.Context, change engines.Change, run engines.Run) (opsv1alpha1.ResourceRef, *refusal, error) {
	gvk, err := apiutil.GVKForObject(change.Object, v.Scheme())
	if err != nil {
		return opsv1alpha1.ResourceRef{}, nil, fmt.Errorf("the plan holds an object of an unknown kind: %w", err)
	}
	by, a, err := v.hand(profileOf(run.Operation), gvk, change.Object.GetNamespace())
	if err != nil {
		return opsv1alpha1.ResourceRef{}, nil, err
	}
	var obj client.Object
	var refused *refusal
	switch change.Verb {
	case engines.VerbCreate:
		obj, refused, err = v.create(ctx, by, gvk, change.Object.DeepCopyObject().(client.Object), run)
	case engines.VerbApply:
		obj, refused, err = v.applyFields(ctx, by, gvk, change.Object)
	default:
		err = fmt.Errorf("the plan holds an unknown verb %q", change.Verb)
	}
	if err != nil || refused != nil {
		return opsv1alpha1.ResourceRef{}, refused, v.regain(ctx, a, err)
	}
	return opsv1alpha1.ResourceRef{
		APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind,
		Namespace: obj.GetNamespace(), Name: obj.GetName(), UID: obj.GetUID(),
	}, nil, nil
}

// create makes an object, or finds that this run has made it before a crash.
func (v *visit) create(ctx context.Context, by client.Writer, gvk schema.GroupVersionKind, obj client.Object, run engines.Run) (client.Object, *refusal, error) {
	what := fmt.Sprintf("%s %s/%s", gvk.Kind, obj.GetNamespace(), obj.GetName())
	there := obj.DeepCopyObject().(client.Object)
	err := by.Create(ctx, obj)
	switch {
	case err == nil:
		return obj, nil, nil
	case malformed(err):
		return nil, &refusal{opsv1alpha1.ReasonValidationFailed, err.Error()}, nil
	case !apierrors.IsAlreadyExists(err):
		return nil, nil, fmt.Errorf("create %s: %w", what, err)
	}
	if err := v.live.Get(ctx, client.ObjectKeyFromObject(obj), there); err != nil {
		return nil, nil, fmt.Errorf("read %s, which exists: %w", what, err)
	}
	if there.GetLabels()[opsv1alpha1.LabelOperation] != string(run.UID()) {
		return nil, &refusal{opsv1alpha1.ReasonNameConflict, what + " exists and was not made by this run: remove it, and create the Operation again"}, nil
	}
	return there, nil, nil
}

// applyFields sets fields on an object that exists. Server-side apply would create a missing one, so the object's UID goes along: the API server
// takes that as the condition that the very object which was read is still there.
func (v *visit) applyFields(ctx context.Context, by client.Writer, gvk schema.GroupVersionKind, obj client.Object) (client.Object, *refusal, error) {
	what := fmt.Sprintf("%s %s/%s", gvk.Kind, obj.GetNamespace(), obj.GetName())
	there := &unstructured.Unstructured{}
	there.SetGroupVersionKind(gvk)
	err := v.live.Get(ctx, client.ObjectKeyFromObject(obj), there)
	switch {
	case apierrors.IsNotFound(err):
		return nil, &refusal{opsv1alpha1.ReasonTargetNotFound, what + " does not exist any more"}, nil
	case err != nil:
		return nil, nil, fmt.Errorf("read %s: %w", what, err)
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj.DeepCopyObject())
	if err != nil {
		return nil, nil, fmt.Errorf("encode %s: %w", what, err)
	}
	u := &unstructured.Unstructured{Object: fields}
	u.SetGroupVersionKind(gvk)
	u.SetUID(there.GetUID())
	// And the version: what an agent sent that hung, and has a successor, must not undo what came after.
	u.SetResourceVersion(there.GetResourceVersion())
	err = by.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(opsv1alpha1.FieldManager), client.ForceOwnership)
	switch {
	case malformed(err):
		return nil, &refusal{opsv1alpha1.ReasonValidationFailed, err.Error()}, nil
	case err != nil:
		return nil, nil, fmt.Errorf("apply %s: %w", what, err)
	}
	return there, nil, nil
}

// malformed tells whether the API server will never take an object: it breaks a rule of its kind, or cannot even be read as one.
func malformed(err error) bool { return apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) }

// describe says in words what a plan would do.
func describe(s *site, changes []engines.Change) string {
	if len(changes) == 0 {
		return "dry run: nothing would be changed"
	}
	words := make([]string, 0, len(changes))
	for _, c := range changes {
		kind := "object"
		if gvk, err := apiutil.GVKForObject(c.Object, s.Scheme()); err == nil {
			kind = gvk.Kind
		}
		words = append(words, fmt.Sprintf("%s %s %s", strings.ToLower(string(c.Verb)), kind, c.Object.GetName()))
	}
	return "dry run: would " + strings.Join(words, ", ")
}

func orRefused(err error, refused *refusal) error {
	if err != nil || refused == nil {
		return err
	}
	return errors.New(refused.message)
}

// conflict is the error of a write that met a newer version of an object of a resource.
func conflict(resource schema.GroupVersionResource, of client.Object) error {
	return apierrors.NewConflict(resource.GroupResource(), of.GetName(), errors.New("it was changed after it was read"))
}
