// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vworkspace.io/fleet/cmd/vw/inventory"
	"vworkspace.io/fleet/cmd/vw/light"
)

const appsLong = `List the applications of the fleet: for each catalog entry and version how many instances there are, how many are Ready, and on how many clusters.
Instances that clusters count and that this hub has not delivered are a row of their own, without a version. On a cluster it lists the cluster's own.

It looks in all namespaces; with -n in that one, and then clusters' own counts are left out.`

// byCluster is the value of --by that tells clusters apart.
const byCluster = "cluster"

func newApps(env *Env) *cobra.Command {
	output := newOutput(wide)
	var labels, by string
	cmd := &cobra.Command{
		Use: "apps", Short: "List the applications of the fleet, by catalog entry and version", Long: appsLong, GroupID: groupFleet, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if by != "" && by != byCluster {
				return fmt.Errorf("--by: %q is not known; leave it out, or say %s", by, byCluster)
			}
			q := light.Query{Labels: labels}
			if cmd.Flags().Changed("namespace") {
				q.Namespace = *env.Flags.Namespace
			}
			return runApps(cmd.Context(), env, output, q, by == byCluster)
		},
	}
	output.AddFlags(cmd)
	cmd.Flags().StringVarP(&labels, "selector", "l", "", "Only instances with these labels")
	cmd.Flags().StringVar(&by, "by", "", "cluster: a row for each cluster")
	_ = cmd.RegisterFlagCompletionFunc("by", cobra.FixedCompletions([]cobra.Completion{byCluster}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runApps(ctx context.Context, env *Env, output *Output, q light.Query, apart bool) error {
	r, err := env.newReader()
	if err != nil {
		return err
	}
	apps, err := inventory.ReadApps(ctx, r, q, apart)
	if apierrors.IsForbidden(err) && q.Namespace == "" {
		if q.Namespace, err = env.Namespace(); err != nil {
			return err
		}
		if apps, err = inventory.ReadApps(ctx, r, q, apart); err == nil {
			apps.Notes = append(apps.Notes, "you may not list applicationinstances in all namespaces: these are those of namespace "+q.Namespace)
		}
	}
	if err != nil {
		return err
	}
	if !output.Own() {
		return printDocument(env, output, "Applications", apps)
	}
	env.notes(apps.Notes)
	if len(apps.Apps) == 0 {
		_, err := fmt.Fprintln(env.ErrOut, "No applications found.")
		return err
	}
	return output.PrintTable(env.Out, appTable(apps, apart), false)
}

func appTable(apps *inventory.Apps, apart bool) *metav1.Table {
	columns := []string{"App", "Version", "Count", "Ready", "Clusters", "+Not ready", "+On"}
	if apart {
		columns = []string{"App", "Version", "Cluster", "Count", "Ready", "+Not ready"}
	}
	table := newTable(columns...)
	for i := range apps.Apps {
		a := &apps.Apps[i]
		ready := fmt.Sprint(a.Ready)
		if a.Undelivered {
			ready = "?" // a cluster only counts them
		}
		notReady := orDash(strings.Join(a.NotReady, "; "))
		if apart {
			addRow(table, a.CatalogID, orDash(a.Version), orDash(a.Cluster), a.Count, ready, notReady)
		} else {
			addRow(table, a.CatalogID, orDash(a.Version), a.Count, ready, len(a.Clusters), notReady, orDash(strings.Join(a.Clusters, ",")))
		}
	}
	return table
}
