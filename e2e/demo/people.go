// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/testbed"
)

// Names in the story.
const (
	backupName = "back-up"
	lostShop   = "shop-spoke1-a"
	runbook    = "close-the-books"
)

// connect to one cluster of the fleet, as its administrator.
func connect(c *testbed.Cluster) (client.Client, error) {
	cl, err := client.New(c.Config(), client.Options{Scheme: Scheme()})
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", c.Name, err)
	}
	return cl, nil
}

func settings() *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: lostShop + "-settings"}}
}

// loseSettings deletes a ConfigMap on the first cluster, and finds the name of the Backup that has it.
func loseSettings(ctx context.Context, d *Demo, op *opsv1alpha1.Operation) error {
	cl, err := connect(d.Fleet.Spokes[0])
	if err != nil {
		return err
	}
	if err := cl.Delete(ctx, settings()); err != nil {
		return fmt.Errorf("delete the settings of %s: %w", lostShop, err)
	}
	backup, err := backupOf(ctx, cl)
	if err != nil {
		return err
	}
	d.screen.Say("ConfigMap %s is deleted; Velero's Backup %s has it", settings().Name, backup)
	op.Spec.Parameters = raw(map[string]any{"backupName": backup, "includedResources": []string{"configmaps"}})
	return nil
}

// backupOf the shop: an output of the Operation on it.
func backupOf(ctx context.Context, cl client.Client) (string, error) {
	var list opsv1alpha1.OperationList
	if err := cl.List(ctx, &list, client.InNamespace(Namespace)); err != nil {
		return "", fmt.Errorf("list the Operations on the shops: %w", err)
	}
	for _, op := range list.Items {
		if op.Spec.Type != opsv1alpha1.TypeBackup || op.Spec.TargetRef == nil || op.Spec.TargetRef.Name != lostShop || op.Status.Outputs == nil {
			continue
		}
		var outputs map[string]string
		if err := json.Unmarshal(op.Status.Outputs.Raw, &outputs); err == nil && outputs["backupName"] != "" {
			return outputs["backupName"], nil
		}
	}
	return "", fmt.Errorf("no Backup of %s among %d Operations", lostShop, len(list.Items))
}

// settingsAreBack looks at the cluster itself.
func settingsAreBack(ctx context.Context, d *Demo) error {
	cl, err := connect(d.Fleet.Spokes[0])
	if err != nil {
		return err
	}
	restored := settings()
	if err := cl.Get(ctx, client.ObjectKeyFromObject(restored), restored); err != nil {
		return fmt.Errorf("the settings of %s are not back: %w", lostShop, err)
	}
	d.screen.Say("ConfigMap %s is back, with %d settings", restored.Name, len(restored.Data))
	return nil
}

// resumeRunbooks waits until the hub says that every shop's runbook waits for a person, and resumes them, as `argo resume` does.
func resumeRunbooks(ctx context.Context, d *Demo, op *opsv1alpha1.Operation) error {
	resumed := map[string]bool{}
	want := len(d.Fleet.Spokes) * perCluster
	return d.until(ctx, func(ctx context.Context) (bool, error) {
		for _, c := range d.Fleet.Spokes {
			if err := resumeOn(ctx, c, resumed); err != nil {
				return false, err
			}
		}
		var now opsv1alpha1.Operation
		if err := d.Hub.Get(ctx, client.ObjectKeyFromObject(op), &now); err != nil {
			return false, fmt.Errorf("read Operation %s: %w", op.Name, err)
		}
		return len(resumed) == want || now.Status.Phase.Terminal(), nil
	})
}

// resumeOn one cluster what is suspended there: the step is called Succeeded in the Workflow, which makes Argo go on.
func resumeOn(ctx context.Context, c *testbed.Cluster, resumed map[string]bool) error {
	cl, err := connect(c)
	if err != nil {
		return err
	}
	list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowList"}}
	if err := cl.List(ctx, list, client.InNamespace(Namespace)); err != nil {
		return fmt.Errorf("list the Workflows on %s: %w", c.Name, err)
	}
	for i := range list.Items {
		workflow := &list.Items[i]
		if resumed[string(workflow.GetUID())] || !finishSuspended(workflow) {
			continue
		}
		err := cl.Update(ctx, workflow)
		if apierrors.IsConflict(err) {
			continue // Argo has written it in between: next time round
		}
		if err != nil {
			return fmt.Errorf("resume Workflow %s on %s: %w", workflow.GetName(), c.Name, err)
		}
		resumed[string(workflow.GetUID())] = true
	}
	return nil
}

// finishSuspended ends the steps that wait for a person, and tells whether there were any.
func finishSuspended(workflow *unstructured.Unstructured) bool {
	nodes, _, _ := unstructured.NestedMap(workflow.Object, "status", "nodes")
	found := false
	for id, n := range nodes {
		node, ok := n.(map[string]any)
		if !ok || node["type"] != "Suspend" || node["phase"] != "Running" {
			continue
		}
		node["phase"], node["finishedAt"] = "Succeeded", time.Now().UTC().Format(time.RFC3339)
		nodes[id] = node
		found = true
	}
	return found && unstructured.SetNestedMap(workflow.Object, nodes, "status", "nodes") == nil
}
