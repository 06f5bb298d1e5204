// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	logf "sigs.k8s.io/controller-runtime/pkg/log"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
	"vworkspace.io/fleet/telemetry"
)

// dispatch starts the clusters that the rollout says: one ManifestWork each, created once. That a work exists already is how a hub
// that was killed in the middle finds out what it had done.
func (r *OperationReconciler) dispatch(ctx context.Context, p *pass) error {
	run := p.run
	run.mu.Lock()
	d := placement.For(p.op.Spec).Decide(run.plan, run.tally, p.gates, p.now, dispatchBatch)
	spec := run.plan.Spec
	own, wrong := run.parametersOf(d.Start)
	run.mu.Unlock()
	if wrong != nil {
		return wrong
	}

	for _, cluster := range d.Skip {
		run.settle(notBegun(cluster, d))
	}
	for _, cluster := range d.Late {
		run.settle(placement.ClusterResult{
			Cluster: cluster, State: placement.Failed, Reason: opsv1alpha1.ReasonProgressDeadlineExceeded, Withdrawn: true,
			Message: "it has not ended within the progressDeadline of spec.rollout, and is told to stop",
		})
	}
	c := newCourier(p.op, spec, r.AgentNamespace, p.now)
	if err := r.nameRequester(ctx, p.op, &c); err != nil {
		return err
	}
	c.parameters = own
	troubles := 0
	_, err := inTurn(ctx, r, p, d.Start, turn, func(ctx context.Context, cluster string) error {
		return r.send(ctx, p, c, cluster)
	}, func(cluster string, err error) {
		if troubles++; troubles == 1 {
			logf.FromContext(ctx).Error(err, "cannot create a ManifestWork; trying again", telemetry.KeyCluster, cluster)
		}
		r.noteTrouble(p, cluster, err)
	})
	if len(d.Start) > 0 {
		run.dispatched(r.Clock.Now())
	}
	p.after(d.RequeueAfter)
	switch {
	case troubles > 0:
		p.after(retryEvery * r.StatusInterval)
	case d.More:
		p.after(1) // the next batch at once, after the status was written
	}
	return err
}

// send creates the ManifestWork of one cluster, or finds out why there can be none.
func (r *OperationReconciler) send(ctx context.Context, p *pass, c courier, cluster string) error {
	var err error
	if c.spec.MaintenanceWindow, err = r.window(ctx, p.op, cluster); err != nil {
		return err
	}
	work, err := c.manifestWork(p.run.workOf(cluster))
	if err != nil {
		return err
	}
	err = r.Create(briefly(ctx), work)
	switch {
	case err == nil:
		p.run.sent(cluster, p.now)
		return nil
	case apierrors.IsAlreadyExists(err):
		return r.recognise(ctx, p, cluster)
	case noNamespace(err):
		p.run.settle(placement.ClusterResult{
			Cluster: cluster, State: placement.Skipped, Reason: opsv1alpha1.ReasonClusterNotFound,
			Message: fmt.Sprintf("the hub has no namespace for cluster %s: it does not exist any more", cluster),
		})
		return nil
	default:
		return err
	}
}

// dispatched records when ManifestWorks were created last.
func (r *run) dispatched(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sentLast = at
}

// recognise takes up a ManifestWork that exists under the run's name, if it is the run's.
func (r *OperationReconciler) recognise(ctx context.Context, p *pass, cluster string) error {
	key := p.run.workOf(cluster)
	work, err := find(ctx, r.Live, key, &workv1.ManifestWork{})
	switch {
	case err != nil:
		return err
	case work == nil:
		return errors.New("the ManifestWork existed and is gone again")
	case work.Labels[opsv1alpha1.LabelOperation] != string(p.op.UID):
		p.run.settle(placement.ClusterResult{
			Cluster: cluster, State: placement.Failed, Reason: opsv1alpha1.ReasonNameConflict,
			Message: fmt.Sprintf("the ManifestWork %s exists and is not of this Operation", key),
		})
		return nil
	}
	p.run.sent(cluster, work.CreationTimestamp.Time)
	p.run.observe(work, work.CreationTimestamp.Time, p.now)
	return nil
}

// noteTrouble remembers since when a cluster could not be sent to, and gives it up when the start deadline has passed.
func (r *OperationReconciler) noteTrouble(p *pass, cluster string, err error) {
	run := p.run
	run.mu.Lock()
	t, known := run.troubles[cluster]
	if !known {
		t.since = p.now
	}
	t.err = err
	run.troubles[cluster] = t
	run.mu.Unlock()
	if p.now.Sub(t.since) >= startDeadline(p.op) {
		run.settle(placement.ClusterResult{
			Cluster: cluster, State: placement.Failed, Reason: opsv1alpha1.ReasonDispatchFailed,
			Message: opsv1alpha1.Truncate("cannot create the ManifestWork: "+err.Error(), opsv1alpha1.MaxMessage),
		})
	}
}

// noNamespace tells whether a cluster has no namespace on the hub, or is losing it: its ManagedCluster is gone.
func noNamespace(err error) bool {
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return true
	}
	var status apierrors.APIStatus
	return apierrors.IsNotFound(err) && errors.As(err, &status) &&
		status.Status().Details != nil && status.Status().Details.Kind == "namespaces"
}
