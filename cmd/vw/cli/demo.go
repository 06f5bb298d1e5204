// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vworkspace.io/fleet/e2e/demo"
	"vworkspace.io/fleet/e2e/testbed"
)

const demoLong = `Bring up a local fleet (one hub and three clusters: real kube-apiservers, Open Cluster Management, Flux, Velero,
Argo, VolSync), install a small chart on every cluster through the hub, and run Operations from the hub: a command, a backup that a person
in Odoo asks for and a restore, a hook, runbooks - one of them on a canary first, halted by a cluster that fails, mended and tried again -, an upgrade, and
an upgrade that one cluster cannot take.

The control planes and controllers are real; pods are simulated by KWOK, because there is no kubelet, and Odoo by a fake. Everything runs on loopback
and is gone at the end. The first run builds Kubernetes and the controllers from Go modules: minutes; later runs start at once.

Exit status 0 means that all Operations ended as they should: the last one Failed on one cluster, and all others Succeeded.`

func newDemo() *cobra.Command {
	var (
		output   string
		keep     bool
		dir      string
		clusters int
	)
	cmd := &cobra.Command{
		Use:     "demo",
		GroupID: groupFleet,
		Short:   "Run the main job on a local fleet of real control planes",
		Long:    demoLong,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return fmt.Errorf("--output: %q is not known; leave it out for a table or say json", output)
			}
			if clusters < demo.MinClusters || clusters > 10 {
				return fmt.Errorf("--clusters: %d is not between %d and 10", clusters, demo.MinClusters)
			}
			return runDemo(cmd.Context(), demo.Options{Clusters: clusters, Dir: dir}, keep, output == "json", cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json prints one document on standard output and progress on standard error")
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the fleet running at the end, until Ctrl-C")
	cmd.Flags().StringVar(&dir, "dir", "", "folder for kubeconfigs and logs (default: a temporary one, removed at the end)")
	cmd.Flags().IntVar(&clusters, "clusters", 3, "number of clusters beside the hub")
	return cmd
}

// runDemo shows progress on out, or on errOut when out is for the JSON document alone.
func runDemo(ctx context.Context, o demo.Options, keep, asJSON bool, out, errOut io.Writer) (err error) {
	progress := out
	if asJSON {
		progress = errOut
	}
	o.Screen = demo.NewScreen(progress, isTerminal(progress))
	ctx, cancel := testbed.WithParent(ctx)
	defer cancel()
	d, err := demo.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Down()) }()
	report, playErr := d.Play(ctx)
	if err := writeReport(report, asJSON, out); err != nil {
		return err
	}
	if keep && ctx.Err() == nil {
		fmt.Fprint(progress, tryNext(d, kubectl(d)))
		<-ctx.Done()
	}
	if playErr == nil {
		fmt.Fprintln(progress, "\nEverything came out as it should.")
	}
	return playErr
}

func writeReport(report demo.Report, asJSON bool, out io.Writer) error {
	if asJSON {
		return report.WriteJSON(out)
	}
	fmt.Fprintln(out)
	return report.WriteTable(out)
}

// tryNext says what a person can do with a fleet that was kept.
func tryNext(d *demo.Demo, kubectl string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nThe fleet stays up until Ctrl-C. Try, in another terminal:\n")
	hub := d.Fleet.Hub.KubeconfigPath
	for _, args := range []string{"get operations,appinst", "describe operation upgrade-to-1-2-0", "get placementdecisions"} {
		fmt.Fprintf(&b, "  %s --kubeconfig %s -n %s %s\n", kubectl, hub, demo.Namespace, args)
	}
	fmt.Fprintf(&b, "  %s --kubeconfig %s get manifestworks -A\n", kubectl, hub)
	for _, c := range d.Fleet.Spokes {
		fmt.Fprintf(&b, "  %s --kubeconfig %s get operations,appinst,helmreleases,jobs -A\n", kubectl, c.KubeconfigPath)
	}
	fmt.Fprintf(&b, "Logs are in %s/logs.\n", d.Fleet.Dir())
	return b.String()
}

// kubectl is the person's own, or else the one that the fleet was built with.
func kubectl(d *demo.Demo) string {
	if _, err := exec.LookPath("kubectl"); err == nil {
		return "kubectl"
	}
	return d.Fleet.Kubectl()
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
