// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
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

// Step is one Operation of the story, and how it must end for the demo to be a success.
type Step struct {
	// Says what is about to happen.
	Says string
	// Operation to create on the hub.
	Operation *opsv1alpha1.Operation
	// Ask for it otherwise than by creating it on the hub, and wait until it is there; nil to create it.
	Ask func(ctx context.Context, d *Demo, op *opsv1alpha1.Operation) error
	// Before, if any, prepares the clusters for it, and completes it.
	Before func(ctx context.Context, d *Demo, op *opsv1alpha1.Operation) error
	// Meanwhile, if any, is what a person does while it runs.
	Meanwhile func(ctx context.Context, d *Demo, op *opsv1alpha1.Operation) error
	// After, if any, looks whether it has done on the clusters what it says.
	After func(ctx context.Context, d *Demo) error
	// Phase that it must end in.
	Phase opsv1alpha1.OperationPhase
	// Failed clusters, out of all.
	Failed int32
}

// story is what the demo does on clusters spokes, the last of which still has old disks.
func story(clusters int) []Step {
	return []Step{
		{
			Says: "run a command in every shop of the fleet (engine: job)",
			Operation: fleetWide("clear-carts", opsv1alpha1.TypeRunCommand, opsv1alpha1.EngineJob,
				map[string]any{"image": "registry.example.com/shop:1.0.0", "command": []string{"shop", "carts", "clear"}}),
			Phase: opsv1alpha1.PhaseSucceeded,
		},
		{
			Says:      "a person in Odoo presses \"Back up everywhere\": every shop, up to S3 (engine: velero). Odoo is played; the protocol is real",
			Operation: fleetWide(backupName, opsv1alpha1.TypeBackup, opsv1alpha1.EngineVelero, map[string]any{"ttl": "24h"}),
			Ask:       askByOdoo,
			After:     whatOdooSaw,
			Phase:     opsv1alpha1.PhaseSucceeded,
		},
		{
			Says:      "somebody deletes the settings of " + lostShop + "; restore them from the backup (engine: velero)",
			Operation: onOne("restore-settings", lostShop, opsv1alpha1.TypeRestore, opsv1alpha1.EngineVelero),
			Before:    loseSettings,
			After:     settingsAreBack,
			Phase:     opsv1alpha1.PhaseSucceeded,
		},
		{
			Says:      "run the chart's own post-upgrade hook on demand (engine: helmHookJob)",
			Operation: fleetWide("rebuild-index", opsv1alpha1.TypeMigration, opsv1alpha1.EngineHelmHookJob, map[string]any{"event": "post-upgrade"}),
			Phase:     opsv1alpha1.PhaseSucceeded,
		},
		{
			Says:      "a runbook whose second step waits for a person, who resumes it on every cluster (engine: workflow, that is Argo)",
			Operation: fleetWide("close-the-books", opsv1alpha1.TypeRunbook, opsv1alpha1.EngineWorkflow, map[string]any{"workflowTemplate": runbook}),
			Meanwhile: resumeRunbooks,
			Phase:     opsv1alpha1.PhaseSucceeded,
		},
		{
			Says: "a runbook on one canary first, and then one cluster after the other. On " + mistyped + " somebody has mistyped it: the rollout must halt, " +
				"and go on when that is mended (engine: workflow)",
			Operation: canaryFirst(fleetWide(stockTaking, opsv1alpha1.TypeRunbook, opsv1alpha1.EngineWorkflow, map[string]any{"workflowTemplate": stockTaking})),
			Before:    mistype,
			Meanwhile: mendAndRetry,
			After:     onlyFailedAgain,
			Phase:     opsv1alpha1.PhaseSucceeded,
		},
		{
			Says:      "upgrade every shop from chart 1.0.0 to 1.1.0 (engine: helm, that is Flux)",
			Operation: fleetWide("upgrade-to-1-1-0", opsv1alpha1.TypeUpgrade, opsv1alpha1.EngineHelm, map[string]any{"targetVersion": "1.1.0"}),
			Phase:     opsv1alpha1.PhaseSucceeded,
		},
		{
			Says:      fmt.Sprintf("upgrade to 1.2.0, which refuses the old disks of spoke%d: that cluster must fail, and say why", clusters),
			Operation: fleetWide("upgrade-to-1-2-0", opsv1alpha1.TypeUpgrade, opsv1alpha1.EngineHelm, map[string]any{"targetVersion": "1.2.0"}),
			Phase:     opsv1alpha1.PhaseFailed,
			Failed:    1,
		},
	}
}

// fleetWide is an Operation on every shop of every cluster.
func fleetWide(name string, kind opsv1alpha1.OperationType, engine opsv1alpha1.OperationEngine, parameters map[string]any) *opsv1alpha1.Operation {
	op := operation(name, kind, engine)
	op.Spec.Placement = &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: Placement}}
	op.Spec.Selector = &opsv1alpha1.InstanceSelector{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "shop"}}}
	op.Spec.Parameters = raw(parameters)
	return op
}

// onOne is an Operation on one shop: it goes to that shop's cluster.
func onOne(name, shop string, kind opsv1alpha1.OperationType, engine opsv1alpha1.OperationEngine) *opsv1alpha1.Operation {
	op := operation(name, kind, engine)
	op.Spec.TargetRef = &opsv1alpha1.TargetRef{APIVersion: appsv1alpha1.GroupVersion.String(), Kind: "ApplicationInstance", Name: shop}
	return op
}

func operation(name string, kind opsv1alpha1.OperationType, engine opsv1alpha1.OperationEngine) *opsv1alpha1.Operation {
	return &opsv1alpha1.Operation{
		TypeMeta:   metav1.TypeMeta{APIVersion: opsv1alpha1.GroupVersion.String(), Kind: "Operation"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: Namespace},
		Spec:       opsv1alpha1.OperationSpec{Type: kind, Engine: engine},
	}
}

func raw(values map[string]any) *runtime.RawExtension {
	data, err := json.Marshal(values)
	if err != nil {
		panic(err) // maps of strings and numbers always marshal
	}
	return &runtime.RawExtension{Raw: data}
}
