// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func in(phase opsv1alpha1.OperationPhase, name string, with ...string) opsv1alpha1.Operation {
	op := on("shop", "op-"+name, name, opsv1alpha1.TypeUpgrade)
	op.Status.Phase = phase
	if len(with) == 2 {
		op.Status.Reason, op.Status.Message = with[0], with[1]
		op.Status.Blocked = phase == opsv1alpha1.PhasePending
	}
	return *op
}

func TestTally(t *testing.T) {
	const pending, running, succeeded, failed, cancelled = opsv1alpha1.PhasePending, opsv1alpha1.PhaseRunning, opsv1alpha1.PhaseSucceeded, opsv1alpha1.PhaseFailed, opsv1alpha1.PhaseCancelled
	for name, c := range map[string]struct {
		children  []opsv1alpha1.Operation
		total     int32
		cancelled bool
		counts    opsv1alpha1.Counts
		reason    string
		message   string
	}{
		"all well": {[]opsv1alpha1.Operation{in(succeeded, "a"), in(succeeded, "b")}, 2, false,
			opsv1alpha1.Counts{Total: 2, Succeeded: 2}, opsv1alpha1.ReasonAllSucceeded, "all of 2 instances succeeded"},
		"under way": {[]opsv1alpha1.Operation{in(succeeded, "a"), in("", "b"), in(running, "c")}, 3, false,
			opsv1alpha1.Counts{Total: 3, Succeeded: 1, Pending: 1, Running: 1}, opsv1alpha1.ReasonExpanded, "1 of 3 done"},
		"others go first": {[]opsv1alpha1.Operation{in(pending, "b", "AwaitingTurn", "2 at a time"), in(running, "a")}, 2, false,
			opsv1alpha1.Counts{Total: 2, Pending: 1, Running: 1}, opsv1alpha1.ReasonExpanded, "0 of 2 done"},
		"blocked": {[]opsv1alpha1.Operation{in(pending, "b", "TargetNotReady", "sick"), in(pending, "a", "CapabilityMissing", "cannot"), in(failed, "c", "Broken", "bad")}, 3, false,
			opsv1alpha1.Counts{Total: 3, Blocked: 2, Failed: 1}, opsv1alpha1.ReasonExpanded,
			"1 of 3 done, 1 failed: shop/c: Broken: bad, 2 blocked: shop/a: CapabilityMissing: cannot"},
		"waiting for a person": {[]opsv1alpha1.Operation{in(running, "a"), waiting(in(running, "b", "WorkflowSuspended", "resume it"))}, 2, false,
			opsv1alpha1.Counts{Total: 2, Running: 2}, opsv1alpha1.ReasonExpanded, "0 of 2 done, 1 blocked: shop/b: WorkflowSuspended: resume it"},
		"some failed": {[]opsv1alpha1.Operation{in(failed, "z", "Broken", "bad"), in(failed, "b", "HelmRolledBack", "no"), in(succeeded, "c")}, 3, false,
			opsv1alpha1.Counts{Total: 3, Succeeded: 1, Failed: 2}, opsv1alpha1.ReasonSomeFailed, "2 of 3 failed: shop/b: HelmRolledBack: no"},
		"lost": {[]opsv1alpha1.Operation{in(succeeded, "a")}, 3, false,
			opsv1alpha1.Counts{Total: 3, Succeeded: 1, Failed: 2}, opsv1alpha1.ReasonSomeFailed,
			"2 of 3 failed: 2 instances: ResultLost: the Operation on it was removed before its result was counted; it is not run again, because nobody knows what it did"},
		"cancelled": {[]opsv1alpha1.Operation{in(cancelled, "a"), in(failed, "b", "Broken", "bad"), in(succeeded, "c")}, 3, true,
			opsv1alpha1.Counts{Total: 3, Succeeded: 1, Failed: 1, Cancelled: 1}, opsv1alpha1.ReasonUserCancelled,
			"1 of 3 cancelled, 1 succeeded, 1 failed: shop/b: Broken: bad"},
		"cancelled below by hand, and one failed": {[]opsv1alpha1.Operation{in(cancelled, "a"), in(failed, "b", "Broken", "bad")}, 2, false,
			opsv1alpha1.Counts{Total: 2, Failed: 1, Cancelled: 1}, opsv1alpha1.ReasonSomeFailed, "1 of 2 failed: shop/b: Broken: bad"},
		"cancelled too late": {[]opsv1alpha1.Operation{in(succeeded, "a")}, 1, true,
			opsv1alpha1.Counts{Total: 1, Succeeded: 1}, opsv1alpha1.ReasonAllSucceeded, "all of 1 instance succeeded"},
		"cancelled before anything": {nil, 0, true, opsv1alpha1.Counts{}, opsv1alpha1.ReasonUserCancelled, "cancelled before anything was run"},
		"gone before anything":      {nil, 0, false, opsv1alpha1.Counts{}, opsv1alpha1.ReasonNoTargets, "what matched was gone before anything was run on it"},
	} {
		t.Run(name, func(t *testing.T) {
			s := tally(c.children, c.total)
			if diff := cmp.Diff(c.counts, s.counts); diff != "" {
				t.Error(diff)
			}
			sum := s.counts.Pending + s.counts.Blocked + s.counts.Running + s.counts.Done()
			if sum != s.counts.Total {
				t.Errorf("counts do not add up: %+v", s.counts)
			}
			if reason, message := s.verdict(c.cancelled); reason != c.reason || message != c.message {
				t.Errorf("%s: %s\nwanted %s: %s", reason, message, c.reason, c.message)
			}
		})
	}
}

func waiting(op opsv1alpha1.Operation) opsv1alpha1.Operation {
	op.Status.Blocked = true
	return op
}

// However many fail, and however much they say, the status stays small.
func TestTallyIsBounded(t *testing.T) {
	var children []opsv1alpha1.Operation
	for i := range 1000 {
		children = append(children, in(opsv1alpha1.PhaseFailed, fmt.Sprintf("n%04d", i), "Broken", strings.Repeat("x", opsv1alpha1.MaxMessage)))
	}
	s := tally(children, 1000)
	op := on("shop", "op", "web", opsv1alpha1.TypeUpgrade)
	s.record(&op.Status)
	reason, message := s.verdict(false)
	op.Transition(time.Now()).Fail(reason, message)
	if len(op.Status.Failures) != opsv1alpha1.MaxFailures || op.Status.Failures[0].Name != "shop/n0000" || len(op.Status.Message) > opsv1alpha1.MaxMessage {
		t.Errorf("%d failures, message of %d bytes", len(op.Status.Failures), len(op.Status.Message))
	}
}

func TestPace(t *testing.T) {
	now := time.Now()
	p := newPace()
	if p.wait("a", now) > 0 {
		t.Error("the first write waits")
	}
	p.wrote("a", now)
	if p.wait("a", now) != paceInterval || p.wait("b", now) > 0 || p.wait("a", now.Add(paceInterval)) > 0 {
		t.Error("writes to one parent are not a pace apart")
	}
	if p.forget("a"); p.wait("a", now) > 0 {
		t.Error("not forgotten")
	}
}
