// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// rollUp brings the tally into the status, and keeps results that nothing else keeps. A run ends only when every result is
// stored: after that nothing needs the ManifestWorks any more.
func (r *OperationReconciler) rollUp(ctx context.Context, p *pass) error {
	run := p.run
	run.mu.Lock()
	d := placement.For(p.op.Spec).Decide(run.plan, run.tally, p.gates, p.now, 1)
	if p.unfinished {
		d.Done, d.Phase, d.Reason = false, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonRollingOut
	}
	clusters, instances := run.tally.Clusters(), run.tally.Instances()
	failures := run.tally.Failures()
	started := run.tally.Started()
	if d.Done && p.op.Spec.DryRun {
		d = run.tally.Foretold(d)
	}
	trouble := run.trouble()
	progress := placement.Progress(p.op.Spec, run.plan, run.tally, d, p.now)
	progress.Attempt = attemptOf(p.op.Status.Rollout)
	p.heard, run.heard = run.heard, time.Time{}
	run.mu.Unlock()

	s := &p.op.Status
	s.Summary = &opsv1alpha1.Summary{Clusters: &clusters}
	if instances.Total > 0 {
		s.Summary.Instances = &instances
	}
	s.Failures = failures
	s.SetProgress(clusters)
	s.Rollout = progress
	err := r.keep(ctx, p, d.Done)
	if err == nil {
		d, err = r.putBack(ctx, p, d)
	}
	if err == nil && started && s.ExpandedAt == nil {
		// Whoever reads this later takes a cluster without a work and without a kept result for one whose work was deleted.
		s.ExpandedAt = &metav1.Time{Time: placement.At(p.now)}
	}
	if !d.Done || err != nil {
		message := d.Message
		if d.Done {
			message = "every cluster has ended; storing the results"
		}
		p.goesOn(d, message+trouble)
		return err
	}
	if clusters.Skipped > 0 {
		p.transition().Degrade(opsv1alpha1.ReasonSomeSkipped, fmt.Sprintf("%d of %d clusters were left out", clusters.Skipped, clusters.Total))
	}
	return p.ends(d)
}

// ends says how a run has ended.
func (p *pass) ends(d placement.Decision) error {
	switch t := p.transition(); d.Phase {
	case opsv1alpha1.PhaseSucceeded:
		t.Succeed(d.Reason, d.Message)
	case opsv1alpha1.PhaseCancelled:
		t.Cancel(d.Reason, d.Message)
	case opsv1alpha1.PhaseFailed:
		t.Fail(d.Reason, d.Message)
	default:
		return errors.New("a run that is done must have a final phase, not " + string(d.Phase))
	}
	return nil
}

// goesOn says how a run stands that has not ended.
func (p *pass) goesOn(d placement.Decision, message string) {
	doing := opsv1alpha1.ReasonRollingOut
	if d.RollBack {
		doing = opsv1alpha1.ReasonRollingBack
	}
	if d.Hold != "" && !d.Done {
		p.transition().Await(d.Hold, doing, message)
		return
	}
	p.transition().Run(doing, message)
}

// trouble sums up what keeps ManifestWorks from being created; empty when nothing does.
func (r *run) trouble() string {
	if len(r.troubles) == 0 {
		return ""
	}
	first := ""
	for cluster := range r.troubles {
		if first == "" || cluster < first {
			first = cluster
		}
	}
	return fmt.Sprintf("; cannot create the ManifestWorks of %d clusters, in %s: %v", len(r.troubles), first, r.troubles[first].err)
}
