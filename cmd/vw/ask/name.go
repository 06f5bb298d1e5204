// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"strings"
	"unicode"
)

// collisionPrefix is put before the flag of a parameter whose name another flag has.
const collisionPrefix = "param-"

// kebab is a camelCase name as flags are written: targetVersion is target-version, restorePVs is restore-pvs.
func kebab(name string) string {
	runes := []rune(name)
	var b strings.Builder
	for i, r := range runes {
		if r == '_' || r == '.' || r == ' ' {
			r = '-'
		}
		if i > 0 && unicode.IsUpper(r) && beginsWord(runes, i) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// beginsWord tells whether the capital at i begins a word: after a small letter, or as the last of several that a word follows - but not where what
// follows is the s of a plural.
func beginsWord(runes []rune, i int) bool {
	if !unicode.IsUpper(runes[i-1]) {
		return runes[i-1] != '-'
	}
	rest := runes[i+1:]
	return len(rest) > 1 && unicode.IsLower(rest[0]) && unicode.IsLower(rest[1])
}
