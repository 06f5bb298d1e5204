// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
)

// complete a word of a command whose flags cobra does not read: values of flags, flags of the template's parameters, and what is among their values. Errors complete
// nothing: there is no place to say them.
func (a *asking) complete(word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, words := a.cmd.Context(), a.words
	if flag, value, found := strings.Cut(word, "="); found && strings.HasPrefix(flag, "--") {
		completions, directive := a.completeValue(ctx, flag, value)
		for i := range completions {
			completions[i] = flag + "=" + completions[i]
		}
		return completions, directive
	}
	if n := len(words); n > 0 && strings.HasPrefix(words[n-1], "-") && !strings.Contains(words[n-1], "=") {
		if completions, directive := a.completeValue(ctx, words[n-1], word); completions != nil {
			return completions, directive
		}
	}
	if strings.HasPrefix(word, "-") {
		return a.completeParameter(ctx), cobra.ShellCompDirectiveNoFileComp
	}
	if _, _ = a.read(); a.t == "" && a.named == "" {
		return completeTemplates(a.env)(a.cmd, nil, word)
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeValue of a flag.
func (a *asking) completeValue(ctx context.Context, flag, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	name := strings.TrimLeft(flag, "-")
	if len(name) == 1 {
		if found := a.cmd.Flags().ShorthandLookup(name); found != nil {
			name = found.Name
		}
	}
	if f, known := a.cmd.GetFlagCompletionFunc(name); known {
		_, _ = a.read() // for the connection
		return f(a.cmd, nil, word)
	}
	a.learn(ctx)
	for _, p := range a.parameters {
		if p.Flag == name || p.Name == name {
			return p.Enum, cobra.ShellCompDirectiveNoFileComp
		}
	}
	return nil, cobra.ShellCompDirectiveDefault
}

// completeParameter is the flags of the template's parameters.
func (a *asking) completeParameter(ctx context.Context) []cobra.Completion {
	a.learn(ctx)
	var all []cobra.Completion
	for _, p := range a.parameters {
		all = append(all, cobra.CompletionWithDesc("--"+p.Flag, p.Usage))
	}
	return all
}

// learn the parameters, as far as they can be found out.
func (a *asking) learn(ctx context.Context) {
	first, err := a.read()
	if err != nil || a.connect(ctx) != nil {
		return
	}
	a.help = true // what is not said yet is no error
	if a.look(ctx, first) == nil {
		_ = a.addParameters()
	}
}
