// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"vworkspace.io/fleet/admission"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/placement"
	"vworkspace.io/fleet/telemetry"
)

// OperationReconciler runs fleet Operations.
type OperationReconciler struct {
	client.Client
	// Live reads past the cache, where a stale answer would do harm.
	Live client.Reader
	// Events tells people what happened; nil does not.
	Events events.EventRecorder
	Options

	runs     *runs
	lanes    *lanes
	turns    turns
	book     *catalog.Book
	policies *admission.Policies // without which it is not known who asks
	self     self
}

// pass is one look at one Operation.
type pass struct {
	op     *opsv1alpha1.Operation // its status is being worked on
	stored *opsv1alpha1.Operation // as the API server has it
	now    time.Time
	run    *run
	// earlier is the run that this one goes by, before it has begun; nil where spec names none.
	earlier *earlier
	again   time.Duration // when to look again; 0 when only an event needs to
	wrote   bool          // the API server has accepted the status
	gates   placement.Gates
	first   bool // the one that began the run
	// unfinished: clusters are about to be added, or started again, so that the run does not end.
	unfinished bool
	heard      time.Time // when the oldest news came that the status tells now; zero when it tells none
}

// after asks for another pass after d at the latest. The smallest wins; 0 does not ask.
func (p *pass) after(d time.Duration) {
	if d > 0 && (p.again == 0 || d < p.again) {
		p.again = d
	}
}

// transition of the Operation's status.
func (p *pass) transition() opsv1alpha1.Transitioner { return p.op.Transition(p.now) }

// Reconcile implements reconcile.Reconciler.
func (r *OperationReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	defer r.lanes.pass()()
	op := &opsv1alpha1.Operation{}
	if err := r.Get(ctx, req.NamespacedName, op); err != nil {
		if apierrors.IsNotFound(err) {
			r.runs.forgetKey(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if belongsToSpoke(op) {
		return ctrl.Result{}, nil
	}
	if op.Spec.TargetRef != nil {
		ctx = logf.IntoContext(ctx, logf.FromContext(ctx).WithValues(telemetry.KeyInstance, op.Namespace+"/"+op.Spec.TargetRef.Name))
	}
	if op.Status.Phase != "" && op.Status.Phase != opsv1alpha1.PhasePending {
		r.turns.giveBack(op) // everybody sees what it does
	}
	p, err := r.look(ctx, op)
	switch {
	case onlyConflict(err):
		// Somebody else wrote in between. The event of that write may be on its way, or may have been handled already.
		return ctrl.Result{RequeueAfter: 100 * time.Millisecond}, nil
	case err != nil:
		return ctrl.Result{}, err
	}
	return p.result(), nil
}

// look at an Operation, and again when that has fenced it: the API server has accepted the fence, so that the run may begin at once. It returns the last pass.
func (r *OperationReconciler) look(ctx context.Context, op *opsv1alpha1.Operation) (*pass, error) {
	if err := r.hold(ctx, op); err != nil {
		return &pass{}, err
	}
	p := r.newPass(op)
	err := r.take(ctx, p)
	if !p.fenced() {
		r.turns.giveBack(op)
	}
	if err == nil && p.fenced() {
		p = r.newPass(p.op)
		p.first = true
		err = r.take(ctx, p)
	}
	return p, err
}

func (r *OperationReconciler) newPass(op *opsv1alpha1.Operation) *pass {
	return &pass{op: op.DeepCopy(), stored: op, now: r.Clock.Now()}
}

// take one step, and write the status once: also when the step failed.
func (r *OperationReconciler) take(ctx context.Context, p *pass) error {
	return errors.Join(r.step(ctx, p), r.writeStatus(ctx, p))
}

// fenced tells whether this pass has written the fence.
func (p *pass) fenced() bool {
	return p.wrote && p.op.Status.Phase == opsv1alpha1.PhaseRunning && p.stored.Status.Phase != opsv1alpha1.PhaseRunning
}

// step chooses what an Operation needs by where its stored status says that it stands.
func (r *OperationReconciler) step(ctx context.Context, p *pass) error {
	switch {
	case !p.op.DeletionTimestamp.IsZero():
		return r.release(ctx, p)
	case p.op.Status.Phase.Terminal():
		return r.retire(ctx, p)
	case p.op.Status.Phase != opsv1alpha1.PhaseRunning:
		return r.begin(ctx, p)
	default:
		return r.roll(ctx, p)
	}
}

// roll moves a fenced run on: start clusters, collect what they say, roll it up, keep it.
func (r *OperationReconciler) roll(ctx context.Context, p *pass) error {
	if loaded, err := r.load(ctx, p); err != nil || !loaded {
		return err
	}
	grows, err := r.follows(ctx, p)
	if err != nil {
		return err
	}
	retries, err := r.retry(ctx, p)
	if err != nil {
		return err
	}
	p.unfinished = grows || retries
	if p.gates, err = r.gatesOf(ctx, p); err != nil {
		return err
	}
	return errors.Join(
		r.dispatch(ctx, p),
		r.expire(ctx, p),
		r.cancel(ctx, p),
		r.rollUp(ctx, p),
		r.withdrawKept(ctx, p),
	)
}

// writeStatus writes the status when it differs, and while a run goes on at most once an interval. Optimistic locking makes sure that
// what was decided on a stale read is not written.
func (r *OperationReconciler) writeStatus(ctx context.Context, p *pass) error {
	if equality.Semantic.DeepEqual(p.op.Status, p.stored.Status) {
		return nil
	}
	if p.run != nil && p.op.Status.Phase == p.stored.Status.Phase {
		if wait := p.run.mayWrite(p.now, r.StatusInterval); wait > 0 {
			p.after(wait)
			p.keepNews()
			return nil
		}
	}
	before := p.stored.Status
	patch := client.MergeFromWithOptions(p.stored, client.MergeFromWithOptimisticLock{})
	if err := r.Status().Patch(ctx, p.op, patch); err != nil {
		p.keepNews()
		return client.IgnoreNotFound(err)
	}
	p.wrote = true
	if p.run != nil {
		p.run.wroteAt(p.now)
	}
	telemetry.Tell(ctx, r.Events, p.op, before)
	r.Metrics.wrote(p, before, r.Clock.Now())
	return nil
}

// mayWrite is how long the next write of the status has to wait.
func (r *run) mayWrite(now time.Time, interval time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(0, r.wrote.Add(interval).Sub(now))
}

func (r *run) wroteAt(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrote = now
}

// onlyConflict tells whether an error is nothing but a write that lost against another.
func onlyConflict(err error) bool {
	if err == nil {
		return false
	}
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		for _, e := range many.Unwrap() {
			if !onlyConflict(e) {
				return false
			}
		}
		return true
	}
	return apierrors.IsConflict(err)
}
