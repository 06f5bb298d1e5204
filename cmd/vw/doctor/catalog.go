// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/cmd/vw/inventory"
)

// checkCatalog: there is one, and it makes sense.
func checkCatalog(ctx context.Context, s *Site, f *Findings) error {
	templates := &opsv1alpha1.OperationTemplateList{}
	if err := s.Client.List(ctx, templates); err != nil {
		return err
	}
	if len(templates.Items) == 0 {
		fix := "kubectl apply --server-side -f deploy/catalog"
		if s.spoke && !s.hub {
			fix += ", on the hub, which brings it here; where there is none, here"
		}
		f.warn(fix, "there is no OperationTemplate, so that nothing can be run")
		return nil
	}
	for i := range templates.Items {
		if _, wrong := catalog.Compile(&templates.Items[i]); len(wrong) > 0 {
			f.fail("kubectl edit operationtemplate "+templates.Items[i].Name, "OperationTemplate %s makes no sense: %s", templates.Items[i].Name, wrong[0].Error())
		}
	}
	if !f.bad() {
		f.ok("%d OperationTemplates make sense", len(templates.Items))
	}
	return nil
}

// checkFreezes that hold now.
func checkFreezes(ctx context.Context, s *Site, f *Findings) error {
	freezes := &opsv1alpha1.FreezeList{}
	if err := s.Client.List(ctx, freezes); err != nil {
		return err
	}
	judgeFreezes(f, freezes.Items, s.Now)
	return nil
}

func judgeFreezes(f *Findings, freezes []opsv1alpha1.Freeze, now time.Time) {
	for i := range freezes {
		held := inventory.Frozen(&freezes[i], now)
		if held == "" {
			continue
		}
		until := "until it is deleted"
		if u := freezes[i].Spec.Until; u != nil {
			until = "until " + u.UTC().Format(time.RFC3339)
		}
		f.warn(thaw(freezes[i].Name), "%s holds %s: %s", held, until, freezes[i].Spec.Reason)
	}
	if !f.bad() {
		f.ok("nothing is frozen")
	}
}

// thaw says how a Freeze ends: what the hub has brought to a cluster, it would bring again.
func thaw(name string) string {
	if own, brought := strings.CutPrefix(name, "hub."); brought {
		return "kubectl delete freeze " + own + ", on the hub, when it is over"
	}
	return "kubectl delete freeze " + name + ", when it is over"
}

// checkInstances that are not Ready.
func checkInstances(ctx context.Context, s *Site, f *Findings) error {
	instances := &appsv1alpha1.ApplicationInstanceList{}
	if err := s.Client.List(ctx, instances); err != nil {
		return err
	}
	judgeInstances(f, instances.Items)
	return nil
}

func judgeInstances(f *Findings, instances []appsv1alpha1.ApplicationInstance) {
	var bad []string
	for i := range instances {
		in := &instances[i]
		if in.Status.Ready != metav1.ConditionTrue {
			reason := in.Status.ReadyReason
			if reason == "" {
				reason = "nobody has looked at it"
			}
			bad = append(bad, fmt.Sprintf("%s/%s (%s)", in.Namespace, in.Name, reason))
		}
	}
	if len(bad) > 0 {
		f.warn("docs/how-to/debug-a-spoke.md#why-is-my-instance-not-ready", "%d of %d are not Ready: %s", len(bad), len(instances), several(sorted(bad)))
		return
	}
	f.ok("all %d are Ready", len(instances))
}
