// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// foreseen is a dry run whose previews lie beside it, as a hub stores them.
func foreseen(t *testing.T, ns string) *opsv1alpha1.Operation {
	t.Helper()
	op := put(t, ns, "dry", opsv1alpha1.PhaseSucceeded, func(op *opsv1alpha1.Operation) {
		op.Spec.DryRun = true
		op.Status.Plan = &opsv1alpha1.PlanStatus{Name: "dry-plan", Chunks: 1, Clusters: 2}
		op.Status.Message = "2 clusters in 1 group"
	})
	data := map[string]string{}
	for i, v := range []placement.Preview{
		{Cluster: "spoke1", Group: "canary", Would: placement.WouldRun, Delivered: 2, Template: "upgrade-helm", Engine: "helm", Parameters: json.RawMessage(`{"targetVersion":"1.2.0"}`)},
		{Cluster: "spoke2", Group: "rest", Would: placement.WouldWait, Reason: "ClusterUnreachable", Message: "it is not available"},
	} {
		v.Order = i + 1
		line, err := v.Encode()
		if err != nil {
			t.Fatal(err)
		}
		data[v.Cluster] = line
	}
	chunk := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ns, Name: opsv1alpha1.RunName(op.Name, op.UID, opsv1alpha1.PartPlan) + "-preview-0",
			Labels:          map[string]string{opsv1alpha1.LabelOperation: string(op.UID), opsv1alpha1.LabelPart: opsv1alpha1.PartPreview},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: opsv1alpha1.GroupVersion.String(), Kind: "Operation", Name: op.Name, UID: op.UID}},
		},
		Data: data,
	}
	if err := api.Create(t.Context(), chunk); err != nil {
		t.Fatal(err)
	}
	return op
}

func TestPlan(t *testing.T) {
	ns := namespace(t)
	foreseen(t, ns)
	got := vw(t, "-n", ns, "plan", "dry")
	const want = `ORDER   GROUP    CLUSTER   WOULD   INSTANCES   REASON               MESSAGE
1       canary   spoke1    Run     2                                
2       rest     spoke2    Wait    0           ClusterUnreachable   it is not available
2 clusters in 1 group
`
	if got.status != ExitOK || got.out != want {
		t.Errorf("%s\n%s", got.out, got.errOut)
	}
	says(t, vw(t, "-n", ns, "plan", "dry", "-o", "wide"), ExitOK, "upgrade-helm", "")
	says(t, vw(t, "-n", ns, "plan", "dry", "-o", "jsonpath={.kind} {.apiVersion} {.clusters[0].parameters.targetVersion} {.clusters[1].would}"), ExitOK,
		"Plan vw.vworkspace.io/v1alpha1 1.2.0 Wait", "")
	says(t, vw(t, "-n", ns, "plan", "dyr"), ExitError, "", "did you mean dry?")

	put(t, ns, "new", "", nil)
	says(t, vw(t, "-n", ns, "plan", "new"), ExitOK, "new is not planned yet", "")
	put(t, ns, "refused", opsv1alpha1.PhaseFailed, func(op *opsv1alpha1.Operation) { op.Status.Reason, op.Status.Message = "ValidationFailed", "no" })
	says(t, vw(t, "-n", ns, "plan", "refused"), ExitOK, "refused has no plan: Failed    ValidationFailed: no", "")
	put(t, ns, "corrupt", opsv1alpha1.PhaseRunning, func(op *opsv1alpha1.Operation) {
		op.Status.Plan = &opsv1alpha1.PlanStatus{Name: "gone", Chunks: 1, Clusters: 1, Digest: strings.Repeat("0", 64)}
	})
	says(t, vw(t, "-n", ns, "plan", "corrupt"), ExitError, "", "the plan of corrupt is not what the hub wrote: somebody has changed or removed its ConfigMaps (gone-...)")
}
