// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

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
	return &appsv1alpha1.ApplicationInstance{
		TypeMeta: metav1.TypeMeta{APIVersion: appsv1alpha1.GroupVersion.String(), Kind: "ApplicationInstance"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: Namespace,
			Labels: map[string]string{appsv1alpha1.LabelClusterID: cluster, appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane, "app": "shop"},
			Annotations: map[string]string{
				opsv1alpha1.TypeRunCommand.Capability(): string(opsv1alpha1.EngineJob),
				opsv1alpha1.TypeBackup.Capability():     string(opsv1alpha1.EngineVelero),
				opsv1alpha1.TypeRestore.Capability():    string(opsv1alpha1.EngineVelero),
				opsv1alpha1.TypeMigration.Capability():  string(opsv1alpha1.EngineHelmHookJob),
				opsv1alpha1.TypeRunbook.Capability():    string(opsv1alpha1.EngineWorkflow),
				opsv1alpha1.TypeUpgrade.Capability():    string(opsv1alpha1.EngineHelm),
			},
		},
		Spec: appsv1alpha1.ApplicationInstanceSpec{
			Mode:    appsv1alpha1.ModeManaged,
			AppRef:  appsv1alpha1.AppRef{CatalogID: "shop"},
			Chart:   &chart,
			Release: &appsv1alpha1.ReleaseSpec{Name: name, Namespace: Namespace},
			Values:  &appsv1alpha1.ValuesSpec{Source: appsv1alpha1.ValuesInline, Inline: raw(map[string]any{"replicas": 1, "storageClass": disk})},
		},
	}
}
