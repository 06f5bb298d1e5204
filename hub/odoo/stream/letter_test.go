// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLetters(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var events []event
	for i := range 300 {
		noise := make([]byte, 200)
		for n := range noise {
			noise[n] = byte('a' + r.IntN(26))
		}
		events = append(events, event{EventKey: fmt.Sprint(i), Cluster: string(noise), Timestamp: time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC)})
	}
	for limit, atLeast := range map[int]int{1 << 20: 1, 8 << 10: 5, 1: 300} {
		letters, err := lettersOf("auditsink/a", "uid-1", events, limit)
		if err != nil {
			t.Fatal(err)
		}
		got := opened(t, letters, limit)
		if diff := cmp.Diff(events, got); diff != "" || len(letters) < atLeast {
			t.Errorf("limit %d: %d letters\n%s", limit, len(letters), diff)
		}
	}
	if none, err := lettersOf("auditsink/a", "uid-1", nil, 1); err != nil || len(none) > 0 {
		t.Errorf("%v, %v; want no letter", none, err)
	}
	if letterName("a", "b", 0) == letterName("ab", "", 0) || letterName("a", "b", 0) == letterName("a", "b", 1) {
		t.Error("names of letters tell nothing")
	}
}

// opened are the events of letters, which are of a size and in order.
func opened(t *testing.T, letters []letter, limit int) (events []event) {
	name := ""
	for _, l := range letters {
		if len(l.data) > limit && limit > 1 || l.name <= name {
			t.Errorf("letter %s of %d bytes, after %s", l.name, len(l.data), name)
		}
		name = l.name
		part, err := decode(l.data)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, part...)
	}
	return events
}

func TestALetterThatIsDamaged(t *testing.T) {
	for _, data := range []string{"", "no gzip", "\x1f\x8b"} {
		if _, err := decode([]byte(data)); err == nil || !strings.Contains(err.Error(), "decode a letter") {
			t.Errorf("%q: error %v", data, err)
		}
	}
}
