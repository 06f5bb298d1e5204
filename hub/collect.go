// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// resultOf is what a ManifestWork says about its cluster.
func resultOf(work *workv1.ManifestWork) placement.ClusterResult {
	f := feedbackOf(work)
	state := placement.StateOf(opsv1alpha1.OperationPhase(f.string(feedbackPhase)), f.bool(feedbackBlocked))
	if state == "" {
		return notYetReported(work.Namespace, f.applyError())
	}
	r := placement.ClusterResult{
		Cluster:   work.Namespace,
		State:     state,
		Reason:    opsv1alpha1.Truncate(f.string(feedbackReason), maxReason),
		Message:   opsv1alpha1.Truncate(f.string(feedbackMessage), opsv1alpha1.MaxMessage),
		Waiting:   state == placement.Running && f.bool(feedbackBlocked),
		Instances: f.instances(),
	}
	if t := f.time(feedbackStartedAt); !t.IsZero() {
		r.StartedAt = placement.At(t)
	}
	if t := f.time(feedbackFinishedAt); !t.IsZero() {
		r.FinishedAt = placement.At(t)
	}
	return r
}

// notYetReported is a cluster that was told and has not answered; applyError is what its work agent said instead.
func notYetReported(cluster, applyError string) placement.ClusterResult {
	return placement.ClusterResult{
		Cluster: cluster, State: placement.Pending, Reason: opsv1alpha1.ReasonNotYetReported,
		Message: opsv1alpha1.Truncate(applyError, opsv1alpha1.MaxMessage),
	}
}

// missing tells whether the work agent does not find an Operation that has reported before.
func missing(work *workv1.ManifestWork) bool {
	f := feedbackOf(work)
	c := f.condition(workv1.ManifestAvailable)
	return c != nil && c.Status == metav1.ConditionFalse && f.string(feedbackPhase) != ""
}

// silence is the verdict on a cluster that has not answered within the start deadline. work and cluster may be nil: not found.
func silence(name string, work *workv1.ManifestWork, cluster *clusterv1.ManagedCluster, deadline time.Duration) placement.ClusterResult {
	r := placement.ClusterResult{Cluster: name, State: placement.Failed, Withdrawn: true}
	switch {
	case cluster == nil:
		r.State, r.Reason = placement.Skipped, opsv1alpha1.ReasonClusterNotFound
		r.Message = fmt.Sprintf("the ManagedCluster %s does not exist any more", name)
	case !meta.IsStatusConditionTrue(cluster.Status.Conditions, clusterv1.ManagedClusterConditionAvailable):
		r.Reason = opsv1alpha1.ReasonClusterUnreachable
		r.Message = fmt.Sprintf("no answer within %s, and the cluster is not available", deadline)
		if c := meta.FindStatusCondition(cluster.Status.Conditions, clusterv1.ManagedClusterConditionAvailable); c != nil && c.Message != "" {
			r.Message += ": " + c.Message
		}
	case work != nil && feedbackOf(work).applyError() != "":
		r.Reason = opsv1alpha1.ReasonAgentMissing
		r.Message = fmt.Sprintf("the cluster's work agent could not deliver within %s: %s", deadline, feedbackOf(work).applyError())
	case work != nil && applied(work):
		r.Reason = opsv1alpha1.ReasonAgentMissing
		r.Message = fmt.Sprintf("delivered, but no agent took it up within %s: is the vWorkspace agent running on the cluster?", deadline)
	default:
		r.Reason = opsv1alpha1.ReasonAgentMissing
		r.Message = fmt.Sprintf("the cluster's work agent did not deliver within %s: is it running?", deadline)
	}
	r.Message = opsv1alpha1.Truncate(r.Message, opsv1alpha1.MaxMessage)
	return r
}

// expire gives up on clusters that have not answered in time, or that lost what they were running. It asks for a pass when the next of
// them is due.
func (r *OperationReconciler) expire(ctx context.Context, p *pass) error {
	deadline := startDeadline(p.op)
	silent, gone, next := p.run.overdue(p.now, deadline)
	for _, name := range silent {
		work, cluster := &workv1.ManifestWork{}, &clusterv1.ManagedCluster{}
		var err error
		if work, err = find(ctx, r.Client, p.run.workOf(name), work); err != nil {
			return fmt.Errorf("read the ManifestWork of cluster %s: %w", name, err)
		}
		if cluster, err = find(ctx, r.Client, types.NamespacedName{Name: name}, cluster); err != nil {
			return fmt.Errorf("read ManagedCluster %s: %w", name, err)
		}
		if work != nil && answered(work) {
			continue // answered this very moment; its event is on the way
		}
		verdict := silence(name, work, cluster, deadline)
		if verdict.Reason == opsv1alpha1.ReasonClusterUnreachable {
			verdict.State = placement.Unreachable(p.op.Spec)
		}
		p.run.settle(verdict)
	}
	for _, name := range gone {
		p.run.settle(placement.ClusterResult{
			Cluster: name, State: placement.Failed, Reason: opsv1alpha1.ReasonResultLost, Withdrawn: true,
			Message: "the Operation was deleted on the cluster before it had ended; it is not run again",
		})
	}
	p.after(next)
	return nil
}

// answered tells whether the spoke's agent has taken the Operation up.
func answered(work *workv1.ManifestWork) bool {
	return feedbackOf(work).string(feedbackPhase) != ""
}

// overdue lists the clusters that have not answered by now, and those whose run has been missing for too long; next is how long it takes
// until another one is due, or 0 when none will be.
func (r *run) overdue(now time.Time, deadline time.Duration) (silent, gone []string, next time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	due := func(since map[string]time.Time, patience time.Duration) (names []string) {
		for name, t := range since {
			left := t.Add(patience).Sub(now)
			if left <= 0 {
				names = append(names, name)
			} else if next == 0 || left < next {
				next = left
			}
		}
		slices.Sort(names)
		return names
	}
	return due(r.silent, deadline), due(r.gone, lostGrace), next
}

// find reads an object, or nil when there is none.
func find[T client.Object](ctx context.Context, c client.Reader, key types.NamespacedName, obj T) (T, error) {
	var none T
	if err := c.Get(ctx, key, obj); err != nil {
		return none, client.IgnoreNotFound(err)
	}
	return obj, nil
}

// workEvents turns events of ManifestWorks into differences of a run's tally, and asks for a pass over the Operation where there was one.
func (r *OperationReconciler) workEvents() handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	runOf := func(o client.Object) *run { return r.runs.get(types.UID(o.GetLabels()[opsv1alpha1.LabelOperation])) }
	ask := func(run *run, q queue) {
		goOn(q, run, run.pause(r.Clock.Now(), r.StatusInterval))
	}
	observe := func(o client.Object, q queue) {
		work, isWork := o.(*workv1.ManifestWork)
		now := r.Clock.Now()
		if run := runOf(o); isWork && run != nil && run.observe(work, now, now) {
			r.Metrics.heard(work, now)
			ask(run, q)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { observe(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { observe(e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) {
			if run := runOf(e.Object); run != nil {
				run.lost(client.ObjectKeyFromObject(e.Object), "its ManifestWork was deleted before it had reported its end; what was begun on the cluster goes on there")
				ask(run, q)
			}
		},
	}
}
