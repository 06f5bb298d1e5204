// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/ask"
)

// errDeclined ends vw when a person was asked and did not say yes.
var errDeclined = errors.New("nothing was done")

// agreed shows what would be done, and asks a person at a terminal. Nobody is asked elsewhere, with --yes, and where nothing is done anyway.
func (a *asking) agreed(ctx context.Context, op *opsv1alpha1.Operation) (bool, error) {
	if a.flags.yes || a.flags.dryRun != dryRunNone || !a.env.asksPeople() {
		return true, nil
	}
	d := ask.Deed{Operation: op, Aim: a.aim}
	if a.template != nil {
		d.Redact = a.template.Spec.Redact
	}
	if p := op.Spec.Placement; p != nil && len(a.aim.Clusters) == 0 {
		var err error
		if d.Groups, d.GroupsKnown, err = readGroups(ctx, a.client, a.namespace, p.PlacementRef.Name); err != nil {
			return false, err
		}
	}
	text, err := d.Describe()
	if err != nil {
		return false, err
	}
	fmt.Fprint(a.env.ErrOut, text)
	return confirm(a.env.In, a.env.ErrOut, "Go ahead?")
}

// confirm asks a question, whose answer is no unless it is yes.
func confirm(in io.Reader, out io.Writer, question string) (bool, error) {
	fmt.Fprintf(out, "%s [y/N] ", question)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return true, nil
	}
	return false, errDeclined
}

// asksPeople tells whether a person is there to be asked.
func (e *Env) asksPeople() bool {
	f, ok := e.In.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
