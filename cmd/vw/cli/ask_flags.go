// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/ask"
)

// Dry runs, by what is asked: nobody, the API server alone, the hub, or all clusters.
const (
	dryRunNone     = "none"
	dryRunClient   = "client"
	dryRunServer   = "server"
	dryRunHub      = "hub"
	dryRunClusters = "clusters"
)

// askFlags are those of every command that makes an Operation, besides the parameters of its template.
type askFlags struct {
	template, engine string
	set              []string
	parameters       string

	where    ask.Where
	selector string
	rollout  ask.Rollout
	follow   bool
	atOnce   int32

	name, key, window string
	timeout           time.Duration
	suspend, approval bool

	dryRun      string
	wait, yes   bool
	waitTimeout time.Duration
	output      *Output
}

// add the flags to a command; chosen tells that its first argument is the template.
func (f *askFlags) add(cmd *cobra.Command, chosen bool) {
	flags := cmd.Flags()
	if !chosen {
		flags.StringVar(&f.template, "template", "", "OperationTemplate `NAME` to follow (default: the one for what is asked; vw templates lists them)")
		flags.StringVar(&f.engine, "engine", "", "`ENGINE` to run on: velero, workflow, job, helm, volsync or helmHookJob (default: the template's, or what the instance advertises)")
	}
	flags.StringArrayVar(&f.set, "set", nil, "Set a parameter by `KEY=VALUE`, such as a.b=c, with the type that the template says (repeatable)")
	flags.StringVar(&f.parameters, "parameters", "", "Read parameters from a `FILE` of YAML or JSON, - for standard input; --set and a parameter's own flag go before it")

	flags.StringVar(&f.where.Placement, "placement", "", "Clusters: those that Placement `NAME` selects")
	flags.StringArrayVar(&f.where.Clusters, "cluster", nil, "Clusters: that of this `NAME` (repeatable); a Placement is made for them, and goes with the Operation")
	flags.StringArrayVar(&f.where.Apps, "app", nil, "Instances: by `NAME`, or all of an application by its catalog id (repeatable)")
	flags.StringArrayVar(&f.where.Instances, "instance", nil, "Instances: by `NAME`, also those that only their clusters know (repeatable)")
	flags.StringVarP(&f.selector, "selector", "l", "", "Instances: by their `LABELS`, such as app=shop,tier!=test")
	flags.StringArrayVar(&f.where.Namespaces, "instance-namespace", nil, "Instances: of this `NAMESPACE` of the clusters (repeatable; default: the Operation's)")
	flags.BoolVar(&f.where.All, "all", false, "Instances: every one of the namespace (with --placement or --cluster that is so when nothing picks instances)")
	f.addRollout(cmd)

	flags.StringVar(&f.name, "name", "", "`NAME` of the Operation (default: one that begins with its type)")
	flags.DurationVar(&f.timeout, "timeout", 0, "Give each instance so much time from its start on (default: no bound)")
	flags.StringVar(&f.window, "window", "", "Start only in a `WINDOW`, such as '0 22 * * 1-5 for 6h in Europe/Zurich'")
	flags.BoolVar(&f.suspend, "suspend", false, "Start no cluster until vw resume")
	flags.BoolVar(&f.approval, "require-approval", false, "Start nothing until vw approve")
	flags.StringVar(&f.key, "concurrency-key", "", "Run after older Operations of the same `KEY`, not beside them")

	flags.StringVar(&f.dryRun, "dry-run", dryRunNone, "Do nothing: client prints the Operation, server has the API server check it, hub shows what would become of each cluster, "+
		"clusters has each cluster say what it would act on")
	flags.Lookup("dry-run").NoOptDefVal = dryRunHub
	_ = cmd.RegisterFlagCompletionFunc("dry-run", cobra.FixedCompletions([]string{dryRunClient, dryRunServer, dryRunHub, dryRunClusters, dryRunNone}, cobra.ShellCompDirectiveNoFileComp))
	flags.BoolVar(&f.wait, "wait", false, "Follow it until it has ended: exit status 0 when it succeeded, 2 when it did not, 3 after --wait-timeout")
	flags.DurationVar(&f.waitTimeout, "wait-timeout", time.Hour, "How long --wait, and a dry run, wait; the Operation goes on after that")
	flags.BoolVarP(&f.yes, "yes", "y", false, "Do not ask; nobody is asked where standard input is no terminal")
	f.output = newOutput()
	f.output.flags.TemplatePrinterFlags.TemplateArgument = nil // --template is an OperationTemplate; -o go-template=... has its own in it
	f.output.AddFlags(cmd)
}

