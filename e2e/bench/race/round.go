// SPDX-License-Identifier: Apache-2.0

// Package race compares arms: it sends the same payload by each to the same clusters, has them all report, and measures the way there, the way back and
// what both cost.
package race

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/e2e/bench/arms"
	"vworkspace.io/fleet/e2e/bench/bed"
)

// Round is what was measured when one arm had one turn. Times are in seconds, memory in bytes.
type Round struct {
	Arm string `json:"arm"`
	N   int    `json:"n"`
	// Round counts the arm's turns with this number of clusters from 1, those that failed among them: what has the same one was measured side by side.
	Round int `json:"round"`
	// FanOut is from before the parent's creation to the last child, as a watch tells.
	FanOut float64 `json:"fanOutSeconds"`
	// RollUp is from the last report to the parent that says all are done; Lag50 and Lag99 are, over the clusters, from the k-th report to the first
	// parent that counts k.
	RollUp float64 `json:"rollUpSeconds,omitempty"`
	Lag50  float64 `json:"lagP50Seconds,omitempty"`
	Lag99  float64 `json:"lagP99Seconds,omitempty"`
	// Delete is from the parent's deletion to the last child's.
	Delete float64 `json:"deleteSeconds"`
	// CPU of the arm's processes, and of the API server, from before the creation to the parent that says all are done.
	CPU       float64 `json:"cpuSeconds"`
	ServerCPU float64 `json:"apiServerCPUSeconds"`
	// Writes of the arm by resource, in the same time; leases, events and what the clusters report are not among them.
	Writes map[string]float64 `json:"writes"`
	// ParentWrites are the versions of the parent that a watch told of from the first report on, and ParentBytes the size of the last one as JSON.
	ParentWrites int `json:"parentWrites,omitempty"`
	ParentBytes  int `json:"parentBytes,omitempty"`
	// Cold is the memory when the processes take work, Peak the most in the round, Idle what is left after the deletion.
	Cold uint64 `json:"rssCold,omitempty"`
	Peak uint64 `json:"rssPeak,omitempty"`
	Idle uint64 `json:"rssIdle,omitempty"`
}

// Turn starts an arm, sends one payload to n clusters, and stops it.
func Turn(ctx context.Context, b *bed.Bed, arm arms.Arm, name string, n int) (round Round, err error) {
	if err := arm.Prepare(ctx, b, n); err != nil {
		return round, fmt.Errorf("prepare %s: %w", arm.Name(), err)
	}
	if err := arm.Start(ctx, n); err != nil {
		return round, errors.Join(fmt.Errorf("start %s: %w", arm.Name(), err), arm.Stop())
	}
	t := turn{bed: b, arm: arm, round: Round{Arm: arm.Name(), N: n}}
	err = t.take(ctx, name)
	return t.round, errors.Join(err, arm.Stop())
}

// turn is one under way.
type turn struct {
	bed   *bed.Bed
	arm   arms.Arm
	round Round

	used  bed.Usage
	asked bed.Requests
}

func (t *turn) take(ctx context.Context, name string) error {
	if err := t.mark(ctx); err != nil {
		return err
	}
	begun := time.Now()
	run, err := t.arm.Send(ctx, name, t.round.N)
	if err == nil {
		err = t.follow(ctx, run, begun)
	}
	if err != nil && run != nil {
		return errors.Join(err, t.clear(ctx, run))
	}
	return err
}

// clearedWithin bounds how long what a failed turn has left may take to be deleted.
const clearedWithin = 2 * time.Minute

// clear deletes what a failed turn has left: the next one would find it, and be measured with it. Nothing is cleared away when all is to end.
func (t *turn) clear(ctx context.Context, run *arms.Run) error {
	if ctx.Err() != nil {
		return nil
	}
	ctx, cancel := bed.Within(ctx, clearedWithin)
	defer cancel()
	crowd, err := t.bed.Crowd(ctx, run.Children, run.Labels)
	if err != nil {
		return err
	}
	defer crowd.Stop()
	err = client.IgnoreNotFound(run.Delete(ctx))
	if err == nil {
		_, err = crowd.Await(ctx, 0)
	}
	if err != nil {
		return fmt.Errorf("delete what it has left: %w", err)
	}
	return nil
}

