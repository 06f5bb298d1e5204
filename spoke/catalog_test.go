// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// openCatalog installs a template for every type and engine that takes any parameters: the engines of these tests have some of their own.
func openCatalog(ctx context.Context, c client.Client) error {
	for _, t := range opsv1alpha1.OperationTypes() {
		for _, engine := range []opsv1alpha1.OperationEngine{
			opsv1alpha1.EngineVelero, opsv1alpha1.EngineWorkflow, opsv1alpha1.EngineJob,
			opsv1alpha1.EngineHelm, opsv1alpha1.EngineVolsync, opsv1alpha1.EngineHelmHookJob,
		} {
			template := &opsv1alpha1.OperationTemplate{
				ObjectMeta: metav1.ObjectMeta{Name: strings.ToLower(fmt.Sprintf("%s-%s", t, engine))},
				Spec:       opsv1alpha1.OperationTemplateSpec{Type: t, Engine: engine},
			}
			if err := c.Create(ctx, template); err != nil {
				return err
			}
		}
	}
	return nil
}
