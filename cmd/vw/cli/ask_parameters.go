// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"vworkspace.io/fleet/cmd/vw/ask"
)

// parameterFlag is the flag of a parameter. What is said is kept as it is: what it comes to is known when all of it is.
type parameterFlag struct {
	ask.Parameter
	said []string
}

// Set implements pflag.Value.
func (p *parameterFlag) Set(text string) error {
	p.said = append(p.said, text)
	return nil
}

// String implements pflag.Value.
func (p *parameterFlag) String() string { return "" }

// Type implements pflag.Value, for the usage.
func (p *parameterFlag) Type() string {
	switch p.Kind {
	case ask.Integer:
		return "int"
	case ask.Boolean:
		return "bool"
	case ask.Object:
		return "key=value"
	case ask.List:
		if p.Item == ask.String {
			return "string ..."
		}
		return "item ..."
	case ask.Anything:
		return "json"
	case ask.String, ask.Number:
	}
	return string(p.Kind)
}

// usage of the flag.
func (p *parameterFlag) usage() string {
	text := p.Usage
	if p.Required && !strings.Contains(text, "Required") {
		text = "Required. " + text
	}
	if len(p.Enum) > 0 {
		text += fmt.Sprintf(" One of: %s.", strings.Join(p.Enum, ", "))
	}
	if p.Default != "" {
		text += fmt.Sprintf(" The template's default: %s.", p.Default)
	}
	return strings.TrimSpace(text)
}

// addParameters of the template to the command's flags.
func (a *asking) addParameters() error {
	if a.template == nil {
		return nil
	}
	flags := a.cmd.Flags()
	flags.AddFlagSet(a.cmd.InheritedFlags())
	// Also the names of flags that only the other commands have: a parameter is called the same whichever command it is given to.
	taken := func(name string) bool {
		return flags.Lookup(name) != nil || slices.Contains([]string{"help", "template", "engine"}, name)
	}
	parameters, err := ask.Parameters(a.template, taken)
	if err != nil {
		return err
	}
	other := map[string]string{} // as it is in the manifest -> as it is among the flags
	for _, p := range parameters {
		if !taken(p.Name) {
			other[p.Name] = p.Flag
		}
		a.parameters = append(a.parameters, &parameterFlag{Parameter: p})
	}
	for _, p := range a.parameters {
		addFlag(flags, p)
	}
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if flag, ok := other[name]; ok {
			name = flag
		}
		return pflag.NormalizedName(name)
	})
	return nil
}

func addFlag(flags *pflag.FlagSet, p *parameterFlag) {
	flag := flags.VarPF(p, p.Flag, "", p.usage())
	if p.Kind == ask.Boolean {
		flag.NoOptDefVal = "true"
	}
}

// printHelp of the command, and the parameters of the template where it is known.
func (a *asking) printHelp() error {
	if len(a.parameters) == 0 {
		err := a.cmd.Help()
		if err == nil && len(a.candidates) > 0 {
			fmt.Fprintf(a.env.Out, "\nParameters depend on the template: add --template %s\n", strings.Join(a.candidates, ", or "))
		}
		return err
	}
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	own.SortFlags = false
	for _, p := range a.parameters {
		a.cmd.Flags().Lookup(p.Flag).Hidden = true // they are listed by themselves
		addFlag(own, p)
	}
	if err := a.cmd.Help(); err != nil {
		return err
	}
	fmt.Fprintf(a.env.Out, "\nParameters of OperationTemplate %s", a.template.Name)
	if text := a.template.Spec.Description; text != "" {
		fmt.Fprintf(a.env.Out, ": %s", text)
	}
	width := a.env.Width()
	if width == 0 {
		width = 120
	}
	fmt.Fprintf(a.env.Out, "\n%s", own.FlagUsagesWrapped(width))
	return nil
}