func (f *askFlags) addRollout(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.rollout.Canary, "canary", nil, "Clusters that go first, and have to succeed: decision `GROUPS` of the Placement by name, or a number of clusters that its first groups are")
	flags.StringVar(&f.rollout.MaxConcurrency, "max-concurrency", "", "How many clusters are at work at a time, as a `NUMBER` or such as 10% (default: all)")
	flags.StringVar(&f.rollout.MaxFailures, "max-failures", "", "How many clusters may fail before no other is started, as a `NUMBER` or such as 10% (default: none)")
	flags.DurationVar(&f.rollout.Soak, "soak", 0, "How long a cluster has to be well before it counts as done")
	flags.StringVar(&f.rollout.OnBreach, "on-breach", "", "`WHAT` happens when more have failed than may: halt (default), continue, or rollback, of an upgrade")
	flags.StringVar(&f.rollout.Unreachable, "unreachable", "", "`WHAT` becomes of clusters that do not answer: wait (default), skip or fail")
	flags.BoolVar(&f.rollout.PerGroup, "per-group", false, "Act on one decision group of the Placement after the other")
	flags.BoolVar(&f.rollout.Gate, "gate", false, "Let each group but the first wait for vw approve --group")
	flags.BoolVar(&f.follow, "follow", false, "Act also on clusters that join the Placement while it runs")
	flags.Int32Var(&f.atOnce, "max-instances", 0, "How many instances of a cluster are at work at a time (default: all)")
	for name, values := range map[string][]string{"on-breach": {"halt", "continue", "rollback"}, "unreachable": {"wait", "skip", "fail"}} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
}

// check what can be checked before anything is read.
func (f *askFlags) check() (err error) {
	switch f.dryRun {
	case dryRunNone, dryRunClient, dryRunServer, dryRunHub, dryRunClusters:
	default:
		return &ask.Invalid{Option: "dry-run", Message: f.dryRun + " is not one of client, server, hub, clusters and none; mind the =: --dry-run=client"}
	}
	if f.wait && (f.dryRun == dryRunClient || f.dryRun == dryRunServer) {
		return &ask.Invalid{Option: "wait", Message: "there is nothing to wait for with --dry-run=" + f.dryRun}
	}
	if f.timeout < 0 || f.waitTimeout < 0 {
		return &ask.Invalid{Option: "timeout", Message: "a time is more than nothing, such as 15m; so with --wait-timeout"}
	}
	if f.selector == "" {
		return nil
	}
	if f.where.Selector, err = metav1.ParseToLabelSelector(f.selector); err != nil {
		return &ask.Invalid{Option: "selector", Message: err.Error()}
	}
	return nil
}

// scope of a dry run that hub or clusters answer; empty for another.
func (f *askFlags) scope() opsv1alpha1.DryRunScope {
	switch f.dryRun {
	case dryRunHub:
		return opsv1alpha1.DryRunHub
	case dryRunClusters:
		return opsv1alpha1.DryRunClusters
	}
	return ""
}

// engineOf the flag, whatever its capitals.
func (f *askFlags) engineOf() (opsv1alpha1.OperationEngine, error) {
	if f.engine == "" {
		return "", nil
	}
	var names []string
	for _, engine := range []opsv1alpha1.OperationEngine{
		opsv1alpha1.EngineVelero, opsv1alpha1.EngineWorkflow, opsv1alpha1.EngineJob, opsv1alpha1.EngineHelm, opsv1alpha1.EngineVolsync, opsv1alpha1.EngineHelmHookJob,
	} {
		if strings.EqualFold(f.engine, string(engine)) {
			return engine, nil
		}
		names = append(names, string(engine))
	}
	return "", &ask.Invalid{Option: "engine", Message: f.engine + " is not one of " + strings.Join(names, ", ")}
}
