// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	if sizes, err := parse("1,10,10,50", 50); err != nil || !slices.Equal(sizes, []int{1, 10, 10, 50}) {
		t.Errorf("got %v and %v", sizes, err)
	}
	for _, c := range []struct {
		list    string
		genuine int
		want    string
	}{
		{"", 0, `-clusters: "": give numbers`},
		{"1,x", 0, `-clusters: "1,x": give numbers`},
		{"0,1", 0, `-clusters: "0,1": give numbers`},
		{"10,1", 0, `-clusters: "10,1": give numbers`},
		{"1,10", 11, "-real: 11 of 10 clusters cannot be real: give a number from 0 to 10"},
		{"1,10", -1, "-real: -1 of 10 clusters"},
	} {
		if sizes, err := parse(c.list, c.genuine); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q, %d: got %v and %v, want %q", c.list, c.genuine, sizes, err, c.want)
		}
	}
}
