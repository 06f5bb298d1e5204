// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// paceInterval is the least time between two writes of a parent's progress. Its end is written at once.
const paceInterval = time.Second

// rollUp adds up children from the cache. A cache that knows of fewer than there were may just be late, so that is asked of the API server.
func (r *operationReconciler) rollUp(ctx context.Context, v *visit) error {
	var list opsv1alpha1.OperationList
	if err := v.List(ctx, &list, client.MatchingFields{indexParent: string(v.op.UID)}); err != nil {
		return fmt.Errorf("look up the Operations below: %w", err)
	}
	children := list.Items
	if len(children) < int(total(v.op)) {
		var err error
		if children, err = v.liveChildren(ctx); err != nil {
			return err
		}
	}
	return r.addUp(ctx, v, children)
}

// addUp makes the children's states the parent's.
func (r *operationReconciler) addUp(ctx context.Context, v *visit, children []opsv1alpha1.Operation) error {
	v.lookAgain(runningInterval)
	if v.op.Spec.Cancel {
		if err := v.cancelChildren(ctx, children); err != nil {
			return err
		}
	}
	t := tally(children, total(v.op))
	if t.counts.Done() < t.counts.Total {
		if wait := v.pace.wait(v.op.UID, v.now); wait > 0 && v.before.ExpandedAt != nil {
			v.lookAgain(wait)
			return nil
		}
	}
	t.record(&v.op.Status)
	reason, message := t.verdict(v.op.Spec.Cancel)
	switch {
	case t.counts.Done() < t.counts.Total:
		if t.held != nil && !v.op.Spec.Cancel {
			v.to().Await(t.held.Reason, reason, message)
		} else {
			v.to().Run(reason, message)
		}
		v.pace.wrote(v.op.UID, v.now)
		return nil
	case reason == opsv1alpha1.ReasonUserCancelled:
		v.to().Cancel(reason, message)
	case reason == opsv1alpha1.ReasonSomeFailed || reason == opsv1alpha1.ReasonNoTargets && v.op.Spec.Selector.Required:
		v.to().Fail(reason, message)
	default:
		v.to().Succeed(reason, message)
	}
	v.pace.forget(v.op.UID)
	return nil
}

func total(op *opsv1alpha1.Operation) int32 {
	if s := op.Status.Summary; s != nil && s.Instances != nil {
		return s.Instances.Total
	}
	return 0
}

// score is what children add up to.
type score struct {
	counts   opsv1alpha1.Counts
	failures []opsv1alpha1.Failure
	// held is the first child that is blocked, as a failure would be told; nil when none is. It may run, and wait for a person.
	held  *opsv1alpha1.Failure
	waits int32
}

// tally counts children by state. total was frozen when all of them existed. A child cannot go before its parent has ended (see countedOn),
// unless somebody takes its finalizer away: whatever is missing from total is then a lost result, and it takes no list of names to know it.
func tally(children []opsv1alpha1.Operation, total int32) score {
	slices.SortFunc(children, byInstance)
	s := score{counts: opsv1alpha1.Counts{Total: max(total, int32(len(children)))}}
	for i := range children {
		s.add(&children[i])
	}
	if lost := s.counts.Total - int32(len(children)); lost > 0 {
		s.counts.Failed += lost
		s.failures = append(s.failures, opsv1alpha1.Failure{
			Name: plural(lost, "instance"), Reason: opsv1alpha1.ReasonResultLost,
			Message: "the Operation on it was removed before its result was counted; it is not run again, because nobody knows what it did",
		})
	}
	if len(s.failures) > opsv1alpha1.MaxFailures {
		s.failures = s.failures[:opsv1alpha1.MaxFailures]
	}
	return s
}

// byInstance is the order of children.
func byInstance(a, b opsv1alpha1.Operation) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(instanceName(&a), instanceName(&b)))
}

func (s *score) add(op *opsv1alpha1.Operation) {
	switch op.Status.Phase {
	case opsv1alpha1.PhaseSucceeded:
		s.counts.Succeeded++
	case opsv1alpha1.PhaseCancelled:
		s.counts.Cancelled++
	case opsv1alpha1.PhaseFailed:
		s.counts.Failed++
		s.failures = append(s.failures, cause(op))
	case opsv1alpha1.PhaseRunning:
		s.counts.Running++
	default:
		if held(op) {
			s.counts.Blocked++
		} else {
			s.counts.Pending++
		}
	}
	if held(op) {
		s.waits++
		if s.held == nil {
			c := cause(op)
			s.held = &c
		}
	}
}

// held tells whether something is in the way of a child. That others of them go first is as it should be.
func held(op *opsv1alpha1.Operation) bool {
	return op.Status.Blocked && !op.Status.Phase.Terminal() && op.Status.Reason != opsv1alpha1.ReasonAwaitingTurn
}

