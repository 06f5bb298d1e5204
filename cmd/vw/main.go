// SPDX-License-Identifier: Apache-2.0

// Command vw is the command line of vWorkspace Fleet. It talks to the hub, and installed as kubectl-vw it is also `kubectl vw`.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/go-logr/logr"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctrllog.SetLogger(logr.Discard()) // the client library's own log is not for people
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newRoot().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "vw",
		Short:         "Day-2 operations on fleets of Helm-deployed applications",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newDemo())
	return root
}
