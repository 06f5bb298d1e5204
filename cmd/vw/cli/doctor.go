// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"vworkspace.io/fleet/cmd/vw/doctor"
	"vworkspace.io/fleet/cmd/vw/safe"
)

const doctorLong = `Look the cluster over that vw talks to - a hub, or a cluster of the fleet; it finds out by itself - and say what is wrong, why it matters and what mends it.

It changes nothing. What you may not read is skipped, and says which right is missing. With --cluster it looks at that cluster in particular, as the hub knows it;
for the rest, run it against the cluster itself.

Exit status 0 when nothing is FAIL (with --strict, nor WARN), 2 when something is, 1 when the cluster does not answer.`

// examination is what vw doctor was asked for.
type examination struct {
	cluster       string
	only          []string
	strict, quiet bool
}

func newDoctor(env *Env) *cobra.Command {
	output := newOutput(wide)
	var e examination
	cmd := &cobra.Command{
		Use: "doctor", Short: "Find what is wrong with a hub or a cluster, and what mends it", Long: doctorLong, GroupID: groupFleet, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.run(cmd.Context(), env, output) },
	}
	output.AddFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&e.cluster, "cluster", "", "A cluster of the fleet to look at in particular, from the hub")
	flags.StringSliceVar(&e.only, "only", nil, "Only these checks: "+strings.Join(checkNames(), ", "))
	flags.BoolVar(&e.strict, "strict", false, "Exit with status 2 for a WARN, too")
	flags.BoolVarP(&e.quiet, "quiet", "q", false, "Show only what is wrong")
	_ = cmd.RegisterFlagCompletionFunc("cluster", forFlag(completeClusters(env)))
	_ = cmd.RegisterFlagCompletionFunc("only", cobra.FixedCompletions(checkNames(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func checkNames() []string {
	var names []string
	for _, c := range doctor.Checks() {
		names = append(names, c.Name)
	}
	return names
}

func (e *examination) run(ctx context.Context, env *Env, output *Output) error {
	config, err := env.Config()
	if err != nil {
		return err
	}
	site, err := doctor.NewSite(config)
	if err != nil {
		return err
	}
	if site.Namespace, err = env.Namespace(); err != nil {
		return err
	}
	site.Version, site.Cluster, site.Now = env.Version, e.cluster, env.Now()
	d, err := doctor.Examine(ctx, site, e.only...)
	if err != nil {
		return err
	}
	if output.Own() {
		err = e.print(env, output, d)
	} else {
		err = printDocument(env, output, "Diagnosis", d)
	}
	if err != nil {
		return err
	}
	switch {
	case d.Counts.Fail > 0:
		return exitf(ExitNo, "%d checks found what is broken", d.Counts.Fail)
	case e.strict && d.Counts.Warn > 0:
		return exitf(ExitNo, "%d checks found what is not as it should be", d.Counts.Warn)
	}
	return nil
}

// print a diagnosis for people: what is well, or could not be looked at, in a line, unless all is asked for; what is not with why and how to mend it.
func (e *examination) print(env *Env, output *Output, d *doctor.Diagnosis) error {
	fmt.Fprintf(env.Out, "%s: %s\n\n", env.where(), takenFor(d))
	for _, f := range d.Findings {
		if e.quiet && (f.Level == doctor.OK || f.Level == doctor.Skip) {
			continue
		}
		if err := printFinding(env.Out, f, env.Color(), output.Wide()); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(env.Out, "\n%d OK, %d WARN, %d FAIL, %d SKIP\n", d.Counts.OK, d.Counts.Warn, d.Counts.Fail, d.Counts.Skip)
	return err
}

func takenFor(d *doctor.Diagnosis) string {
	switch {
	case d.Hub && d.Spoke:
		return "a hub that is a cluster of a fleet, too"
	case d.Hub:
		return "a hub"
	default:
		return "a cluster"
	}
}

// inks of levels on a terminal.
var inks = map[doctor.Level]string{doctor.OK: "\x1b[32m", doctor.Warn: "\x1b[33m", doctor.Fail: "\x1b[31m", doctor.Skip: "\x1b[2m"}

func printFinding(w io.Writer, f doctor.Finding, color, full bool) error {
	level := fmt.Sprintf("%-6s", f.Level)
	if color {
		level = inks[f.Level] + level + "\x1b[0m"
	}
	if _, err := fmt.Fprintf(w, "%s%-12s%s\n", level, f.Check, safe.Line(f.Message)); err != nil {
		return err
	}
	if f.Level == doctor.Skip && !full {
		return nil
	}
	for _, line := range [][2]string{{"why", f.Why}, {"fix", f.Fix}} {
		if line[1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%18s%s  %s\n", "", line[0], safe.Line(line[1])); err != nil {
			return err
		}
	}
	return nil
}
