// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/chain"
	"vworkspace.io/fleet/cmd/vw/reach"
)

const describeLong = `Say how an Operation goes, and where it stops.

Without --cluster: what was asked and by whom, how far it is, what failed and why, and what to do next.
With --cluster: the whole chain from the hub to the pod on one cluster, and the first link that is broken. The hub knows of a cluster what the cluster reports;
to see more, vw looks there itself, if it can: by the context of your kubeconfig that is named as the cluster, by --spoke-context or --spoke-kubeconfig, or through
Open Cluster Management's cluster-proxy.

Against a cluster's own kubeconfig it follows the Operations that are there, also when the hub is gone.`

type describe struct {
	*Env
	output            *Output
	cluster, instance string
	reach             reach.Options
}

func newDescribe(env *Env) *cobra.Command {
	d := &describe{Env: env, output: newOutput(wide)}
	cmd := &cobra.Command{
		Use:     "describe [op|appinst|cluster] NAME",
		Short:   "Say how an Operation goes, and where it stops",
		Long:    describeLong,
		GroupID: groupSee,
		Example: `  # How does it go, and what failed?
  vw describe nightly-backup

  # Why does it not go on on cluster eu-7?
  vw describe op nightly-backup --cluster eu-7

  # What about this application, and this cluster?
  vw describe appinst shop-1
  vw describe cluster eu-7`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error { return d.run(cmd.Context(), args) },
	}
	d.output.AddFlags(cmd)
	cmd.Flags().StringVar(&d.cluster, "cluster", "", "Follow it to this cluster")
	cmd.Flags().StringVar(&d.instance, "instance", "", "Follow it to this ApplicationInstance: NAME or NAMESPACE/NAME")
	addReach(cmd.Flags(), &d.reach)
	return cmd
}

// kinds that can be described, by all that a person may call them.
var kinds = map[string]string{
	"op": kindOperation, "ops": kindOperation, "operation": kindOperation, "operations": kindOperation,
	"appinst": kindInstance, "applicationinstance": kindInstance, "applicationinstances": kindInstance, "instance": kindInstance,
	"cluster": kindCluster, "clusters": kindCluster, "managedcluster": kindCluster, "managedclusters": kindCluster,
}

const (
	kindOperation = "Operation"
	kindInstance  = "ApplicationInstance"
	kindCluster   = "ManagedCluster"
)

// kindAndName of what a person names: NAME, KIND NAME or KIND/NAME. A name alone is an Operation's.
func kindAndName(args []string) (kind, name string, err error) {
	if len(args) == 1 {
		before, after, slashed := strings.Cut(args[0], "/")
		if !slashed {
			return kindOperation, args[0], nil
		}
		args = []string{before, after}
	}
	kind, known := kinds[strings.ToLower(args[0])]
	if !known {
		return "", "", fmt.Errorf("%q is nothing that can be described: say op, appinst or cluster", args[0])
	}
	return kind, args[1], nil
}

func (d *describe) run(ctx context.Context, args []string) error {
	kind, name, err := kindAndName(args)
	if err != nil {
		return err
	}
	if kind != kindOperation && (d.cluster != "" || d.instance != "") {
		return fmt.Errorf("--cluster and --instance follow an Operation: leave them out for %s %s", kind, name)
	}
	cl, err := d.Client()
	if err != nil {
		return err
	}
	if kind != kindOperation {
		return d.other(ctx, kind, name)
	}
	op, err := getOperation(ctx, d.Env, cl, name)
	if err != nil {
		return err
	}
	return d.describeOperation(ctx, cl, op)
}

// other things than Operations, which are met with kinds of other projects.
func (d *describe) other(ctx context.Context, kind, name string) error {
	way, err := d.localWay()
	if err != nil {
		return err
	}
	cl, err := client.New(way.Config, client.Options{Scheme: chain.Scheme()})
	if err != nil {
		return err
	}
	if kind == kindInstance {
		return d.appinst(ctx, cl, name)
	}
	return d.managedCluster(ctx, cl, name)
}

