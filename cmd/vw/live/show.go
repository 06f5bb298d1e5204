// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"io"

	tea "charm.land/bubbletea/v2"

	"vworkspace.io/fleet/cmd/vw/follow"
)

// Show an Operation at a terminal until it has ended, or a person leaves. The terminal is as it was afterwards, whatever the end. It returns what was shown last; the
// error is the context's, or the terminal's.
func Show(ctx context.Context, in io.Reader, out io.Writer, source Source, o Options) (follow.Snapshot, error) {
	model := NewModel(ctx, source, o)
	if model.over() {
		return model.snapshot, nil
	}
	_, err := tea.NewProgram(model, tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler()).Run()
	if ctx.Err() != nil && (errors.Is(err, tea.ErrProgramKilled) || err == nil) {
		err = ctx.Err()
	}
	return source.Snapshot(), err
}
