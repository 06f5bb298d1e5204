// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/light"
	"vworkspace.io/fleet/cmd/vw/listing"
)

const getLong = `List what there is: Operations, or what else you name.

  op           Operations, the newest last (also: ops, operation, operations); without a kind it is these
  appinst      ApplicationInstances (also: ai, instances)
  templates    OperationTemplates (also: optmpl)
  clusters     clusters of the fleet; with --of NAME, where each cluster of an Operation stands
  placements, freezes, windows, controlplanes

With -o json or yaml it prints the objects as they are; with --of or --clusters, a document with all that is known of each cluster.`

const getExample = `  vw get                                  what runs, and what has run, in the namespace
  vw get -A --state running,blocked       what is not done yet, everywhere
  vw get op nightly --clusters --failed   the clusters of a run that failed, and why
  vw get op -w                            each change as it comes`

// resource that vw get lists.
type resource struct {
	light.Kind
	names []string
	// complete the names of its objects.
	complete func(*Env) completion
}

// resources that vw get knows. The first is the default.
func resources() []resource {
	ops, apps := opsv1alpha1.GroupVersion, appsv1alpha1.GroupVersion
	return []resource{
		{listing.Operations, []string{"op", "ops", "operation", "operations"}, completeOperations},
		{light.Kind{GroupVersionResource: apps.WithResource("applicationinstances"), Kind: "ApplicationInstance", Namespaced: true},
			[]string{"appinst", "ai", "instance", "instances", "applicationinstance", "applicationinstances"}, completeInstances},
		{light.Kind{GroupVersionResource: ops.WithResource("operationtemplates"), Kind: "OperationTemplate"},
			[]string{"templates", "template", "optmpl", "operationtemplate", "operationtemplates"}, completeTemplates},
		{light.Kind{GroupVersionResource: schema.GroupVersion(clusterv1.GroupVersion).WithResource("managedclusters"), Kind: "ManagedCluster"},
			[]string{"clusters", "cluster", "managedcluster", "managedclusters"}, completeClusters},
		{light.Kind{GroupVersionResource: schema.GroupVersion(clusterv1beta1.GroupVersion).WithResource("placements"), Kind: "Placement", Namespaced: true},
			[]string{"placements", "placement"}, completePlacements},
		{light.Kind{GroupVersionResource: ops.WithResource("freezes"), Kind: "Freeze"}, []string{"freezes", "freeze"}, nil},
		{light.Kind{GroupVersionResource: ops.WithResource("maintenancewindows"), Kind: "MaintenanceWindow"},
			[]string{"windows", "window", "maintenancewindow", "maintenancewindows"}, nil},
		{light.Kind{GroupVersionResource: ops.WithResource("controlplanes"), Kind: "ControlPlane"}, []string{"controlplanes", "controlplane", "vcp"}, nil},
	}
}

// resourceOf arguments, and the names after it. What is no kind is the name of an Operation.
func resourceOf(args []string) (resource, []string) {
	all := resources()
	if len(args) == 0 {
		return all[0], nil
	}
	for _, r := range all {
		if slices.Contains(r.names, strings.ToLower(args[0])) {
			return r, args[1:]
		}
	}
	return all[0], args
}

// get is what vw get was asked for.
type get struct {
	env    *Env
	output *Output

	all, watch, clusters, failed bool
	selector, sortBy, of         string
	states                       []string

	resource  resource
	names     []string
	namespace string // empty for all
	filter    listing.Filter
	labels    labels.Selector
}

