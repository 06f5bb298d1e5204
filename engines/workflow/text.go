// SPDX-License-Identifier: Apache-2.0

package workflow

import (
	"strings"
	"unicode/utf8"
)

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// shorten cuts to n bytes, out of the middle: the beginning of what Argo says has the exit code, the end has the last line of a log.
func shorten(s string, n int) string {
	const cut = " ... "
	if len(s) <= n {
		return s
	}
	head, tail := n/4, len(s)-(n-n/4-len(cut))
	for head > 0 && !utf8.RuneStart(s[head]) {
		head--
	}
	for tail < len(s) && !utf8.RuneStart(s[tail]) {
		tail++
	}
	return s[:head] + cut + s[tail:]
}
