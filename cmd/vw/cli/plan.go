// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/safe"
	"vworkspace.io/fleet/hub"
	"vworkspace.io/fleet/placement"
)

// plan is what vw plan prints with -o json: kind Plan.
type plan struct {
	// Operation and Namespace that it is the plan of.
	Operation string `json:"operation"`
	Namespace string `json:"namespace"`
	// DryRun tells that nothing is done.
	DryRun bool `json:"dryRun"`
	// Phase, Reason and Message are the Operation's own.
	Phase   string `json:"phase"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Clusters in the order in which they are acted on.
	Clusters []planCluster `json:"clusters"`
}

// planCluster is a cluster of a plan.
type planCluster struct {
	// Order from 1, Group by its name or number, and Cluster.
	Order   int    `json:"order"`
	Group   string `json:"group"`
	Cluster string `json:"cluster"`
	// Would is what would become of it: Run, Wait or LeaveOut; of a dry run on the hub alone.
	Would string `json:"would,omitempty"`
	// State is what has become of it: pending, blocked, running, succeeded, failed, cancelled or skipped; of any other run.
	State string `json:"state,omitempty"`
	// Instances that would be acted on, or are: those that the hub has delivered there, or that the cluster has told of.
	Instances int32 `json:"instances"`
	// Reason in one word, and Message, where there is something to say.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Template and Engine, where the hub knows them; of a dry run on the hub alone, and so Parameters, which the cluster would be sent, without what is secret.
	Template   string         `json:"template,omitempty"`
	Engine     string         `json:"engine,omitempty"`
	Parameters map[string]any `json:"parameters,omitempty"`
}

func newPlan(env *Env) *cobra.Command {
	output := newOutput(wide)
	cmd := &cobra.Command{
		Use: "plan OPERATION", Short: "Show the clusters of an Operation in their order, and what becomes of each", GroupID: groupSee,
		Long: `Show which clusters an Operation acts on, in which order and group, and what becomes of each of them. Of a dry run on the hub it is what would: whether the
cluster would run, wait, or be left out, and why.

What would be done by an Operation that is not there yet is shown by --dry-run of the command that makes it.`,
		Example: `  vw plan upgrade-x7k2p
  vw upgrade --placement everywhere --target-version 1.2.0 --dry-run`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: oneArgument(completeOperations(env)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := env.Client()
			if err != nil {
				return err
			}
			op, err := getOperation(cmd.Context(), env, c, args[0])
			if err != nil {
				return err
			}
			return printPlan(cmd.Context(), env, c, op, output)
		},
	}
	output.AddFlags(cmd)
	return cmd
}

// printPlan of an Operation, and of a dry run what it has come to.
func printPlan(ctx context.Context, env *Env, c client.Reader, op *opsv1alpha1.Operation, output *Output) error {
	p, err := readPlanOf(ctx, c, op)
	if err != nil {
		return err
	}
	if !output.Own() {
		object, err := document("Plan", p)
		if err != nil {
			return err
		}
		return output.Print(env.Out, object)
	}
	if len(p.Clusters) > 0 {
		if err := output.PrintTable(env.Out, planTable(p), false); err != nil {
			return err
		}
	}
	switch {
	case len(p.Clusters) == 0 && op.Spec.Placement != nil && !op.Status.Phase.Terminal():
		fmt.Fprintf(env.Out, "%s is not planned yet: %s\n", op.Name, standing(op))
	case op.Spec.DryRun && op.Status.Message != "":
		fmt.Fprintln(env.Out, safe.Line(op.Status.Message))
	case len(p.Clusters) == 0:
		fmt.Fprintf(env.Out, "%s has no plan: %s\n", op.Name, standing(op))
	}
	return nil
}

func readPlanOf(ctx context.Context, c client.Reader, op *opsv1alpha1.Operation) (*plan, error) {
	p := &plan{
		Operation: op.Name, Namespace: op.Namespace, DryRun: op.Spec.DryRun, Phase: string(op.Status.Phase), Reason: op.Status.Reason, Message: op.Status.Message,
		Clusters: []planCluster{},
	}
	var err error
	if op.Spec.DryRun && op.Spec.DryRunScope != opsv1alpha1.DryRunClusters {
		err = p.foresee(ctx, c, op)
	} else {
		err = p.view(ctx, c, op)
	}
	switch {
	case apierrors.IsForbidden(err):
		return nil, fmt.Errorf("the plan is in ConfigMaps beside the Operation, which you may not read: %w", err)
	case errors.Is(err, placement.ErrPlanCorrupt):
		return nil, fmt.Errorf("the plan of %s is not what the hub wrote: somebody has changed or removed its ConfigMaps (%s-...): %w", op.Name, op.Status.Plan.Name, err)
	}
	return p, err
}

// foresee is the plan of a dry run on the hub.
func (p *plan) foresee(ctx context.Context, c client.Reader, op *opsv1alpha1.Operation) error {
	previews, err := hub.ReadPreviews(ctx, c, op)
	if err != nil {
		return err
	}
	for _, v := range previews {
		one := planCluster{
			Order: v.Order, Group: v.Group, Cluster: v.Cluster, Would: string(v.Would), Instances: int32(v.Delivered), Reason: v.Reason, Message: v.Message,
			Template: v.Template, Engine: string(v.Engine),
		}
		if len(v.Parameters) > 0 {
			if err := json.Unmarshal(v.Parameters, &one.Parameters); err != nil {
				return fmt.Errorf("parameters foreseen for %s: %w", v.Cluster, err)
			}
		}
		p.Clusters = append(p.Clusters, one)
	}
	return nil
}

// view is the plan of a run.
func (p *plan) view(ctx context.Context, c client.Reader, op *opsv1alpha1.Operation) error {
	v, err := hub.ReadView(ctx, c, op)
	if err != nil {
		return err
	}
	frozen, results, at := v.Plan(), v.Results(), 0
	for i, g := range frozen.Groups {
		for range g.Clusters {
			r := results[at]
			at++
			if r.State == "" {
				r.State = placement.Pending
			}
			p.Clusters = append(p.Clusters, planCluster{
				Order: at, Group: frozen.GroupName(i), Cluster: r.Cluster, State: string(r.State), Instances: r.Instances.Total, Reason: r.Reason, Message: r.Message,
			})
		}
	}
	return nil
}

func planTable(p *plan) *metav1.Table {
	if len(p.Clusters) > 0 && p.Clusters[0].Would != "" {
		t := newTable("Order", "Group", "Cluster", "Would", "Instances", "Reason", "Message", "+Template", "+Engine")
		for _, c := range p.Clusters {
			addRow(t, c.Order, c.Group, c.Cluster, c.Would, c.Instances, c.Reason, c.Message, c.Template, c.Engine)
		}
		return t
	}
	t := newTable("Order", "Group", "Cluster", "State", "Instances", "Reason", "Message")
	for _, c := range p.Clusters {
		addRow(t, c.Order, c.Group, c.Cluster, c.State, c.Instances, c.Reason, c.Message)
	}
	return t
}