func (d *describe) describeOperation(ctx context.Context, cl client.Reader, op *opsv1alpha1.Operation) error {
	if d.cluster != "" {
		c, err := d.follow(ctx, cl, op, d.cluster)
		if err != nil {
			return err
		}
		return d.print("OperationChain", c, c)
	}
	o := chain.NewOverview(op, d.Now())
	cluster, one, err := d.single(ctx, cl, op)
	if err != nil {
		return err
	}
	if one {
		if o.Chain, err = d.follow(ctx, cl, op, cluster); err != nil {
			return err
		}
	} else if d.instance != "" {
		return fmt.Errorf("--instance: %s runs on many clusters: say which by --cluster", op.Name)
	}
	return d.print("OperationOverview", &o, &o)
}

// single tells whether an Operation happens at one place: on this very cluster, or on the one that it was planned for.
func (e *Env) single(ctx context.Context, cl client.Reader, op *opsv1alpha1.Operation) (cluster string, one bool, err error) {
	switch {
	case op.Status.Plan == nil:
		return "", op.Spec.Placement == nil, nil
	case op.Status.Plan.Clusters != 1:
		return "", false, nil
	}
	clusters, err := chain.Clusters(ctx, cl, op)
	if err != nil || len(clusters) != 1 {
		return "", false, err
	}
	return clusters[0], true, nil
}

// follow an Operation to a cluster, or to where it is on this one.
func (d *describe) follow(ctx context.Context, cl client.Reader, op *opsv1alpha1.Operation, cluster string) (*chain.Chain, error) {
	if cluster != "" && op.Status.Plan == nil && op.Spec.Placement == nil && op.Labels[opsv1alpha1.LabelRoot] != "" {
		return nil, fmt.Errorf("--cluster: %s is an Operation of this cluster: leave --cluster out", op.Name)
	}
	f, err := chain.Read(ctx, cl, op, cluster, d.Now())
	if err != nil {
		return nil, err
	}
	f.Instance = d.instance
	if f.PlanWhy == "" && f.Place == nil && f.ManagedCluster.Absent() {
		return nil, fmt.Errorf("--cluster: there is no cluster %s: the plan of %s has %s", cluster, op.Name, first(f.Planned))
	}
	way, err := d.way(ctx, cl, &f)
	if err != nil {
		return nil, err
	}
	if way != nil {
		if err := d.goThere(ctx, &f, way); err != nil {
			return nil, err
		}
	}
	c := chain.Walk(f)
	return &c, nil
}

// goThere reads what is on the cluster. From a hub, a cluster that does not answer leaves what the hub knows.
func (d *describe) goThere(ctx context.Context, f *chain.Facts, way *reach.Way) error {
	below, err := client.New(way.Config, client.Options{Scheme: chain.Scheme()})
	if err == nil {
		err = f.ReadBelow(ctx, below, way.Through)
	}
	switch {
	case err == nil || f.Cluster == "":
		return err
	case isNetwork(err), isAway(err):
		f.NoWay = fmt.Sprintf("%s does not answer from here: %v", way.Through, err)
	case apierrors.IsUnauthorized(err):
		f.NoWay = fmt.Sprintf("%s does not take your credentials: log in there again, or choose another by --spoke-context", way.Through)
	default:
		return err
	}
	f.Below = nil
	return nil
}

// way to where the Operation runs; nil when there is none, or nothing has been sent there.
func (d *describe) way(ctx context.Context, cl client.Reader, f *chain.Facts) (*reach.Way, error) {
	if f.Cluster == "" {
		return d.localWay()
	}
	if f.Place == nil {
		return nil, nil
	}
	way, why, err := d.reachCluster(ctx, d.reach, f.Cluster, cl)
	f.NoWay = why
	return way, err
}

// first of some names.
func first(names []string) string {
	const most = 8
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(slices.Clone(names[:most]), ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// print a document in the format that was asked for, or for people.
func (d *describe) print(kind string, v any, people interface {
	Write(w io.Writer, l chain.Look) error
}) error {
	if d.output.Own() {
		return people.Write(d.Out, chain.Look{Width: d.Width(), Color: d.Color(), Now: d.Now()})
	}
	doc, err := document(kind, v)
	if err != nil {
		return err
	}
	return d.output.Print(d.Out, doc)
}
