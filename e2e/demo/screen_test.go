// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"regexp"
	"strings"
	"testing"
)

// TestScreen: a line that has to stand is there once, in full, whether or not the one who watches was faster to show it.
func TestScreen(t *testing.T) {
	for name, live := range map[string]bool{"terminal": true, "file": false} {
		var out strings.Builder
		s := NewScreen(&out, live)
		s.Move("running")
		s.Move("halted")
		s.Stand("halted")
		s.Say("mended")
		s.Stand("done")
		s.Keep()
		shown := regexp.MustCompile(`(?m)^.*\r\x1b\[K| *[0-9.]+s  |\x1b\[\?7[lh]`).ReplaceAllString(out.String(), "")
		want := "running\nhalted\nmended\ndone\n"
		if live {
			want = "halted\nmended\ndone\n"
		}
		if shown != want {
			t.Errorf("%s: %q, want %q", name, shown, want)
		}
	}
}
