// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1 "open-cluster-management.io/api/cluster/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// windowAgain is how soon a window that never fits is looked at again: a run may turn out to take less time.
const windowAgain = time.Minute

// windows hold the clusters of a run whose maintenance window is closed, or would close before they have ended. The narrowest window counts: that which a
// cluster names, else the Operation's, else the template's. What a run takes is known once some clusters have ended, or from the template.
func (r *OperationReconciler) windows(ctx context.Context, p *pass, ref *opsv1alpha1.TemplateRef, takes time.Duration) (func(cluster string) placement.Gate, error) {
	none := func(string) placement.Gate { return placement.Gate{} }
	list := &opsv1alpha1.MaintenanceWindowList{}
	if err := r.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return none, fmt.Errorf("list MaintenanceWindows: %w", err)
	}
	named := make(map[string]*opsv1alpha1.Window, len(list.Items))
	for i := range list.Items {
		named[list.Items[i].Name] = &list.Items[i].Spec
	}
	own, expected, err := r.ownWindow(ctx, p.op, ref, takes)
	if err != nil {
		return none, err
	}
	gates := map[string]placement.Gate{} // by the name of the window: many clusters have few
	return func(cluster string) placement.Gate {
		name, err := r.windowOf(ctx, cluster)
		if err != nil {
			return placement.Gate{Reason: opsv1alpha1.ReasonOutsideMaintenanceWindow, Message: err.Error(), Opens: p.now.Add(r.StatusInterval)}
		}
		window := own
		if name != "" {
			if window = named[name]; window == nil {
				return placement.Gate{Reason: opsv1alpha1.ReasonOutsideMaintenanceWindow, Message: fmt.Sprintf(
					"cluster %s names the MaintenanceWindow %s, which does not exist: create it, or remove %s from the ManagedCluster",
					cluster, shown(name), opsv1alpha1.LabelMaintenanceWindow)}
			}
		}
		gate, known := gates[name]
		if !known {
			gate = windowGate(name, window, p.now, expected)
			gates[name] = gate
		}
		return gate
	}, nil
}

// ownWindow of a run: the Operation's, or that of the template which all of its clusters follow; and how long a cluster is expected to take.
func (r *OperationReconciler) ownWindow(
	ctx context.Context, op *opsv1alpha1.Operation, ref *opsv1alpha1.TemplateRef, expected time.Duration,
) (*opsv1alpha1.Window, time.Duration, error) {
	window := op.Spec.MaintenanceWindow
	if ref == nil {
		return window, expected, nil
	}
	template, err := find(ctx, r.Client, types.NamespacedName{Name: ref.Name}, &opsv1alpha1.OperationTemplate{})
	if err != nil {
		return nil, 0, fmt.Errorf("read OperationTemplate %s: %w", ref.Name, err)
	}
	if template == nil {
		return window, expected, nil // the clusters will say so
	}
	if window == nil {
		window = template.Spec.MaintenanceWindow
	}
	if takes := template.Spec.ExpectedDuration; takes != nil && expected == 0 {
		expected = takes.Duration
	}
	return window, expected, nil
}

// windowOf is the name of the MaintenanceWindow of a cluster; empty when it has none of its own.
func (r *OperationReconciler) windowOf(ctx context.Context, cluster string) (string, error) {
	managed, err := find(ctx, r.Client, types.NamespacedName{Name: cluster}, &clusterv1.ManagedCluster{})
	if err != nil || managed == nil {
		return "", err
	}
	if name := managed.Labels[opsv1alpha1.LabelMaintenanceWindow]; name != "" {
		return name, nil
	}
	return managed.Annotations[opsv1alpha1.LabelMaintenanceWindow], nil
}

// windowGate of a window, with its name where it is an object of its own.
func windowGate(name string, spec *opsv1alpha1.Window, now time.Time, expected time.Duration) placement.Gate {
	what := "the maintenance window"
	if name != "" {
		what = "MaintenanceWindow " + name
	}
	closed := func(message string, opens time.Time) placement.Gate {
		return placement.Gate{Reason: opsv1alpha1.ReasonOutsideMaintenanceWindow, Message: message, Opens: opens}
	}
	window, err := placement.NewWindow(spec)
	if err != nil {
		return closed(fmt.Sprintf("%s makes no sense: %v", what, err), time.Time{})
	}
	start := window.Start(now, expected)
	switch {
	case start.IsZero():
		return closed(fmt.Sprintf("%s is never open for %s, which a cluster is expected to take: make it longer", what, expected.Round(time.Second)), now.Add(windowAgain))
	case !start.After(now):
		return placement.Gate{}
	case window.Opens(now) == 0:
		return closed(fmt.Sprintf("%s closes at %s, before a cluster would have ended, which takes %s; it opens again at %s",
			what, window.Closes(now).UTC().Format(time.RFC3339), expected.Round(time.Second), start.UTC().Format(time.RFC3339)), start)
	default:
		return closed(fmt.Sprintf("%s opens at %s", what, start.UTC().Format(time.RFC3339)), start)
	}
}

// window that a cluster is sent, so that its agent keeps to it too; nil leaves it to the template.
func (r *OperationReconciler) window(ctx context.Context, op *opsv1alpha1.Operation, cluster string) (*opsv1alpha1.Window, error) {
	name, err := r.windowOf(ctx, cluster)
	if err != nil || name == "" || op.Spec.DryRun { // which waits for none
		return op.Spec.MaintenanceWindow, err
	}
	window, err := find(ctx, r.Client, types.NamespacedName{Name: name}, &opsv1alpha1.MaintenanceWindow{})
	switch {
	case err != nil:
		return nil, fmt.Errorf("read MaintenanceWindow %s: %w", name, err)
	case window == nil:
		return nil, fmt.Errorf("the MaintenanceWindow %s, which the cluster names, has just gone", shown(name))
	}
	return &window.Spec, nil
}
