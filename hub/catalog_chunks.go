// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"maps"
	"slices"
)

const (
	// chunkSize is what the manifests of one ManifestWork of the catalog may take together, in bytes. Open Cluster Management refuses more than 500 KiB; the
	// rest is for growth, because a template that has to move is carried twice for a while.
	chunkSize = 400 << 10
	// largestTemplate is what one may take, in bytes: it has a ManifestWork to itself, and is refused by Open Cluster Management all the same.
	largestTemplate = 490 << 10
)

// arrangement says which ManifestWork of a cluster is to hold which templates, by the number of the work.
type arrangement struct {
	// chunks are the names of the templates, sorted.
	chunks map[int][]string
	// leaving are templates that a work holds and another one is to hold, by the number of the work that they leave: name and number of the other.
	leaving map[int]map[string]int
}

// arrange templates of these sizes, in bytes. Each stays where it is as long as it fits there, because what moves from one ManifestWork to another is deleted
// from the cluster by the one if the other has not applied it before. A work that something leaves takes nothing in, so that no two works wait for each other.
func arrange(sizes map[string]int, held map[int][]string) arrangement {
	a := arrangement{chunks: map[int][]string{}, leaving: map[int]map[string]int{}}
	placed, used := map[string]int{}, map[int]int{}
	place := func(name string, i int) bool {
		if used[i] > 0 && used[i]+sizes[name] > chunkSize {
			return false
		}
		a.chunks[i], placed[name] = append(a.chunks[i], name), i
		used[i] += sizes[name]
		return true
	}
	for _, i := range slices.Sorted(maps.Keys(held)) {
		for _, name := range slices.Sorted(slices.Values(held[i])) {
			_, listed := sizes[name]
			if _, elsewhere := placed[name]; !listed {
				continue
			} else if elsewhere || !place(name, i) {
				a.leave(i, name, -1)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		for i := 0; ; i++ {
			if _, done := placed[name]; done {
				break
			}
			if len(a.leaving[i]) == 0 {
				place(name, i)
			}
		}
	}
	for i := range a.leaving {
		for name := range a.leaving[i] {
			a.leave(i, name, placed[name])
		}
	}
	for i := range a.chunks {
		slices.Sort(a.chunks[i])
	}
	return a
}

func (a arrangement) leave(i int, name string, to int) {
	if a.leaving[i] == nil {
		a.leaving[i] = map[string]int{}
	}
	a.leaving[i][name] = to
}
