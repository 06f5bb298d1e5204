// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"strings"
	"unicode/utf8"

	"vworkspace.io/fleet/engines"
)

// oneLine is s with single blanks and no line breaks.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// logBegins is how a mover's log begins that was not cut.
const logBegins = "Starting container"

// lastLines of a log in at most n bytes, on one line: its end says why it ended.
func lastLines(log string, n int) string {
	if !strings.HasPrefix(log, logBegins) {
		// VolSync cuts by bytes, of which nobody but its administrator knows the number (MOVER_LOG_MAX_BYTES): the first line, or all there is, may be the end of
		// a secret whose name was cut off.
		_, log, _ = strings.Cut(log, "\n")
	}
	var lines []string
	for _, line := range strings.Split(log, "\n") {
		if line = oneLine(line); line != "" {
			lines = append(lines, line)
		}
	}
	s := engines.Redact(strings.Join(lines, " | "))
	if len(s) <= n {
		return s
	}
	s = s[len(s)-n:]
	for len(s) > 0 && !utf8.RuneStart(s[0]) {
		s = s[1:]
	}
	if _, rest, ok := strings.Cut(s, " | "); ok {
		return rest
	}
	return s
}
