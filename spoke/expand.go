// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// expand makes one Operation per matching instance, once, and adds up what becomes of them.
//
//	match -> fence (Running/Expanded, total is provisional) -> create children -> expandedAt (total is final) -> roll up -> terminal
//
// A crash anywhere before expandedAt matches again and creates what is missing under names that only this run has; what was created for
// an instance that no longer matches stays and counts. After expandedAt nothing is created.
func (r *operationReconciler) expand(ctx context.Context, v *visit) error {
	if v.op.Status.ExpandedAt != nil {
		return r.rollUp(ctx, v)
	}
	scope, wrong := newScope(v.op, r.agentNamespace)
	if wrong == "" {
		wrong = r.malformed(v.op)
	}
	if wrong != "" {
		v.to().Reject(wrong)
		return nil
	}
	matches, b, err := r.match(ctx, v, scope)
	if err != nil {
		return err
	}
	if v.op.Spec.RollbackOf != nil && b == nil {
		var found bool
		if matches, found, err = r.lookBack(ctx, v, scope); err != nil || !found {
			return err
		}
	}
	if !v.running() {
		if started, err := r.startExpansion(ctx, v, matches, b); err != nil || !started {
			return err
		}
	} else if err := v.confirm(ctx); err != nil {
		return err
	}
	return r.createChildren(ctx, v, matches)
}

// startExpansion sets the fence, or says why there is nothing to start.
func (r *operationReconciler) startExpansion(ctx context.Context, v *visit, matches []appsv1alpha1.ApplicationInstance, b *blocker) (bool, error) {
	v.accept()
	switch {
	case b != nil:
		v.hold(b)
		return false, nil
	case len(matches) == 0 && v.op.Spec.Selector.Required:
		// What the hub delivers may arrive in any order: an instance may still be on its way.
		v.hold(blocked(opsv1alpha1.ReasonNoTargets, "no ApplicationInstance matches %s, and spec.selector.required is set", describeSelector(v.op.Spec.Selector)))
		return false, nil
	case len(matches) == 0:
		v.op.Status.Summary = &opsv1alpha1.Summary{Instances: &opsv1alpha1.Counts{}}
		v.op.Status.SetProgress(opsv1alpha1.Counts{})
		v.to().Succeed(opsv1alpha1.ReasonNoTargets, "no ApplicationInstance matches "+describeSelector(v.op.Spec.Selector))
		return false, nil
	case v.op.Spec.DryRun:
		return false, r.rehearse(ctx, v, matches)
	}
	if b, err := r.heldBack(ctx, v); b != nil || err != nil {
		v.hold(b)
		return false, err
	}
	n := int32(len(matches))
	counts := opsv1alpha1.Counts{Total: n, Pending: n}
	v.op.Status.Summary = &opsv1alpha1.Summary{Instances: &counts}
	v.op.Status.SetProgress(counts)
	return true, v.fence(ctx, opsv1alpha1.ReasonExpanded, fmt.Sprintf("running on %s", plural(n, "instance")))
}

// heldBack is what keeps an Operation from being expanded that has something to be expanded into: nobody has agreed to it, or this is not the moment. Whether
// a run still fits into the window is found out by each of those below.
func (r *operationReconciler) heldBack(ctx context.Context, v *visit) (*blocker, error) {
	if b, err := r.agreedBelow(ctx, v); b != nil || err != nil {
		return b, err
	}
	if b, err := v.shut(nil); b != nil || err != nil {
		return b, err
	}
	return v.frozen(ctx, v.live)
}

// createChildren makes what is missing, freezes the total, and goes on to add up.
func (r *operationReconciler) createChildren(ctx context.Context, v *visit, matches []appsv1alpha1.ApplicationInstance) error {
	if !v.stopping() {
		for i := range matches {
			refused, err := v.createChild(ctx, v.child(&matches[i]))
			if err != nil {
				v.to().Run(opsv1alpha1.ReasonExpanded, err.Error())
				return err
			}
			if refused != nil {
				v.to().Fail(refused.reason, refused.message)
				return nil
			}
		}
	}
	children, err := v.liveChildren(ctx)
	if err != nil {
		return err
	}
	now := metav1.NewTime(v.now)
	v.op.Status.ExpandedAt = &now
	v.op.Status.Summary = &opsv1alpha1.Summary{Instances: &opsv1alpha1.Counts{Total: int32(len(children))}}
	return r.addUp(ctx, v, children)
}

// createChild makes a child, or finds that this run has made it before a crash.
func (v *visit) createChild(ctx context.Context, op *opsv1alpha1.Operation) (*refusal, error) {
	err := v.Create(ctx, op)
	if err == nil {
		return nil, nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return nil, fmt.Errorf("create Operation %s/%s: %w", op.Namespace, op.Name, err)
	}
	var there opsv1alpha1.Operation
	if err := v.live.Get(ctx, client.ObjectKeyFromObject(op), &there); err != nil {
		return nil, fmt.Errorf("read Operation %s/%s, which exists: %w", op.Namespace, op.Name, err)
	}
	if there.Labels[opsv1alpha1.LabelParent] != string(v.op.UID) {
		return &refusal{opsv1alpha1.ReasonNameConflict,
			fmt.Sprintf("Operation %s/%s exists and was not made by this run: remove it, and create the Operation again", op.Namespace, op.Name)}, nil
	}
	return nil, nil
}

