// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vworkspace.io/fleet/cmd/vw/inventory"
	"vworkspace.io/fleet/cmd/vw/light"
	"vworkspace.io/fleet/cmd/vw/safe"
)

const clustersLong = `List the clusters of the fleet, as the hub knows them: when each was last heard of, whether an agent of ours is there, which engines and applications it has,
how many Operations are on their way there or at work, and what keeps more from being started.`

func newClusters(env *Env) *cobra.Command {
	output := newOutput(wide)
	var labels string
	cmd := &cobra.Command{
		Use: "clusters [NAME...]", Short: "List the clusters of the fleet, and what each of them has", Long: clustersLong, GroupID: groupFleet,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runFleet(cmd.Context(), env, output, labels, args)
		},
	}
	cmd.ValidArgsFunction = completeClusters(env)
	output.AddFlags(cmd)
	cmd.Flags().StringVarP(&labels, "selector", "l", "", "Only clusters with these labels")
	return cmd
}

// newReader of the cluster that the person has chosen.
func (e *Env) newReader() (*light.Reader, error) {
	config, err := e.Config()
	if err != nil {
		return nil, err
	}
	return light.NewReader(config)
}

func runFleet(ctx context.Context, env *Env, output *Output, labels string, names []string) error {
	r, err := env.newReader()
	if err != nil {
		return err
	}
	fleet, err := inventory.Clusters(ctx, r, labels, names, env.Now())
	if err != nil {
		return noHub(err)
	}
	if !output.Own() {
		return printDocument(env, output, "Clusters", fleet)
	}
	env.notes(fleet.Notes)
	if len(fleet.Clusters) == 0 {
		_, err := fmt.Fprintln(env.ErrOut, "No clusters found.")
		return err
	}
	return output.PrintTable(env.Out, fleetTable(env, fleet), false)
}

// noHub says of an error that it comes of asking a cluster that is no hub, if it does.
func noHub(err error) error {
	if apierrors.IsNotFound(err) && strings.Contains(err.Error(), "could not find the requested resource") {
		return errors.New("clusters and placements are kept on the hub, and this is none: choose its context by --context")
	}
	return err
}

// printDocument that vw found out.
func printDocument(env *Env, output *Output, kind string, v any) error {
	doc, err := document(kind, v)
	if err != nil {
		return err
	}
	return output.Print(env.Out, doc)
}

// notes say what is not shown, and why.
func (e *Env) notes(notes []string) {
	for _, note := range notes {
		fmt.Fprintf(e.ErrOut, "Note: %s.\n", note)
	}
}

func fleetTable(env *Env, fleet *inventory.Fleet) *metav1.Table {
	table := newTable("Name", "Available", "Heard", "Agent", "Engines", "Apps", "Running", "Held", "+Kubernetes", "+Message")
	for i := range fleet.Clusters {
		c := &fleet.Clusters[i]
		agent, running := "no", "?"
		if c.Agent {
			agent = "yes"
		}
		if c.Running != nil {
			running = fmt.Sprint(*c.Running)
		}
		addRow(table, c.Name, string(c.Available), since(c.LeaseRenewedAt, env.Now()), agent, orDash(strings.Join(c.Engines, ",")),
			orDash(strings.Join(c.AppNames(), ",")), running, orDash(strings.Join(c.Held, "; ")), orDash(c.Kubernetes), orDash(safe.Line(c.Message)))
	}
	return table
}
