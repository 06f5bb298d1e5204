// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
	"k8s.io/client-go/discovery"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"vworkspace.io/fleet/cmd/vw/inventory"
)

const versionLong = `Show the version of vw, of the cluster that it talks to, and of what is installed there, and say when they do not get on.

What runs on the other clusters of a fleet cannot be seen from its hub: ask each of them, by --context or --kubeconfig.`

// versionDocument is what vw version finds.
type versionDocument struct {
	// Client is vw's own.
	Client clientVersion `json:"client"`
	// Kubernetes of the cluster.
	Kubernetes string `json:"kubernetes,omitempty"`
	// Components of vWorkspace Fleet there.
	Components []inventory.Component `json:"components,omitempty"`
	// Notes say what could not be read, and which versions do not get on.
	Notes []string `json:"notes,omitempty"`
}

type clientVersion struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersion(env *Env) *cobra.Command {
	output := newOutput(wide)
	var clientOnly bool
	cmd := &cobra.Command{
		Use: "version", Short: "Show the version of vw, and of what it talks to", Long: versionLong, GroupID: groupFleet, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			doc := versionDocument{Client: clientVersion{env.Version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}}
			var unseen error
			if !clientOnly {
				unseen = doc.ask(cmd.Context(), env)
			}
			if err := doc.print(env, output); err != nil {
				return err
			}
			return unseen
		},
	}
	output.AddFlags(cmd)
	cmd.Flags().BoolVar(&clientOnly, "client", false, "Only vw's own; ask no cluster")
	return cmd
}

// ask the cluster.
func (d *versionDocument) ask(ctx context.Context, env *Env) error {
	config, err := env.Config()
	if err != nil {
		return err
	}
	asked, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	server, err := asked.ServerVersion()
	if err != nil {
		return err
	}
	d.Kubernetes = server.GitVersion
	c, err := env.Client()
	if err != nil {
		return err
	}
	switch d.Components, err = inventory.Components(ctx, c); {
	case apierrors.IsForbidden(err):
		d.Notes = append(d.Notes, "you may not list deployments in vworkspace-hub and vworkspace-agent, so that what is installed cannot be told")
	case err != nil:
		return err
	case len(d.Components) == 0:
		d.Notes = append(d.Notes, "no Deployment of vWorkspace Fleet is here: it is not installed, or runs elsewhere (vw doctor looks for more than Deployments)")
	}
	for _, component := range d.Components {
		if skew := inventory.Skew(env.Version, component.Version); skew != "" {
			d.Notes = append(d.Notes, fmt.Sprintf("vw %s", skew))
		}
	}
	return nil
}

func (d *versionDocument) print(env *Env, output *Output) error {
	if !output.Own() {
		return printDocument(env, output, "Version", d)
	}
	table := newTable("What", "Version", "Where", "Ready", "+Image")
	addRow(table, "vw", d.Client.Version, d.Client.Platform, "-", d.Client.Go)
	if d.Kubernetes != "" {
		addRow(table, "kubernetes", d.Kubernetes, env.where(), "-", "-")
	}
	for _, c := range d.Components {
		addRow(table, c.Name, orDash(c.Version), "namespace "+c.Namespace, fmt.Sprintf("%d/%d", c.Ready, c.Replicas), c.Image)
	}
	if err := output.PrintTable(env.Out, table, false); err != nil {
		return err
	}
	env.notes(d.Notes)
	return nil
}