func newGet(env *Env) *cobra.Command {
	g := &get{env: env, output: newOutput(wide)}
	cmd := &cobra.Command{
		Use: "get [KIND] [NAME...]", Short: "List Operations, or clusters of one, or what else there is",
		Long: getLong, Example: getExample, GroupID: groupSee,
		RunE: func(cmd *cobra.Command, args []string) error { return g.run(cmd.Context(), args) },
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return g.complete(cmd, args, typed)
		},
	}
	g.output.AddFlags(cmd)
	flags := cmd.Flags()
	flags.BoolVarP(&g.all, "all-namespaces", "A", false, "All namespaces")
	flags.BoolVarP(&g.watch, "watch", "w", false, "Go on, and print each row again as it changes")
	flags.StringVarP(&g.selector, "selector", "l", "", "Only what has these labels")
	flags.StringVar(&g.sortBy, "sort-by", "age", "Order of Operations: "+strings.Join(listing.Orders(), ", "))
	flags.BoolVar(&g.clusters, "clusters", false, "Of the one Operation that is named: where each of its clusters stands")
	flags.StringVar(&g.of, "of", "", "With clusters: those of this Operation, and where each of them stands")
	flags.StringSliceVar(&g.states, "state", nil, "Only Operations, or clusters of a run, in these states: "+strings.Join(listing.States(), ", "))
	flags.BoolVar(&g.failed, "failed", false, "The same as --state failed")
	_ = cmd.RegisterFlagCompletionFunc("of", forFlag(completeOperations(env)))
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(listing.States(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("sort-by", cobra.FixedCompletions(listing.Orders(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// complete a kind first, or the name of an Operation, and names of that kind after it.
func (g *get) complete(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	r, names := resourceOf(args)
	var offered []cobra.Completion
	if r.complete != nil {
		offered, _ = r.complete(g.env)(cmd, names, typed)
	}
	if len(args) == 0 {
		for _, r := range resources() {
			if strings.HasPrefix(r.names[0], typed) {
				offered = append(offered, r.names[0])
			}
		}
	}
	return offered, cobra.ShellCompDirectiveNoFileComp
}

func (g *get) run(ctx context.Context, args []string) error {
	if g.resource, g.names = resourceOf(args); g.failed {
		g.states = append(g.states, "failed")
	}
	if err := g.check(); err != nil {
		return err
	}
	if g.clusters || g.of != "" {
		return g.runClusters(ctx)
	}
	if g.watch {
		return g.follow(ctx)
	}
	if !g.output.Own() {
		return g.objects(ctx)
	}
	return g.table(ctx)
}

// check what the flags say together, and fill in what follows from them.
func (g *get) check() (err error) {
	for _, rule := range g.rules() {
		if rule.broken {
			return errors.New(rule.message)
		}
	}
	if err := listing.Sort(nil, g.sortBy, g.env.Now()); err != nil {
		return err
	}
	if g.labels, err = labels.Parse(g.selector); err != nil {
		return fmt.Errorf("--selector: %w", err)
	}
	if g.filter, err = listing.ParseFilter(g.states); err != nil {
		return err
	}
	if g.resource.Namespaced && !g.all || g.of != "" {
		g.namespace, err = g.env.Namespace()
	}
	return err
}

// rule that the flags keep.
type rule struct {
	broken  bool
	message string
}

func (g *get) rules() []rule {
	operations, named := g.resource.Kind == listing.Operations, len(g.names) > 0
	return []rule{
		{g.of != "" && g.resource.Resource != "managedclusters", "--of: it is for clusters: vw get clusters --of NAME"},
		{g.watch && (g.of != "" || g.clusters), "--watch: clusters of a run are watched by vw watch NAME"},
		{g.clusters && (!operations || len(g.names) != 1), "--clusters: it is for one Operation: vw get op NAME --clusters"},
		{len(g.states) > 0 && !operations && g.of == "",
			"--state: only Operations, and clusters of one, have states: vw get op, or vw get clusters --of NAME"},
		{named && g.all, "--all-namespaces: a name is one of a namespace: leave out one of the two"},
		{named && g.selector != "", "--selector: it chooses by labels and not by names: leave out one of the two"},
	}
}

func (g *get) query() light.Query { return light.Query{Namespace: g.namespace, Labels: g.selector} }
