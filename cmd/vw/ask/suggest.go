// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"slices"
	"strings"
)

// DidYouMean is what to add to an error about a name that is not there: the nearest of those that are, or nothing when none is near.
func DidYouMean(name string, known []string) string {
	if name == "" {
		return ""
	}
	known = slices.Clone(known)
	slices.Sort(known)
	best, least := "", len(name)/3+1
	for _, k := range slices.Compact(known) {
		d := distance(strings.ToLower(name), strings.ToLower(k))
		if len(k) > 2 && (strings.HasPrefix(k, name) || strings.HasPrefix(name, k)) {
			d = min(d, 1)
		}
		if d <= least && (best == "" || d < least) {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance is how many letters have to be put in, taken out or changed to make one of the other.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
