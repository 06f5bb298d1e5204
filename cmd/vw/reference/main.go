// SPDX-License-Identifier: Apache-2.0

// Reference writes down every command of vw, from the commands themselves, so that the page cannot say anything else than --help. `make generate` runs it in the
// root of the module.
package main

import (
	"fmt"
	"os"

	"vworkspace.io/fleet/cmd/vw/cli"
)

const (
	// pageFile is the reference page.
	pageFile = "docs/reference/vw.md"
	// statusFile declares the exit statuses.
	statusFile = "cmd/vw/cli/exit.go"
)

func main() {
	text, err := page(cli.Tree(), cli.Documents(), ".")
	if err == nil {
		err = os.WriteFile(pageFile, []byte(text), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "reference of vw:", err)
		os.Exit(1)
	}
}
