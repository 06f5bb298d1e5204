// SPDX-License-Identifier: Apache-2.0

package safe

import "testing"

func TestNothingIsLeftThatATerminalObeys(t *testing.T) {
	const said = "it\x1b[2J failed:\r\n\tdisk\u202e full\u2028"
	if got, want := Line(said), "it [2J failed: disk full"; got != want {
		t.Errorf("Line: %q, want %q", got, want)
	}
	if got, want := Lines(said), "it [2J failed: \n\tdisk full "; got != want {
		t.Errorf("Lines: %q, want %q", got, want)
	}
}