func cause(op *opsv1alpha1.Operation) opsv1alpha1.Failure {
	return opsv1alpha1.Failure{Name: op.Namespace + "/" + instanceName(op), Reason: op.Status.Reason, Message: op.Status.Message}
}

func instanceName(op *opsv1alpha1.Operation) string {
	if op.Spec.TargetRef == nil {
		return op.Name
	}
	return op.Spec.TargetRef.Name
}

func (s *score) record(status *opsv1alpha1.OperationStatus) {
	status.Summary = &opsv1alpha1.Summary{Instances: &s.counts}
	status.Failures = s.failures
	status.SetProgress(s.counts)
}

// verdict puts the score into a reason and a message that begins with the first cause: it is what a person on the hub reads.
func (s *score) verdict(cancelled bool) (reason, message string) {
	c := s.counts
	switch {
	case c.Done() < c.Total:
		return s.progress(cancelled)
	case c.Total == 0 && cancelled:
		return opsv1alpha1.ReasonUserCancelled, "cancelled before anything was run"
	case c.Total == 0:
		return opsv1alpha1.ReasonNoTargets, "what matched was gone before anything was run on it"
	case c.Cancelled > 0 && (cancelled || c.Failed == 0):
		message = fmt.Sprintf("%d of %d cancelled, %d succeeded, %d failed", c.Cancelled, c.Total, c.Succeeded, c.Failed)
		return opsv1alpha1.ReasonUserCancelled, message + s.firstFailure(": ")
	case c.Failed > 0:
		return opsv1alpha1.ReasonSomeFailed, fmt.Sprintf("%d of %d failed", c.Failed, c.Total) + s.firstFailure(": ")
	}
	return opsv1alpha1.ReasonAllSucceeded, fmt.Sprintf("all of %s succeeded", plural(c.Total, "instance"))
}

func (s *score) progress(cancelled bool) (reason, message string) {
	c := s.counts
	reason, message = opsv1alpha1.ReasonExpanded, fmt.Sprintf("%d of %d done", c.Done(), c.Total)
	if cancelled {
		reason, message = opsv1alpha1.ReasonUserCancelled, "cancelling: "+message
	}
	if c.Failed > 0 {
		message += fmt.Sprintf(", %d failed", c.Failed) + s.firstFailure(": ")
	}
	if s.held != nil {
		message += fmt.Sprintf(", %d blocked: ", s.waits) + tell(*s.held)
	}
	return reason, message
}

func (s *score) firstFailure(separator string) string {
	if len(s.failures) == 0 {
		return ""
	}
	return separator + tell(s.failures[0])
}

func tell(f opsv1alpha1.Failure) string {
	return fmt.Sprintf("%s: %s: %s", f.Name, f.Reason, opsv1alpha1.Truncate(f.Message, opsv1alpha1.MaxMessage/2))
}

// cancelChildren passes spec.cancel on to those that have not ended.
func (v *visit) cancelChildren(ctx context.Context, children []opsv1alpha1.Operation) error {
	for i := range children {
		c := &children[i]
		if c.Status.Phase.Terminal() || c.Spec.Cancel {
			continue
		}
		stopped := c.DeepCopy()
		stopped.Spec.Cancel = true
		if err := client.IgnoreNotFound(v.Patch(ctx, stopped, client.MergeFrom(c))); err != nil {
			return fmt.Errorf("cancel Operation %s/%s: %w", c.Namespace, c.Name, err)
		}
	}
	return nil
}

// retireParent takes the children along, wherever they are: they have no owner reference, because their namespaces differ. Each is held by its
// own finalizer until its run was stopped, for stopGrace at most.
func (r *operationReconciler) retireParent(ctx context.Context, v *visit) error {
	children, err := v.liveChildren(ctx)
	if err != nil {
		return err
	}
	for i := range children {
		c := &children[i]
		if !c.DeletionTimestamp.IsZero() {
			continue
		}
		if err := client.IgnoreNotFound(v.Delete(ctx, c, client.Preconditions{UID: &c.UID})); err != nil {
			return fmt.Errorf("delete Operation %s/%s: %w", c.Namespace, c.Name, err)
		}
	}
	if len(children) > 0 {
		if v.running() {
			v.to().Run(opsv1alpha1.ReasonUserCancelled, fmt.Sprintf("deleting: waiting for %s to stop", plural(int32(len(children)), "run")))
		}
		v.lookAgain(runningInterval)
		return nil
	}
	v.pace.forget(v.op.UID)
	return v.letGo(ctx)
}

// pace keeps the writes to one parent apart, however many children report.
type pace struct {
	mu   sync.Mutex
	last map[types.UID]time.Time
}

func newPace() *pace { return &pace{last: map[types.UID]time.Time{}} }

// wait is how long the next write should wait.
func (p *pace) wait(uid types.UID, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last[uid].Add(paceInterval).Sub(now)
}

func (p *pace) wrote(uid types.UID, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last[uid] = now
}

func (p *pace) forget(uid types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.last, uid)
}
