// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	// Namespace of the shops, on the hub and on every spoke.
	Namespace = "shops"
	// Placement picks every cluster.
	Placement = "everywhere"
	// perCluster is how many shops run on each spoke.
	perCluster = 2

	fastDisk   = "fast-ssd"
	legacyDisk = "legacy-hdd"
)

// Expectation is how an Operation must end for the demo to be a success.
type Expectation struct {
	Operation *opsv1alpha1.Operation
	Phase     opsv1alpha1.OperationPhase
	// Failed clusters, out of all.
	Failed int32
	// Says what is about to happen.
	Says string
}

// story is what the demo does on clusters spokes, the last of which still has old disks.
func story(clusters int) []Expectation {
	return []Expectation{
		{
			Says:      "run a command in every shop of the fleet (engine: job)",
			Operation: operation("clear-carts", opsv1alpha1.TypeRunCommand, opsv1alpha1.EngineJob, map[string]any{"image": "registry.example.com/shop:1.0.0", "command": []string{"shop", "carts", "clear"}}),
			Phase:     opsv1alpha1.PhaseSucceeded,
		},
		{
			Says:      "upgrade every shop from chart 1.0.0 to 1.1.0 (engine: helm, that is Flux)",
			Operation: operation("upgrade-to-1-1-0", opsv1alpha1.TypeUpgrade, opsv1alpha1.EngineHelm, map[string]any{"targetVersion": "1.1.0"}),
			Phase:     opsv1alpha1.PhaseSucceeded,
		},
		{
			Says:      fmt.Sprintf("upgrade to 1.2.0, which refuses the old disks of spoke%d: that cluster must fail, and say why", clusters),
			Operation: operation("upgrade-to-1-2-0", opsv1alpha1.TypeUpgrade, opsv1alpha1.EngineHelm, map[string]any{"targetVersion": "1.2.0"}),
			Phase:     opsv1alpha1.PhaseFailed,
			Failed:    1,
		},
	}
}

func operation(name string, kind opsv1alpha1.OperationType, engine opsv1alpha1.OperationEngine, parameters map[string]any) *opsv1alpha1.Operation {
	raw, err := json.Marshal(parameters)
	if err != nil {
		panic(err) // maps of strings always marshal
	}
	return &opsv1alpha1.Operation{
		TypeMeta:   metav1.TypeMeta{APIVersion: opsv1alpha1.GroupVersion.String(), Kind: "Operation"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: Namespace},
		Spec: opsv1alpha1.OperationSpec{
			Placement:  &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: Placement}},
			Selector:   &opsv1alpha1.InstanceSelector{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "shop"}}},
			Type:       kind,
			Engine:     engine,
			Parameters: &runtime.RawExtension{Raw: raw},
		},
	}
}

// shops are two ApplicationInstances per cluster, as somebody creates them on the hub: one from an OCI registry, one from a Helm repository.
func shops(clusters []string, repository, registry string) []*appsv1alpha1.ApplicationInstance {
	var out []*appsv1alpha1.ApplicationInstance
	for i, cluster := range clusters {
		disk := fastDisk
		if i == len(clusters)-1 {
			disk = legacyDisk
		}
		for n := range perCluster {
			chart := appsv1alpha1.ChartSpec{SourceType: appsv1alpha1.ChartSourceHelm, URL: repository, Name: "shop", Version: "1.0.0"}
			if n%2 == 1 {
				chart.SourceType, chart.URL = appsv1alpha1.ChartSourceOCI, registry
			}
			out = append(out, shop(fmt.Sprintf("shop-%s-%c", cluster, 'a'+n), cluster, disk, chart))
		}
	}
	return out
}

func shop(name, cluster, disk string, chart appsv1alpha1.ChartSpec) *appsv1alpha1.ApplicationInstance {
	values, err := json.Marshal(map[string]any{"replicas": 1, "storageClass": disk})
	if err != nil {
		panic(err) // a map of strings and numbers always marshals
	}
	return &appsv1alpha1.ApplicationInstance{
		TypeMeta: metav1.TypeMeta{APIVersion: appsv1alpha1.GroupVersion.String(), Kind: "ApplicationInstance"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: Namespace,
			Labels: map[string]string{appsv1alpha1.LabelClusterID: cluster, appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane, "app": "shop"},
			Annotations: map[string]string{
				opsv1alpha1.TypeRunCommand.Capability(): string(opsv1alpha1.EngineJob),
				opsv1alpha1.TypeUpgrade.Capability():    string(opsv1alpha1.EngineHelm),
			},
		},
		Spec: appsv1alpha1.ApplicationInstanceSpec{
			Mode:    appsv1alpha1.ModeManaged,
			AppRef:  appsv1alpha1.AppRef{CatalogID: "shop"},
			Chart:   &chart,
			Release: &appsv1alpha1.ReleaseSpec{Name: name, Namespace: Namespace},
			Values:  &appsv1alpha1.ValuesSpec{Source: appsv1alpha1.ValuesInline, Inline: &runtime.RawExtension{Raw: values}},
		},
	}
}
