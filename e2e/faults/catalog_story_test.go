// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clusterv1 "open-cluster-management.io/api/cluster/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub"
)

// catalogStory is of a template that people make, use, change, use again and delete, all on the hub.
var catalogStory = Story{
	Name:       "catalog",
	Before:     both(instances(opsv1alpha1.EngineJob), claimed),
	HubOptions: func(o *hub.Options) { o.DeliverCatalog = true },
	Tell: func(w *World) error {
		template := &opsv1alpha1.OperationTemplate{
			ObjectMeta: metav1.ObjectMeta{Name: told + "tidy"},
			Spec: opsv1alpha1.OperationTemplateSpec{
				Type: opsv1alpha1.TypeRunCommand, Engine: opsv1alpha1.EngineJob,
				TargetSelector: &opsv1alpha1.TargetSelector{CatalogIDs: []string{"shop"}},
				Defaults:       &runtime.RawExtension{Raw: []byte(`{"image":"registry.example.com/tool:1"}`)},
			},
		}
		followed := func(name string) error {
			op := Fleetwide(name, "everywhere", opsv1alpha1.TypeRunCommand, nil)
			op.Spec.TemplateRef = &opsv1alpha1.TemplateRef{Name: template.Name}
			return inTurn(
				func() error { return w.Create(OnHub, op) },
				func() error { return w.Reaches(name, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded) },
			)
		}
		return inTurn(
			func() error { return w.Create(OnHub, template) },
			func() error { return followed("op") },
			func() error {
				return w.Change(OnHub, template, func() { template.Spec.Defaults.Raw = []byte(`{"image":"registry.example.com/tool:2"}`) })
			},
			func() error { return w.arrives("OperationTemplate", template.Name, "tool:2") }, // so that the hub, too, knows of it
			func() error { return followed("again") },
			func() error { return w.Delete(OnHub, template) },
			func() error { return w.Gone(OnSpoke, "OperationTemplate", "", template.Name) },
		)
	},
}

// claimed: Open Cluster Management's agent has told the hub what ours has claimed.
func claimed(w *World) error {
	return w.claimOn(w.ctx, []clusterv1.ManagedClusterClaim{{Name: "job" + opsv1alpha1.ClaimEngine, Value: "installed"}})
}

// arrives waits until the spoke's template, or Freeze, says something.
func (w *World) arrives(kind, name, what string) error {
	return w.await("the spoke's "+kind+" to say "+what, func() string {
		o := w.mirror.get(OnSpoke, kind, "", name)
		if o == nil {
			return "there is none"
		}
		if raw, err := json.Marshal(o.Object["spec"]); err != nil || !strings.Contains(string(raw), what) {
			return fmt.Sprintf("it says %s, %v", raw, err)
		}
		return ""
	})
}
