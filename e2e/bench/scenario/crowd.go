// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"vworkspace.io/fleet/e2e/bench/arms"
	"vworkspace.io/fleet/e2e/bench/bed"
)

// Crowd is what it costs to have many Operations live at once on a big fleet, and how a small urgent one fares among them. Times are in seconds, memory in
// bytes.
type Crowd struct {
	Clusters   int `json:"clusters"`
	Operations int `json:"operations"` // live at once: one on every cluster, the others on Share of them each
	Share      int `json:"share"`
	Works      int `json:"works"`
	// Dispatch is from the first creation to the last work.
	Dispatch float64 `json:"dispatchSeconds"`
	// RSS of the hub when all are live, and by work what that is more than without any. Peak is the most until then.
	RSS     uint64  `json:"rss"`
	Peak    uint64  `json:"rssPeak"`
	PerWork float64 `json:"bytesPerWork"`
	// CPU of the hub and of the API server until all were live.
	CPU       float64 `json:"cpuSeconds"`
	ServerCPU float64 `json:"apiServerCPUSeconds"`
	// Urgent are the times from the creation of an Operation on one cluster to its work, in order: first those that were asked for while the others were
	// being dispatched, then those while all were live.
	UrgentBehind []float64 `json:"urgentBehindSeconds"`
	UrgentAmong  []float64 `json:"urgentAmongSeconds"`
	// Ended is from the first report of any cluster to the last Operation's word that all are done; Reports is how long the reports alone took.
	Ended   float64 `json:"endedSeconds"`
	Reports float64 `json:"reportsSeconds"`
	// Bytes of the biggest Operation at its end.
	Bytes int `json:"parentBytes"`
}

// String is the scenario as a table.
func (c Crowd) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d Operations live at once on %d clusters: one on all, the others on %d each, %d works.\n\n| what | figure |\n|---|---|\n",
		c.Operations, c.Clusters, c.Share, c.Works)
	row := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "| %s | %s |\n", what, fmt.Sprintf(format, args...))
	}
	row("all dispatched after", "%.1f s: %.0f works a second", c.Dispatch, float64(c.Works)/c.Dispatch)
	row("an urgent one, while the others are dispatched: created to first work", "p50 %.2f s, p95 %.2f s, most %.2f s (%d times)",
		at(c.UrgentBehind, 0.5), at(c.UrgentBehind, 0.95), at(c.UrgentBehind, 1), len(c.UrgentBehind))
	row("an urgent one, while all are live", "p50 %.2f s, p95 %.2f s, most %.2f s (%d times)",
		at(c.UrgentAmong, 0.5), at(c.UrgentAmong, 0.95), at(c.UrgentAmong, 1), len(c.UrgentAmong))
	row("hub: memory", "%s, %s at the most; %.1f KiB a live work", binary(c.RSS), binary(c.Peak), c.PerWork/1024)
	row("processor time until all were live", "hub %.1f s, API server %.1f s", c.CPU, c.ServerCPU)
	row("all clusters reported in", "%.1f s", c.Reports)
	row("the last Operation says so after", "%.1f s", c.Ended)
	row("the Operation on all clusters, at its end", "%.1f KiB", float64(c.Bytes)/1024)
	return b.String()
}

