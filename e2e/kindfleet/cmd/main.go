// SPDX-License-Identifier: Apache-2.0

// Command cmd prepares what a fleet of real nodes is made of, once per machine.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"vworkspace.io/fleet/e2e/kindfleet"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if _, err := kindfleet.Prepare(ctx, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "kindfleet:", err)
		os.Exit(1)
	}
}
