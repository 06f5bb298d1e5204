// SPDX-License-Identifier: Apache-2.0

// Package safe makes what clusters say fit for a terminal, which does what control characters tell it: it is a cluster's owner who says it, and somebody else who reads it.
package safe

import (
	"strings"
	"unicode"
)

// Line is what was said, on one line and without control characters.
func Line(s string) string { return strings.Join(strings.Fields(strings.Map(harmless, s)), " ") }

// Lines is what was said, without control characters but the ends of lines and tabs.
func Lines(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return harmless(r)
	}, s)
}

func harmless(r rune) rune {
	switch {
	case unicode.IsControl(r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
		return ' '
	case unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar:
		return -1
	}
	return r
}
