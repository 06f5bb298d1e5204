// SPDX-License-Identifier: Apache-2.0

// Command vw is the command line of vWorkspace Fleet. It talks to a hub, or to one cluster alone; installed as kubectl-vw it is also `kubectl vw`.
package main

import (
	"os"

	"vworkspace.io/fleet/cmd/vw/cli"
)

// version is set by the linker.
var version = "dev"

func main() { os.Exit(cli.Run(version, os.Args)) }
