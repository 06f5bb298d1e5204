// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// current fails with a conflict unless the API server has the target, and the template that is followed, as they were read. They decide what a run does, and one
// that has begun by what somebody has changed a moment before it was asked for cannot be taken back.
func (v *visit) current(ctx context.Context, f facts) error {
	var target appsv1alpha1.ApplicationInstance
	if err := v.live.Get(ctx, client.ObjectKeyFromObject(f.target), &target); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read the target again: %w", err)
	}
	if target.UID != f.target.UID || target.ResourceVersion != f.target.ResourceVersion {
		return conflict(appsv1alpha1.GroupVersion.WithResource("applicationinstances"), f.target)
	}
	template := f.template.Template
	var now opsv1alpha1.OperationTemplateList // the agent may list them, and needs no right to get one
	if err := v.live.List(ctx, &now, client.MatchingFields{"metadata.name": template.Name}); err != nil {
		return fmt.Errorf("read OperationTemplate %s again: %w", template.Name, err)
	}
	if len(now.Items) != 1 || now.Items[0].UID != template.UID || now.Items[0].Generation != template.Generation {
		return conflict(opsv1alpha1.GroupVersion.WithResource("operationtemplates"), template)
	}
	return nil
}
