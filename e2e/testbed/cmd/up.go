// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"vworkspace.io/fleet/e2e/testbed"
)

type upOptions struct {
	dir              string
	clusters, grpc   int
	charts           []string
	engines          []string
	timeout          time.Duration
	detach, detached bool
}

// up runs a fleet until it is told to stop, its parent is gone, or a component dies.
func up(ctx context.Context, o upOptions, out io.Writer) error {
	if !o.detached {
		var stop context.CancelFunc
		ctx, stop = testbed.WithParent(ctx)
		defer stop()
	}
	f, err := testbed.Up(ctx, testbed.Options{
		Dir: o.dir, Clusters: o.clusters, GRPC: o.grpc, Charts: o.charts, Engines: o.engines, Timeout: o.timeout, Progress: out,
	})
	if err != nil {
		return err
	}
	describe(out, f, o.detached)
	select {
	case <-ctx.Done():
		fmt.Fprintln(out, "stopping the fleet")
	case <-f.Failed():
	}
	return errors.Join(f.Err(), f.Down())
}

// describe tells what is there and what to try.
func describe(out io.Writer, f *testbed.Fleet, detached bool) {
	kubectl := f.Kubectl()
	fmt.Fprintf(out, "\nThe fleet is in %s. Pods are simulated by KWOK; everything else is real. Try:\n\n", f.Dir())
	fmt.Fprintf(out, "  %s --kubeconfig %s get managedclusters\n", kubectl, f.Hub.KubeconfigPath)
	for _, s := range f.Spokes[:min(1, len(f.Spokes))] {
		fmt.Fprintf(out, "  %s --kubeconfig %s get nodes,namespaces\n", kubectl, s.KubeconfigPath)
	}
	fmt.Fprintf(out, "\n  chart repository  %s\n  OCI registry      %s (plain HTTP)\n", f.ChartRepoURL, f.OCIURL)
	if detached {
		fmt.Fprintf(out, "\nStop it with: go run ./e2e/testbed/cmd down --dir %s\n", f.Dir())
	} else {
		fmt.Fprintf(out, "\nStop it with Ctrl-C.\n")
	}
}
