// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// atWrite are the faults that can happen at a write. Each gives the rules for a component's first, second, ... run.
var atWrite = []struct {
	name  string
	rules func(p *Point, api API, lab *Lab) func(run int) Rule
	// core is tried at every write of every story also in the short form.
	core bool
}{
	{name: "dies before", core: true, rules: func(p *Point, _ API, _ *Lab) func(int) Rule { return once(p.Crash(false)) }},
	{name: "dies after", core: true, rules: func(p *Point, _ API, _ *Lab) func(int) Rule { return once(p.Crash(true)) }},
	{name: "loses the reply", rules: func(p *Point, _ API, _ *Lab) func(int) Rule { return once(p.LoseReply()) }},
	{name: "is deposed", rules: func(p *Point, _ API, _ *Lab) func(int) Rule { return once(p.Depose(500 * time.Millisecond)) }},
	{name: "is blind", rules: func(p *Point, _ API, _ *Lab) func(int) Rule { return once(p.Blind(400 * time.Millisecond)) }},
	{name: "misses events", rules: func(p *Point, _ API, _ *Lab) func(int) Rule { return once(p.Gap()) }},
	{name: "comes up in the past", rules: func(p *Point, api API, lab *Lab) func(int) Rule {
		var revisions []string
		crash := p.Crash(true)
		return func(run int) Rule {
			switch run {
			case 1:
				return func(w *Wire, c Call, send Send) (*http.Response, error) {
					if c.Writes() {
						revisions = append(revisions, lab.revision(api))
					}
					return crash(w, c, send)
				}
			case 2:
				return Past(func() string { return revisions[max(0, len(revisions)-1-int(*seed%4))] }, 400*time.Millisecond)
			}
			return nil
		}
	}},
}

// once is for the first run only.
func once(rule Rule) func(int) Rule {
	return func(run int) Rule {
		if run == 1 {
			return rule
		}
		return nil
	}
}

// TestAtEveryWrite: whatever happens to a component at one of its writes, what comes out is what comes out when nothing happens.
func TestAtEveryWrite(t *testing.T) {
	for _, s := range stories {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			calm := tell(t, s, Faults{}, Report{})
			for _, c := range Components {
				t.Logf("the %s writes %d times", c.Name, len(calm.Writes[c.Name]))
				for _, f := range atWrite {
					for at := 1; at <= len(calm.Writes[c.Name]); at++ {
						trial := fmt.Sprintf("%s %s %d", c.Name, f.name, at)
						if !*long && !chosen(s.Name+trial, s.Name == "job" && f.core) {
							continue
						}
						t.Run(trial, func(t *testing.T) {
							t.Parallel()
							lab := <-labs
							defer func() { labs <- lab }()
							point := &Point{At: at}
							report := tellIn(t, lab, s, Faults{Rules: map[string]func(int) Rule{c.Name: f.rules(point, c.On, lab)}}, calm)
							count(t, c, f.name, point, report)
						})
					}
				}
			}
		})
	}
}

// chosen tells whether a trial is in the sample: the core all, of the others one in eight, and with another seed another one.
func chosen(trial string, core bool) bool {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, trial, *seed)
	return core || h.Sum64()%8 == 0
}

// tell a story in any lab.
func tell(t *testing.T, s Story, f Faults, calm Report) Report {
	t.Helper()
	lab := <-labs
	defer func() { labs <- lab }()
	return tellIn(t, lab, s, f, calm)
}

// tellIn tells a story and holds that it comes out, that no law is broken, and that the end is that of another telling, if any.
func tellIn(t *testing.T, lab *Lab, s Story, f Faults, calm Report) Report {
	t.Helper()
	r, err := lab.Tell(t.Context(), s, f, calm.End)
	if err != nil {
		t.Fatal(err)
	}
	for component, writes := range r.Writes {
		t.Logf("the %s wrote %v", component, writes)
	}
	for _, law := range r.Broken {
		t.Error(law)
	}
	if calm.Made != nil && !maps.Equal(calm.Made, r.Made) {
		t.Errorf("not as many objects were made (- calm, + now):\n%s", cmp.Diff(calm.Made, r.Made))
	}
	return r
}

// count says where a fault has struck. A point that is never reached is no failure: writes may be merged.
func count(t *testing.T, c Component, fault string, p *Point, r Report) {
	t.Helper()
	where := "nowhere"
	if hit := p.Hit(); hit != nil {
		where = hit.String()
	}
	t.Logf("the %s %s at %s; it then wrote %d times in all", c.Name, fault, where, len(r.Writes[c.Name]))
}
