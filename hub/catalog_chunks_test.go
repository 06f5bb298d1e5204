// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestArrange(t *testing.T) {
	const kib = 1 << 10
	type names = []string
	for name, c := range map[string]struct {
		sizes   map[string]int
		held    map[int]names
		chunks  map[int]names
		leaving map[int]map[string]int
	}{
		"none": {chunks: map[int]names{}},
		"one work for all that fits": {
			sizes: map[string]int{"b": kib, "a": kib}, chunks: map[int]names{0: {"a", "b"}},
		},
		"another where it does not": {
			sizes: map[string]int{"a": 300 * kib, "b": 300 * kib, "c": kib}, chunks: map[int]names{0: {"a", "c"}, 1: {"b"}},
		},
		"one of its own for a large one": {
			sizes: map[string]int{"a": kib, "b": 480 * kib}, chunks: map[int]names{0: {"a"}, 1: {"b"}},
		},
		"nothing moves for a new one": {
			sizes: map[string]int{"a": 200 * kib, "b": 200 * kib, "c": 200 * kib}, held: map[int]names{0: {"b", "c"}},
			chunks: map[int]names{0: {"b", "c"}, 1: {"a"}},
		},
		"nor when there is room again": {
			sizes: map[string]int{"b": kib}, held: map[int]names{0: {"a"}, 1: {"b"}}, chunks: map[int]names{1: {"b"}},
		},
		"what has no room any more moves, and nothing comes in meanwhile": {
			sizes: map[string]int{"a": 300 * kib, "b": 200 * kib, "new": kib}, held: map[int]names{0: {"a", "b"}},
			chunks: map[int]names{0: {"a"}, 1: {"b", "new"}}, leaving: map[int]map[string]int{0: {"b": 1}},
		},
		"a move that was broken off goes on": {
			sizes: map[string]int{"a": 300 * kib, "b": 200 * kib}, held: map[int]names{0: {"a", "b"}, 1: {"b"}},
			chunks: map[int]names{0: {"a"}, 1: {"b"}}, leaving: map[int]map[string]int{0: {"b": 1}},
		},
		"a move that is not needed any more is undone": {
			sizes: map[string]int{"a": kib, "b": kib}, held: map[int]names{0: {"a", "b"}, 1: {"b"}},
			chunks: map[int]names{0: {"a", "b"}}, leaving: map[int]map[string]int{1: {"b": 0}},
		},
		"two that overflow do not wait for each other": {
			sizes: map[string]int{"a": 300 * kib, "b": 150 * kib, "c": 300 * kib, "d": 120 * kib}, held: map[int]names{0: {"a", "b"}, 1: {"c", "d"}},
			chunks:  map[int]names{0: {"a"}, 1: {"c"}, 2: {"b", "d"}},
			leaving: map[int]map[string]int{0: {"b": 2}, 1: {"d": 2}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.leaving == nil {
				c.leaving = map[int]map[string]int{}
			}
			for range 10 { // the order of maps must not show
				got := arrange(c.sizes, c.held)
				if diff := cmp.Diff(c.chunks, got.chunks); diff != "" {
					t.Errorf("chunks (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(c.leaving, got.leaving); diff != "" {
					t.Errorf("leaving (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestCatalogChunk(t *testing.T) {
	for name, want := range map[string]int{
		"vworkspace-catalog": 0, "vworkspace-catalog-1": 1, "vworkspace-catalog-12": 12,
		"vworkspace-catalog-0": -1, "vworkspace-catalog-01": -1, "vworkspace-catalog-": -1, "vworkspace-catalogue": -1, "shop": -1,
	} {
		if got, ours := catalogChunk(name); ours != (want >= 0) || ours && got != want {
			t.Errorf("%s: %d, %v", name, got, ours)
		}
	}
}