// at is quantile q of what is in order.
func at(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func binary(bytes uint64) string {
	return resource.NewQuantity(int64(bytes)>>20<<20, resource.BinarySI).String()
}

// crowd is one under way.
type crowd struct {
	bed *bed.Bed
	hub arms.Arm
	Crowd

	before bed.Usage
	asked  bed.Requests
	runs   []*arms.Run
	urgent int
}

// MeasureCrowd has the hub run one Operation on all n clusters and others on share of them each.
// Profiles of the hub go into a folder, unless that is empty.
func MeasureCrowd(ctx context.Context, b *bed.Bed, hub arms.Arm, n, operations, share int, profiles string) (out Crowd, err error) {
	if err := errors.Join(b.Grow(ctx, n), hub.Prepare(ctx, b, n)); err != nil {
		return out, err
	}
	if err := hub.Start(ctx, n); err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, hub.Stop()) }()
	c := &crowd{bed: b, hub: hub, Crowd: Crowd{Clusters: n, Operations: operations, Share: share, Works: n + (operations-1)*share}}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{{"dispatch", c.dispatch}, {"live", c.live}, {"end", c.end}} {
		if err := profile(ctx, hub, profiles, step.name, step.do); err != nil {
			return c.Crowd, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return c.Crowd, nil
}

// every is how often an urgent Operation is asked for.
const every = 2 * time.Second

// dispatch all, and ask for urgent ones until that is over.
func (c *crowd) dispatch(ctx context.Context) (err error) {
	if c.asked, err = c.bed.Requests(ctx); err != nil {
		return err
	}
	if c.before, err = bed.UsageOf(c.hub.Processes()); err != nil {
		return err
	}
	all, err := c.bed.Crowd(ctx, arms.WorkKind, nil)
	if err != nil {
		return err
	}
	defer all.Stop()
	begun := time.Now()
	for i := range c.Operations {
		n := c.Share
		if i == 0 {
			n = c.Clusters
		}
		run, err := c.hub.Send(ctx, fmt.Sprintf("crowd-%d", i), n)
		if err != nil {
			return err
		}
		c.runs = append(c.runs, run)
	}
	for all.Size() < c.Works+c.urgent {
		took, err := c.urge(ctx)
		if err != nil {
			return err
		}
		c.UrgentBehind = append(c.UrgentBehind, took)
		if err := pause(ctx, every); err != nil {
			return err
		}
	}
	last, err := all.Await(ctx, c.Works+c.urgent)
	c.Dispatch = last.Sub(begun).Seconds()
	slices.Sort(c.UrgentBehind)
	return err
}

// urge asks for an Operation on one cluster, and tells after how many seconds its work is there.
func (c *crowd) urge(ctx context.Context) (float64, error) {
	c.urgent++
	begun := time.Now()
	run, err := c.hub.Send(ctx, fmt.Sprintf("urgent-%d", c.urgent), 1)
	if err != nil {
		return 0, err
	}
	its, err := c.bed.Crowd(ctx, run.Children, run.Labels)
	if err != nil {
		return 0, err
	}
	defer its.Stop()
	there, err := its.Await(ctx, 1)
	return there.Sub(begun).Seconds(), err
}

// among is how many urgent Operations are asked for when all are live.
const among = 20

// live measures the hub with all of them live.
func (c *crowd) live(ctx context.Context) error {
	used, err := bed.UsageOf(c.hub.Processes())
	if err != nil {
		return err
	}
	asked, err := c.bed.Requests(ctx)
	if err != nil {
		return err
	}
	c.RSS, c.Peak, c.PerWork = used.RSS, used.Peak, (float64(used.RSS)-float64(c.before.RSS))/float64(c.Works)
	c.CPU, c.ServerCPU = (used.CPU - c.before.CPU).Seconds(), asked.CPU-c.asked.CPU
	for range among {
		took, err := c.urge(ctx)
		if err != nil {
			return err
		}
		c.UrgentAmong = append(c.UrgentAmong, took)
	}
	slices.Sort(c.UrgentAmong)
	return nil
}

// end has all clusters report on all, the biggest Operation first, and waits until every Operation says so.
func (c *crowd) end(ctx context.Context) error {
	parents := make([]*bed.Parent, len(c.runs))
	for i, run := range c.runs {
		var err error
		if parents[i], err = c.bed.Parent(ctx, run.Parent, run.Key, run.Completed); err != nil {
			return err
		}
		defer parents[i].Stop()
	}
	begun := time.Now()
	for _, run := range c.runs {
		if _, err := c.bed.Report(ctx, run.Children, run.Labels, run.Report); err != nil {
			return err
		}
	}
	c.Reports = time.Since(begun).Seconds()
	for i, parent := range parents {
		n := c.Share
		if i == 0 {
			n = c.Clusters
		}
		looks, err := parent.Await(ctx, n)
		if err != nil {
			return fmt.Errorf("the word of Operation %s: %w", c.runs[i].Key, err)
		}
		last := looks[len(looks)-1]
		c.Ended, c.Bytes = max(c.Ended, last.At.Sub(begun).Seconds()), max(c.Bytes, last.Bytes)
	}
	return nil
}
