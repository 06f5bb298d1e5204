// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/spf13/cobra"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const askLong = `
On a hub, say on which clusters (--placement, or --cluster) and, unless all instances of the namespace there are meant, on which instances (--app,
--instance, --selector). One instance that the hub has delivered needs no clusters: it is acted on where it is. On a cluster alone there are only instances.

Its parameters depend on the OperationTemplate: --help together with the template lists them, read from the cluster. Each is a flag, in small letters
(--target-version) or as it is in the manifest (--targetVersion).

On a terminal it shows what will be done, and asks; --yes goes ahead. --dry-run shows what would become of each cluster, and does nothing.`

// addAsking adds what makes Operations.
func addAsking(env *Env, root *cobra.Command) {
	root.AddCommand(
		newAsk(env, "", "run TEMPLATE", "Run any OperationTemplate",
			"Make an Operation that follows a template, one of your own or of the catalog.",
			`  # What a template takes
  vw run clean-caches --help
  # Every shop of every cluster, one cluster at a time
  vw run clean-caches --placement everywhere --app shop --max-concurrency 1 --wait`),
		newAsk(env, opsv1alpha1.TypeBackup, "backup", "Back up instances",
			"Make a copy of instances that vw restore can start from.",
			`  vw backup --app shop --placement everywhere --wait
  vw backup --app shop-1 --engine velero --ttl 720h`),
		newAsk(env, opsv1alpha1.TypeRestore, "restore", "Restore instances from a backup",
			"Put a backup of instances back.",
			`  vw restore --app shop-1 --engine velero --backup-name nightly-x7k2p`),
		newAsk(env, opsv1alpha1.TypeUpgrade, "upgrade", "Upgrade instances to another version or other values",
			"Change the chart version, or the values, of instances.",
			`  # A canary first, then three clusters at a time; what was changed is put back when two have failed
  vw upgrade --app shop --placement tiers --target-version 1.2.0 --canary canary --soak 15m --max-concurrency 3 --max-failures 1 --on-breach rollback
  # What would be done
  vw upgrade --app shop --placement tiers --target-version 1.2.0 --dry-run`),
		newAsk(env, opsv1alpha1.TypeMigration, "migrate", "Run a structured change of instances' data",
			"Run a migration of instances' data.",
			`  vw migrate --app shop --placement everywhere --event post-upgrade`),
		newAsk(env, opsv1alpha1.TypeRunCommand, "exec [-- COMMAND ARGS...]", "Run a command beside instances",
			"Run a command in a pod of its own, for each instance.",
			`  vw exec --placement everywhere --app shop --image registry.example.com/shop:1.0.0 -- shop carts clear`),
		newAsk(env, opsv1alpha1.TypeRunbook, "runbook", "Run a procedure of several steps",
			"Run a runbook for instances.",
			`  vw runbook --placement everywhere --app shop --workflow-template close-the-books`),
		newPlan(env),
	)
}

// newAsk is a command that makes Operations of a type; of the template's, which is its first argument, when it is empty.
func newAsk(env *Env, t opsv1alpha1.OperationType, use, short, long, example string) *cobra.Command {
	flags := &askFlags{}
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long + "\n" + askLong, Example: example, GroupID: groupRun,
		// Which flags there are is known when the template has been read.
		DisableFlagParsing: true,
		Args:               cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			a := &asking{env: env, cmd: cmd, t: t, flags: flags, words: args}
			return a.run(cmd.Context())
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
			a := &asking{env: env, cmd: cmd, t: t, flags: flags, words: args}
			return a.complete(word)
		},
	}
	flags.add(cmd, t == "")
	addNames(env, cmd)
	return cmd
}

// addNames offers names for the flags that take some.
func addNames(env *Env, cmd *cobra.Command) {
	for flag, names := range map[string]completion{
		"placement": completePlacements(env), "cluster": completeClusters(env), "app": completeInstances(env), "instance": completeInstances(env),
		"instance-namespace": completeNamespaces(env), "template": completeTemplates(env),
		"engine": cobra.FixedCompletions([]string{"velero", "workflow", "job", "helm", "volsync", "helmHookJob"}, cobra.ShellCompDirectiveNoFileComp),
	} {
		if cmd.Flags().Lookup(flag) != nil {
			_ = cmd.RegisterFlagCompletionFunc(flag, forFlag(names))
		}
	}
}
