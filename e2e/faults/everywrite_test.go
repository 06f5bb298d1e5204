// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// atWrite are the faults that can happen at a write. Each gives the rules for a component's first, second, ... run.
var atWrite = []struct {
	name  string
	rules func(p *Point, api API, lab *Lab) func(run int) Rule
}{
	{name: "dies before", rules: func(p *Point, _ API, _ *Lab) func(int) Rule { return once(p.Crash(false)) }},
	{name: "dies after", rules: func(p *Point, _ API, _ *Lab) func(int) Rule { return once(p.Crash(true)) }},
	{name: "loses the reply", rules: func(p *Point, _ API, _ *Lab) func(int) Rule { return once(p.LoseReply()) }},
	{name: "is deposed", rules: func(p *Point, _ API, _ *Lab) func(int) Rule { return once(p.Depose(500 * time.Millisecond)) }},
	{name: "is blind", rules: func(p *Point, _ API, _ *Lab) func(int) Rule { return once(p.Blind(400 * time.Millisecond)) }},
	{name: "misses events", rules: func(p *Point, _ API, _ *Lab) func(int) Rule { return once(p.Gap()) }},
	{name: "comes up in the past", rules: comesUpInThePast},
}

// comesUpInThePast: it dies after the write, and when it comes up it sees what there was before that write, or up to three writes earlier, as the point and the seed say.
func comesUpInThePast(p *Point, api API, lab *Lab) func(run int) Rule {
	var mu sync.Mutex
	var revisions []string // before each write
	crash := p.Crash(true)
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, p.Of, p.At, *seed)
	depth := int(h.Sum64() % 4)
	return func(run int) Rule {
		switch run {
		case 1:
			return func(w *Wire, c Call, send Send) (*http.Response, error) {
				if c.Writes() {
					now := lab.revision(c.Request.Context(), api)
					mu.Lock()
					revisions = append(revisions, now)
					mu.Unlock()
				}
				return crash(w, c, send)
			}
		case 2:
			return Past(func() string {
				mu.Lock()
				defer mu.Unlock()
				return revisions[max(0, len(revisions)-1-depth)]
			}, 400*time.Millisecond)
		}
		return nil
	}
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
			calm := undisturbed(t, s)
			for _, c := range Components {
				t.Logf("the %s writes %d times", c.Name, len(calm.Writes[c.Name]))
				for _, f := range atWrite {
					for _, at := range points(calm.Writes[c.Name]) {
						trial := fmt.Sprintf("%s %s %s %d", c.Name, f.name, at.Of, at.At)
						if !*long && !chosen(s.Name+" "+trial) {
							continue
						}
						t.Run(strings.ReplaceAll(trial, "/", " "), func(t *testing.T) {
							t.Parallel()
							lab := <-labs
							defer func() { labs <- lab }()
							point := &Point{Of: at.Of, At: at.At}
							tellIn(t, lab, s, Faults{Rules: map[string]func(int) Rule{c.Name: f.rules(point, c.On, lab)}}, calm)
							tried.add(c.Name, f.name, point.Hit() != nil)
						})
					}
				}
			}
		})
	}
}

// always are trials that are in every sample: the plainest ones, and those that have found something.
var always = []string{
	"job hub dies after", "job agent dies after",
	"job cancelled agent dies after",               // stopped, and not recorded
	"instance agent comes up in the past DELETE",   // installed again while it was being deleted
	"instance agent is deposed PATCH helmreleases", // a late change made what had been removed
	"restore agent is deposed PATCH helmreleases",  // suspended again, for ever, after it was resumed
	"instance hub comes up in the past PATCH",      // delivered again after it was taken back
}

// chosen tells whether a trial is in the sample: of those that are not always, one in as many as -faults.sample says, and with another seed another one.
func chosen(trial string) bool {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, trial, *seed)
	return slices.ContainsFunc(always, func(prefix string) bool { return strings.HasPrefix(trial, prefix) }) || h.Sum64()%*few == 0
}

// calmly is when nothing goes wrong; and when all is over it stays so.
var calmly = Faults{Stay: 2 * time.Second}

// calms are the undisturbed tellings, by story. Each is told once, by whoever needs it first.
var calms sync.Map

func undisturbed(t *testing.T, s Story) Report {
	t.Helper()
	once, _ := calms.LoadOrStore(s.Name, sync.OnceValues(func() (Report, error) {
		lab := <-labs
		defer func() { labs <- lab }()
		r, err := lab.Tell(t.Context(), s, patiently(calmly), "")
		for _, wrong := range r.Broken {
			err = errors.Join(err, errors.New(wrong))
		}
		return r, err
	}))
	calm, err := once.(func() (Report, error))()
	if err != nil {
		t.Fatal(err)
	}
	return calm
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
	r, err := lab.Tell(t.Context(), s, patiently(f), calm.End)
	if err != nil {
		t.Error(err)
	}
	for _, wrong := range append(r.Broken, compare(calm, r)...) {
		t.Error(wrong)
	}
	if t.Failed() {
		t.FailNow() // nothing can be compared with this
	}
	return r
}

// patiently are faults with the patience that was asked for, unless they have their own.
func patiently(f Faults) Faults {
	if f.Patience == 0 {
		f.Patience = *last
	}
	return f
}

// compare a telling with the calm one, if there was one.
func compare(calm, r Report) []string {
	// Nothing can keep an object from being made again by what a run sent that hung while all was removed. Its owner is gone, so it is collected: the end
	// holds that. A change never makes anything.
	made := maps.Clone(r.Made)
	for _, kind := range slices.Compact(slices.Sorted(slices.Values(r.BornLate))) {
		if made[kind] == calm.Made[kind]+1 {
			made[kind]--
		}
	}
	for kind, n := range calm.Made {
		if r.Unseen {
			made[kind] = max(made[kind], n)
		}
	}
	if calm.Made == nil || maps.Equal(calm.Made, made) {
		return nil
	}
	return []string{"not as many objects were made (- calm, + now):\n" + cmp.Diff(calm.Made, r.Made)}
}

// points are all the writes of a telling.
func points(writes []Call) (all []*Point) {
	count := map[string]int{}
	for _, c := range writes {
		count[c.What()]++
		all = append(all, &Point{Of: c.What(), At: count[c.What()]})
	}
	return all
}

// tried counts what was tried, for the summary at the end.
var tried = &tally{trials: map[string]int{}, struck: map[string]int{}}

type tally struct {
	mu             sync.Mutex
	trials, struck map[string]int
}

// add a trial. A point that is never reached is no failure: writes may be merged.
func (s *tally) add(component, fault string, hit bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := component + " " + fault
	s.trials[key]++
	if hit {
		s.struck[key]++
	}
}

func (s *tally) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	total := 0
	for _, key := range slices.Sorted(maps.Keys(s.trials)) {
		total += s.trials[key]
		fmt.Fprintf(&b, "  %-30s %4d tried, %4d struck\n", key, s.trials[key], s.struck[key])
	}
	fmt.Fprintf(&b, "  %-30s %4d tried\n", "in all", total)
	return b.String()
}
