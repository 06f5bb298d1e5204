// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// Tree of all commands, to be written down and not to be run.
func Tree() *cobra.Command {
	root := newRoot(newEnv("", genericiooptions.NewTestIOStreamsDiscard()), "vw")
	root.InitDefaultCompletionCmd()
	return root
}
