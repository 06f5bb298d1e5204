// SPDX-License-Identifier: Apache-2.0

package page

import (
	"regexp"
	"strings"
)

// passing is what differs from run to run: an age, a time, the hash of a name.
var passing = regexp.MustCompile(`^(\d+(\.\d+)?(ms|s|m|h|d|y))+$|^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?$|^\d\d:\d\d(:\d\d)?$|^<(unknown|invalid)>$`)

// Matches tells whether commands have printed what a page shows: the same lines in their order. White space counts as one blank, `...` stands for anything,
// also for nothing, a line with nothing else for any number of lines, and an age or a time for every other one. Before and behind, nothing else may be.
func Matches(shown, printed string) bool {
	return matchLines(lines(shown), lines(printed))
}

// Contains tells whether text is somewhere in what was printed, with `...` for anything.
func Contains(text, printed string) bool {
	return pattern(strings.Join(strings.Fields(text), " ")).MatchString(strings.Join(strings.Fields(printed), " "))
}

func lines(s string) [][]string {
	var out [][]string
	for line := range strings.Lines(s) {
		if words := strings.Fields(line); len(words) > 0 {
			out = append(out, words)
		}
	}
	return out
}

func matchLines(shown, printed [][]string) bool {
	if len(shown) == 0 {
		return len(printed) == 0
	}
	if len(shown[0]) == 1 && shown[0][0] == "..." {
		for skip := range len(printed) + 1 {
			if matchLines(shown[1:], printed[skip:]) {
				return true
			}
		}
		return false
	}
	return len(printed) > 0 && matchLine(shown[0], printed[0]) && matchLines(shown[1:], printed[1:])
}

func matchLine(shown, printed []string) bool {
	return regexp.MustCompile("^" + expression(plain(shown)) + "$").MatchString(plain(printed))
}

// plain replaces what passes by one word.
func plain(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		if passing.MatchString(w) {
			w = "<time>"
		}
		out[i] = w
	}
	return strings.Join(out, " ")
}

func pattern(text string) *regexp.Regexp { return regexp.MustCompile(expression(text)) }

// expression for a text in which `...` stands for anything.
func expression(text string) string {
	parts := strings.Split(text, "...")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(strings.TrimSpace(parts[i]))
	}
	return strings.Join(parts, ".*")
}
