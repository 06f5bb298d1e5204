// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

const completionKubectlLong = `Print the script by which kubectl completes what follows "kubectl vw". kubectl runs it when it finds it, executable, in PATH:

  vw completion kubectl > ~/.local/bin/kubectl_complete-vw && chmod +x ~/.local/bin/kubectl_complete-vw

It needs kubectl's own completion (kubectl completion --help), and kubectl-vw, which is vw by another name, in PATH.`

// kubectlScript is called by kubectl with what was typed, and prints what cobra offers.
const kubectlScript = `#!/bin/sh
exec kubectl-vw __complete "$@"
`

// addCompletion of cobra's, with kubectl's beside the shells', and of the flags that all commands have.
func addCompletion(env *Env, root *cobra.Command) {
	root.SetCompletionCommandGroupID(groupFleet)
	root.SetHelpCommandGroupID(groupFleet)
	root.SetOut(env.Out) // it takes what is set now
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.AddCommand(&cobra.Command{
				Use: "kubectl", Short: "Print the script by which kubectl completes kubectl vw", Long: completionKubectlLong, Args: cobra.NoArgs,
				RunE: func(*cobra.Command, []string) error {
					_, err := fmt.Fprint(env.Out, kubectlScript)
					return err
				},
			})
		}
	}
	_ = root.RegisterFlagCompletionFunc("namespace", forFlag(completeNamespaces(env)))
	_ = root.RegisterFlagCompletionFunc("context", forFlag(completeContexts(env)))
}
