// SPDX-License-Identifier: Apache-2.0

package page

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// names that stand for something else in the blocks of a page.
type names map[string]string

// replace whole words: NAME is in no NAMESPACE.
func (n names) replace(s string) string {
	if len(n) == 0 {
		return s
	}
	words := slices.SortedFunc(maps.Keys(n), func(a, b string) int { return len(b) - len(a) })
	for i := range words {
		words[i] = regexp.QuoteMeta(words[i])
	}
	found := regexp.MustCompile(`(^|[^A-Za-z0-9_])(` + strings.Join(words, "|") + `)($|[^A-Za-z0-9_])`)
	for at := 0; at < len(s); {
		m := found.FindStringSubmatchIndex(s[at:])
		if m == nil {
			break
		}
		value := n[s[at+m[4]:at+m[5]]]
		s = s[:at+m[4]] + value + s[at+m[5]:]
		at += m[4] + len(value)
	}
	return s
}
