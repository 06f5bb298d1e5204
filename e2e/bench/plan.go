// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"vworkspace.io/fleet/e2e/bench/arms"
	"vworkspace.io/fleet/e2e/bench/bed"
	"vworkspace.io/fleet/e2e/bench/race"
	"vworkspace.io/fleet/e2e/bench/report"
	"vworkspace.io/fleet/e2e/bench/scenario"
)

// scenarios by name, in the order in which they run. The crowd leaves its works behind, so that it is the last.
var scenarios = []string{"latency", "race", "restart", "crowd"}

const (
	// most clusters that one etcd and this kind of machine take.
	most = 20000
	// finished works that the hub restarts among, and how long it is left alone then.
	finished = 5000
	idle     = time.Minute
	// trips on the whole road, and deliveries of works by each kind of feedback.
	trips      = 20
	deliveries = 10
)

// plan is what the command line asks for.
type plan struct {
	scenarios, arms     []string
	sizes, ours         []int
	rounds, live, crowd int
	out, profiles       string
}

// check what was asked for, before anything is started.
func (p *plan) check() error {
	for _, s := range p.scenarios {
		if !slices.Contains(scenarios, s) {
			return fmt.Errorf("--scenarios: %q is not known; there are %s", s, strings.Join(scenarios, ", "))
		}
	}
	if slices.Equal(p.ours, []int{0}) {
		p.ours = nil
	}
	known := names(arms.All())
	for _, a := range p.arms {
		if !slices.Contains(known, a) {
			return fmt.Errorf("--arms: %q is not known; there are %s", a, strings.Join(known, ", "))
		}
	}
	if err := p.checkSizes(); err != nil {
		return err
	}
	if p.rounds < 1 {
		return fmt.Errorf("--rounds: %d is less than 1", p.rounds)
	}
	if p.live < 1 || p.live > 1000 {
		return fmt.Errorf("--live: %d is not between 1 and 1000", p.live)
	}
	return nil
}

func (p *plan) checkSizes() error {
	for flag, sizes := range map[string][]int{"--clusters": p.sizes, "--ours": p.ours, "--crowd": {p.crowd}} {
		for _, n := range sizes {
			if n < 1 || n > most {
				return fmt.Errorf("%s: %d is not between 1 and %d", flag, n, most)
			}
		}
	}
	all := slices.Concat(p.sizes, p.ours)
	for i, n := range all {
		if slices.Contains(all[:i], n) { // a round is known by its number among those with as many clusters
			return fmt.Errorf("--clusters, --ours: %d is there twice", n)
		}
	}
	return nil
}

func (p *plan) wants(scenario string) bool { return slices.Contains(p.scenarios, scenario) }

// share of the crowd's clusters that most of its Operations are on.
func (p *plan) share() int { return max(p.crowd/20, 1) }

// run what was asked for, and write down what there is after every step, so that a run that is broken off leaves that.
func (p *plan) run(ctx context.Context, say, out io.Writer) (err error) {
	all := arms.All()
	d := &report.Document{Machine: report.ThisMachine(), Arms: map[string]string{}}
	for _, a := range all {
		if slices.Contains(p.arms, a.Name()) {
			d.Arms[a.Name()] = a.Beyond()
		}
	}
	defer func() {
		if err == nil {
			_, err = fmt.Fprint(out, d.Markdown())
		}
		err = errors.Join(err, failed(d))
	}()
	if p.wants("latency") {
		l, err := scenario.MeasureLatency(ctx, say, trips, deliveries)
		if err != nil {
			return fmt.Errorf("latency: %w", err)
		}
		d.Latency = &l
		if err := d.Write(p.out); err != nil {
			return err
		}
	}
	if len(p.scenarios) == 1 && p.wants("latency") {
		return nil
	}
	b, err := bed.Up(ctx, say, append(slices.Concat(p.sizes, p.ours), finished, p.crowd, p.share())...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Down()) }()
	return p.onBed(ctx, b, all, d)
}

// onBed measures what needs one hub and fake clusters.
func (p *plan) onBed(ctx context.Context, b *bed.Bed, all []arms.Arm, d *report.Document) error {
	if p.wants("race") {
		track, into := race.On(b), notes{d, p.out}
		if err := track.Run(ctx, chosen(all, p.arms), p.sizes, p.rounds, into); err != nil {
			return err
		}
		if err := track.Run(ctx, chosen(all, []string{"floor", "ours"}), p.ours, p.rounds, into); err != nil {
			return err
		}
	}
	hub := chosen(all, []string{"ours"})[0]
	if p.wants("restart") {
		r, err := scenario.MeasureRestart(ctx, b, hub, finished, idle)
		if err != nil {
			return fmt.Errorf("restart: %w", err)
		}
		d.Restart = &r
		if err := d.Write(p.out); err != nil {
			return err
		}
	}
	if p.wants("crowd") {
		c, err := scenario.MeasureCrowd(ctx, b, hub, p.crowd, p.live, p.share(), p.profiles)
		d.Crowd = &c
		return errors.Join(err, d.Write(p.out))
	}
	return nil
}

// notes of a race, written into a folder at once.
type notes struct {
	document *report.Document
	dir      string
}

func (n notes) Measured(r race.Round) error {
	n.document.Rounds = append(n.document.Rounds, r)
	return n.document.Write(n.dir)
}

func (n notes) Failed(f race.Failed) error {
	n.document.Failed = append(n.document.Failed, f)
	return n.document.Write(n.dir)
}

// failed names the turns of the race that failed; nil for none.
func failed(d *report.Document) error {
	if len(d.Failed) == 0 {
		return nil
	}
	turns := make([]string, len(d.Failed))
	for i, f := range d.Failed {
		turns[i] = f.String()
	}
	return fmt.Errorf("turns of the race failed; all others were measured:\n%s", strings.Join(turns, "\n"))
}

func chosen(all []arms.Arm, by []string) []arms.Arm {
	return slices.DeleteFunc(slices.Clone(all), func(a arms.Arm) bool { return !slices.Contains(by, a.Name()) })
}

func names(all []arms.Arm) []string {
	out := make([]string, len(all))
	for i, a := range all {
		out[i] = a.Name()
	}
	return out
}