// liveChildren are all Operations that this one was expanded into, as the API server has them.
func (v *visit) liveChildren(ctx context.Context) ([]opsv1alpha1.Operation, error) {
	var list opsv1alpha1.OperationList
	if err := v.live.List(ctx, &list, client.MatchingLabels{opsv1alpha1.LabelParent: string(v.op.UID)}); err != nil {
		return nil, fmt.Errorf("list the Operations below %s/%s: %w", v.op.Namespace, v.op.Name, err)
	}
	return list.Items, nil
}

// child is the Operation on one instance: pure, and the same for the same run and instance.
func child(parent *opsv1alpha1.Operation, ai *appsv1alpha1.ApplicationInstance) *opsv1alpha1.Operation {
	spec := parent.Spec.DeepCopy()
	root := parent.Labels[opsv1alpha1.LabelRoot]
	if root == "" {
		root = string(parent.UID)
	}
	labels := map[string]string{
		opsv1alpha1.LabelParent:     string(parent.UID),
		opsv1alpha1.LabelRoot:       root,
		appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane,
	}
	if len(validation.IsValidLabelValue(ai.Name)) == 0 {
		labels[appsv1alpha1.LabelApplicationInstance] = ai.Name
	}
	annotations := map[string]string{opsv1alpha1.AnnotationOrigin: parent.Namespace + "/" + parent.Name}
	if by := parent.Annotations[opsv1alpha1.AnnotationRequestedBy]; by != "" {
		annotations[opsv1alpha1.AnnotationRequestedBy] = by
	}
	return &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:   ai.Namespace,
			Name:        opsv1alpha1.RunName(parent.Name, parent.UID, ai.Namespace, ai.Name),
			Labels:      labels,
			Annotations: annotations,
		},
		Spec: opsv1alpha1.OperationSpec{
			TargetRef:               &opsv1alpha1.TargetRef{APIVersion: appsv1alpha1.GroupVersion.String(), Kind: "ApplicationInstance", Name: ai.Name},
			Type:                    spec.Type,
			TemplateRef:             spec.TemplateRef,
			Engine:                  spec.Engine,
			Parameters:              spec.Parameters,
			MaintenanceWindow:       spec.MaintenanceWindow,
			StartDeadline:           spec.StartDeadline,
			Timeout:                 spec.Timeout,
			TTLSecondsAfterFinished: spec.TTLSecondsAfterFinished,
		},
	}
}

// match reads which instances the selector picks. The blocker says that a namespace which it names is not open. It asks the API server: caches of
// different kinds are filled at different times, and an Operation that overtakes its instance must not end with NoTargets.
func (r *operationReconciler) match(ctx context.Context, v *visit, s scope) ([]appsv1alpha1.ApplicationInstance, *blocker, error) {
	var namespaces corev1.NamespaceList
	if err := v.live.List(ctx, &namespaces); err != nil {
		return nil, nil, fmt.Errorf("list namespaces: %w", err)
	}
	open := map[string]bool{}
	for i := range namespaces.Items {
		open[namespaces.Items[i].Name] = isGated(&namespaces.Items[i])
	}
	if b := s.closed(open); b != nil {
		return nil, b, nil
	}
	var instances appsv1alpha1.ApplicationInstanceList
	if err := v.live.List(ctx, &instances); err != nil {
		return nil, nil, fmt.Errorf("list ApplicationInstances: %w", err)
	}
	return s.pick(instances.Items, open), nil, nil
}

func describeSelector(s *opsv1alpha1.InstanceSelector) string {
	var parts []string
	if s.LabelSelector != nil {
		parts = append(parts, "labels "+metav1.FormatLabelSelector(s.LabelSelector))
	}
	if len(s.Namespaces) > 0 {
		parts = append(parts, "namespaces "+strings.Join(s.Namespaces, ", "))
	}
	if len(s.Names) > 0 {
		parts = append(parts, "names "+strings.Join(s.Names, ", "))
	}
	if len(parts) == 0 {
		return "the selector"
	}
	return opsv1alpha1.Truncate("the selector ("+strings.Join(parts, "; ")+")", opsv1alpha1.MaxMessage/2)
}

func describeInstances(instances []appsv1alpha1.ApplicationInstance) string {
	names := make([]string, 0, len(instances))
	for i := range instances {
		names = append(names, instances[i].Namespace+"/"+instances[i].Name)
	}
	return plural(int32(len(instances)), "instance") + ": " + strings.Join(names, ", ")
}

func plural(n int32, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