// follow a run that was sent, from its first child to its last one's end.
func (t *turn) follow(ctx context.Context, run *arms.Run, begun time.Time) error {
	crowd, err := t.bed.Crowd(ctx, run.Children, run.Labels)
	if err != nil {
		return err
	}
	defer crowd.Stop()
	last, err := crowd.Await(ctx, t.round.N)
	if err != nil {
		return fmt.Errorf("fan out: %w", err)
	}
	// With a floor, the last creation has been answered before the crowd is asked.
	t.round.FanOut = last.Sub(begun).Seconds()
	if run.Completed != nil {
		if err := t.rollUp(ctx, run); err != nil {
			return fmt.Errorf("roll up: %w", err)
		}
	}
	if err := t.cost(ctx, run); err != nil {
		return err
	}
	return t.takeBack(ctx, run, crowd)
}

// quiet is how long nothing must have been written before a turn begins.
const quiet = time.Second

// mark begins what is counted.
func (t *turn) mark(ctx context.Context) (err error) {
	if err := t.bed.Settle(ctx, quiet); err != nil {
		return err
	}
	if err := bed.ResetPeaks(t.arm.Processes()); err != nil {
		return err
	}
	if t.asked, err = t.bed.Requests(ctx); err != nil {
		return err
	}
	t.used, err = bed.UsageOf(t.arm.Processes())
	t.round.Cold = t.used.RSS
	return err
}

// rollUp has all clusters report, and waits for the parent's word.
func (t *turn) rollUp(ctx context.Context, run *arms.Run) error {
	parent, err := t.bed.Parent(ctx, run.Parent, run.Key, run.Completed)
	if err != nil {
		return err
	}
	defer parent.Stop()
	said, err := t.bed.Report(ctx, run.Children, run.Labels, run.Report)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	looks, err := parent.Await(ctx, t.round.N)
	if err != nil {
		return err
	}
	final := looks[len(looks)-1]
	t.round.RollUp = max(0, final.At.Sub(said[len(said)-1]).Seconds())
	t.round.ParentWrites, t.round.ParentBytes = len(looks)-1, final.Bytes
	lags := lags(said, looks)
	t.round.Lag50, t.round.Lag99 = quantile(lags, 0.5), quantile(lags, 0.99)
	return nil
}

// cost of the turn until now.
func (t *turn) cost(ctx context.Context, run *arms.Run) error {
	used, err := bed.UsageOf(t.arm.Processes())
	if err != nil {
		return err
	}
	asked, err := t.bed.Requests(ctx)
	if err != nil {
		return err
	}
	since := asked.Since(t.asked)
	t.round.CPU, t.round.ServerCPU, t.round.Peak = (used.CPU - t.used.CPU).Seconds(), since.CPU, used.Peak
	t.round.Writes = since.Writes
	if run.Completed != nil {
		resource, err := t.bed.Resource(run.Children)
		if err != nil {
			return err
		}
		t.round.Writes[resource+"/status"] -= float64(t.round.N) // the clusters' own
	}
	maps.DeleteFunc(t.round.Writes, func(_ string, n float64) bool { return n == 0 })
	return nil
}

func (t *turn) takeBack(ctx context.Context, run *arms.Run, crowd *bed.Crowd) error {
	begun := time.Now()
	if err := run.Delete(ctx); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	last, err := crowd.Await(ctx, 0)
	if err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	t.round.Delete = last.Sub(begun).Seconds()
	used, err := bed.UsageOf(t.arm.Processes())
	t.round.Idle = used.RSS
	return err
}

// lags of the clusters, in seconds and in order: from when the k-th had reported to the first look that counts k. A look that counts more than had reported
// when it was taken, because the answer to a report came later than the watch, lags by nothing.
func lags(said []time.Time, looks []bed.Look) []float64 {
	out := make([]float64, len(said))
	at := 0
	for k, reported := range said {
		for at < len(looks)-1 && looks[at].Completed <= k {
			at++
		}
		out[k] = max(0, looks[at].At.Sub(reported).Seconds())
	}
	slices.Sort(out)
	return out
}

// quantile q of what is in order.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
