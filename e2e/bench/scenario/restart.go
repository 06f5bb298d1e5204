// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vworkspace.io/fleet/e2e/bench/arms"
	"vworkspace.io/fleet/e2e/bench/bed"
)

// Restart is what a hub costs that begins with finished works in its cache, and that then has nothing to do. Times are in seconds, memory in bytes.
type Restart struct {
	Works int `json:"works"`
	// Dispatch is from the start of the process until a new Operation, created as soon as the hub admits one, has its first work.
	Dispatch float64 `json:"dispatchSeconds"`
	// CPU until then, and the most memory.
	CPU  float64 `json:"cpuSeconds"`
	Peak uint64  `json:"rssPeak"`
	// Idle is for how long nothing happened; then follow what the hub wrote in that time, by resource, its requests for reading and its processor time.
	Idle       float64            `json:"idleSeconds"`
	IdleWrites map[string]float64 `json:"idleWrites"`
	IdleReads  float64            `json:"idleReads"`
	IdleCPU    float64            `json:"idleCPUSeconds"`
	IdleRSS    uint64             `json:"idleRSS"`
}

// String is the scenario as a table.
func (r Restart) String() string {
	writes := 0.0
	for _, n := range r.IdleWrites {
		writes += n
	}
	var b strings.Builder
	fmt.Fprintf(&b, "A restart of the hub among %d finished works.\n\n| what | figure |\n|---|---|\n", r.Works)
	fmt.Fprintf(&b, "| started until a new Operation has its first work | %.1f s, %.1f s of processor time, %s at the most |\n", r.Dispatch, r.CPU, binary(r.Peak))
	fmt.Fprintf(&b, "| then idle for %.0f s | %.0f writes, %.0f reads, %.2f s of processor time, %s |\n", r.Idle, writes, r.IdleReads, r.IdleCPU, binary(r.IdleRSS))
	return b.String()
}

// MeasureRestart has a hub run one Operation on n clusters to its end, restarts the hub among the finished works, and then leaves it alone for a while.
func MeasureRestart(ctx context.Context, b *bed.Bed, hub arms.Arm, n int, idle time.Duration) (r Restart, err error) {
	if err := errors.Join(b.Grow(ctx, n), hub.Prepare(ctx, b, n)); err != nil {
		return r, err
	}
	if err := hub.Start(ctx, n); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, hub.Stop()) }()
	run, err := finish(ctx, b, hub, fmt.Sprintf("finished-%d", n), n)
	if err != nil {
		return r, err
	}
	if err := hub.Stop(); err != nil {
		return r, err
	}
	begun := time.Now()
	if err := hub.Start(ctx, n); err != nil { // returns when a first Operation has its work
		return r, err
	}
	r.Works, r.Dispatch = n, time.Since(begun).Seconds()
	used, err := bed.UsageOf(hub.Processes())
	if err != nil {
		return r, err
	}
	r.CPU, r.Peak = used.CPU.Seconds(), used.Peak
	if err := r.leaveAlone(ctx, b, hub, idle); err != nil {
		return r, err
	}
	return r, takeBack(ctx, b, run)
}

// quiet is how long nothing must have been written until a hub is taken to have done with what has happened before.
const quiet = 5 * time.Second

func (r *Restart) leaveAlone(ctx context.Context, b *bed.Bed, hub arms.Arm, idle time.Duration) error {
	if err := b.Settle(ctx, quiet); err != nil {
		return err
	}
	before, err := b.Requests(ctx)
	if err != nil {
		return err
	}
	used, err := bed.UsageOf(hub.Processes())
	if err != nil {
		return err
	}
	if err := pause(ctx, idle); err != nil {
		return err
	}
	after, err := b.Requests(ctx)
	if err != nil {
		return err
	}
	now, err := bed.UsageOf(hub.Processes())
	since := after.Since(before)
	r.Idle, r.IdleWrites, r.IdleReads = idle.Seconds(), since.Writes, since.Reads
	r.IdleCPU, r.IdleRSS = (now.CPU - used.CPU).Seconds(), now.RSS
	return err
}

// finish sends a payload to n clusters and has them all report.
func finish(ctx context.Context, b *bed.Bed, hub arms.Arm, name string, n int) (*arms.Run, error) {
	run, err := hub.Send(ctx, name, n)
	if err != nil {
		return nil, err
	}
	crowd, err := b.Crowd(ctx, run.Children, run.Labels)
	if err != nil {
		return nil, err
	}
	defer crowd.Stop()
	if _, err := crowd.Await(ctx, n); err != nil {
		return nil, fmt.Errorf("fan out %s: %w", name, err)
	}
	parent, err := b.Parent(ctx, run.Parent, run.Key, run.Completed)
	if err != nil {
		return nil, err
	}
	defer parent.Stop()
	if _, err := b.Report(ctx, run.Children, run.Labels, run.Report); err != nil {
		return nil, err
	}
	_, err = parent.Await(ctx, n)
	return run, err
}

// takeBack deletes a run and waits until its works are gone.
func takeBack(ctx context.Context, b *bed.Bed, run *arms.Run) error {
	crowd, err := b.Crowd(ctx, run.Children, run.Labels)
	if err != nil {
		return err
	}
	defer crowd.Stop()
	if err := run.Delete(ctx); err != nil {
		return err
	}
	_, err = crowd.Await(ctx, 0)
	return err
}

// pause for a while.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
