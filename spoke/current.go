// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
)

// current fails with a conflict unless the API server has the target as it was read, and its catalog has the Operation follow the same template in the same form.
// They decide what a run does, and one that has begun by what somebody has changed a moment before it was asked for cannot be taken back.
func (r *operationReconciler) current(ctx context.Context, v *visit, f facts) error {
	var target appsv1alpha1.ApplicationInstance
	if err := v.live.Get(ctx, client.ObjectKeyFromObject(f.target), &target); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read the target again: %w", err)
	}
	if target.UID != f.target.UID || target.ResourceVersion != f.target.ResourceVersion {
		return conflict(appsv1alpha1.GroupVersion.WithResource("applicationinstances"), f.target)
	}
	var which []client.ListOption
	if ref := v.op.Spec.TemplateRef; ref != nil {
		which = append(which, client.MatchingFields{"metadata.name": ref.Name})
	}
	var list opsv1alpha1.OperationTemplateList
	if err := v.live.List(ctx, &list, which...); err != nil {
		return fmt.Errorf("read the catalog again: %w", err)
	}
	choice, problem := r.book.Find(f.request, list.Items)
	if problem != nil || !choice.Same(catalog.Choice{Entries: []*catalog.Entry{f.template}}) {
		return conflict(opsv1alpha1.GroupVersion.WithResource("operationtemplates"), f.template.Template)
	}
	return nil
}
