// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/chain"
	"vworkspace.io/fleet/cmd/vw/logs"
	"vworkspace.io/fleet/cmd/vw/reach"
)

const logsLong = `Print the logs of an Operation on one cluster, whatever engine runs it: of the pods of a Job, a Workflow or a mover, Velero's own log of a Backup or Restore, and for
Helm what Flux says of the release.

Logs are on the cluster. vw reads them there: by the context of your kubeconfig that is named as the cluster, by --spoke-context or --spoke-kubeconfig, or through Open
Cluster Management's cluster-proxy. It needs the rights there that kubectl logs needs, and for Velero those of velero backup logs.`

type logsOf struct {
	*Env
	cluster, instance string
	reach             reach.Options
	options           logs.Options
}

func newLogs(env *Env) *cobra.Command {
	l := &logsOf{Env: env}
	cmd := &cobra.Command{
		Use:     "logs [op] NAME",
		Short:   "Print the logs of an Operation, whatever engine runs it",
		Long:    logsLong,
		GroupID: groupSee,
		Example: `  # What did the command say on cluster eu-7?
  vw logs op clear-carts --cluster eu-7

  # Velero's log of the backup of one shop there, its last 50 lines
  vw logs nightly-backup --cluster eu-7 --instance shop-1 --tail 50`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error { return l.run(cmd.Context(), args) },
	}
	flags := cmd.Flags()
	flags.StringVar(&l.cluster, "cluster", "", "Cluster whose logs are printed; needed when the Operation runs on several")
	flags.StringVar(&l.instance, "instance", "", "ApplicationInstance whose logs are printed: NAME or NAMESPACE/NAME (default: all of the cluster)")
	flags.BoolVarP(&l.options.Follow, "follow", "f", false, "Go on until the run has ended")
	flags.Int64Var(&l.options.Tail, "tail", -1, "Lines of each log, counted from its end; all by default")
	flags.DurationVar(&l.options.Since, "since", 0, "Only lines of pods that are younger, such as 5m")
	flags.BoolVarP(&l.options.Previous, "previous", "p", false, "The run of a container before the one that runs")
	flags.BoolVar(&l.options.AllContainers, "all-containers", false, "Also containers that prepare a pod, or that an engine adds to it")
	addReach(flags, &l.reach)
	return cmd
}

func (l *logsOf) run(ctx context.Context, args []string) error {
	kind, name, err := kindAndName(args)
	if err != nil {
		return err
	}
	if kind != kindOperation {
		return fmt.Errorf("logs are those of an Operation: name one, or use kubectl logs for %s %s", kind, name)
	}
	if l.options.Since < 0 || l.options.Since%time.Second != 0 {
		return fmt.Errorf("--since: %s is not a positive number of seconds, such as 90s or 5m", l.options.Since)
	}
	cl, err := l.Client()
	if err != nil {
		return err
	}
	op, err := getOperation(ctx, l.Env, cl, name)
	if err != nil {
		return err
	}
	f, err := l.facts(ctx, cl, op)
	if err != nil {
		return err
	}
	way, why, err := l.wayTo(ctx, cl, &f)
	if err != nil {
		return err
	}
	if way == nil {
		return l.hubOnly(&f, why)
	}
	return l.print(ctx, &f, way)
}

// facts of the one place whose logs are asked for.
func (l *logsOf) facts(ctx context.Context, cl client.Reader, op *opsv1alpha1.Operation) (chain.Facts, error) {
	cluster := l.cluster
	only, one, err := l.single(ctx, cl, op)
	if err != nil {
		return chain.Facts{}, err
	}
	if cluster == "" {
		cluster = only
	}
	if cluster == "" && !one {
		return chain.Facts{}, l.which(ctx, cl, op)
	}
	f, err := chain.Read(ctx, cl, op, cluster, l.Now())
	if err != nil {
		return f, err
	}
	f.Instance = l.instance
	if cluster != "" && op.Status.Plan != nil && f.Place == nil && f.PlanWhy == "" {
		return f, fmt.Errorf("--cluster: %s is not in the plan of %s: that has %s", cluster, op.Name, first(f.Planned))
	}
	return f, nil
}

// which cluster is to be named.
func (l *logsOf) which(ctx context.Context, cl client.Reader, op *opsv1alpha1.Operation) error {
	if op.Status.Plan == nil {
		return fmt.Errorf("%s has not been planned, so that nothing has run anywhere: vw describe op %s says why", op.Name, op.Name)
	}
	clusters, err := chain.Clusters(ctx, cl, op)
	if err != nil {
		return err
	}
	failed := ""
	if len(op.Status.Failures) > 0 {
		failed = "; it failed on " + op.Status.Failures[0].Name
	}
	return fmt.Errorf("%s runs on %d clusters: say which by --cluster (%s)%s", op.Name, op.Status.Plan.Clusters, first(clusters), failed)
}

func (l *logsOf) wayTo(ctx context.Context, cl client.Reader, f *chain.Facts) (*reach.Way, string, error) {
	if f.Cluster == "" {
		way, err := l.localWay()
		return way, "", err
	}
	return l.reachCluster(ctx, l.reach, f.Cluster, cl)
}

// hubOnly says what the hub has instead of logs.
func (l *logsOf) hubOnly(f *chain.Facts, why string) error {
	r := f.Result
	if r.State == "" {
		return fmt.Errorf("%s has not been started on %s, so that there are no logs: vw describe op %s --cluster %s says why", f.Operation.Name, f.Cluster, f.Operation.Name, f.Cluster)
	}
	fmt.Fprintf(l.ErrOut, "The hub has no logs. %s has reported: %s", f.Cluster, r.State)
	if cause := r.Cause(); cause != "" {
		fmt.Fprintf(l.ErrOut, ": %s", cause)
	}
	fmt.Fprintln(l.ErrOut)
	return errors.New(why)
}

// print the logs from where they are.
func (l *logsOf) print(ctx context.Context, f *chain.Facts, way *reach.Way) error {
	cl, err := client.New(way.Config, client.Options{Scheme: chain.Scheme()})
	if err != nil {
		return err
	}
	kube, err := kubernetes.NewForConfig(way.Config)
	if err != nil {
		return err
	}
	if err := f.ReadBelow(ctx, cl, way.Through); err != nil {
		return err
	}
	below := f.Below
	switch {
	case below.Operation.Object == nil && f.Result.State == "":
		return l.hubOnly(f, "")
	case below.Operation.Object == nil:
		return fmt.Errorf("%s has no Operation of this run: its record is gone, or %s is not cluster %s; the hub knows: %s: %s", way.Through, way.Through, f.Cluster, f.Result.State, f.Result.Cause())
	case below.Why != "":
		return fmt.Errorf("%s: %s", way.Through, below.Why)
	case len(below.Instances) == 0:
		s := &below.Operation.Object.Status
		return fmt.Errorf("nothing has run on any instance there: %s: %s", s.Reason, s.Message)
	}
	p := &logs.Printer{Client: cl, Kube: kube, Out: l.Out, ErrOut: l.ErrOut, Options: l.options}
	printed, err := p.Print(ctx, below.Instances)
	if err != nil {
		return err
	}
	if !printed {
		return errors.New("there are no logs to print")
	}
	return nil
}
