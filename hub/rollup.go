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
	d := placement.For(p.op.Spec).Decide(run.plan, run.tally, p.now, 1)
	clusters, instances := run.tally.Clusters(), run.tally.Instances()
	failures := run.tally.Failures()
	started := run.tally.Started()
	if d.Done && p.op.Spec.DryRun {
		d = run.tally.Foretold(d)
	}
	trouble := run.trouble()
	progress := rolloutStatus(run.plan, run.tally, d)
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
	if err == nil && started && s.ExpandedAt == nil {
		// Whoever reads this later takes a cluster without a work and without a kept result for one whose work was deleted.
		s.ExpandedAt = &metav1.Time{Time: placement.At(p.now)}
	}
	if !d.Done || err != nil {
		message := d.Message
		if d.Done {
			message = "every cluster has ended; storing the results"
		}
		if d.Hold != "" && !d.Done {
			p.transition().Await(d.Hold, opsv1alpha1.ReasonRollingOut, message+trouble)
		} else {
			p.transition().Run(opsv1alpha1.ReasonRollingOut, message+trouble)
		}
		return err
	}
	if clusters.Skipped > 0 {
		p.transition().Degrade(opsv1alpha1.ReasonSomeSkipped, fmt.Sprintf("%d of %d clusters were left out", clusters.Skipped, clusters.Total))
	}
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

// rolloutStatus is how far a rollout has come.
func rolloutStatus(plan placement.Plan, tally *placement.Tally, d placement.Decision) *opsv1alpha1.RolloutStatus {
	s := &opsv1alpha1.RolloutStatus{Started: int32(tally.Prefix()), Groups: int32(len(plan.Groups))}
	if !d.Done && len(plan.Groups) > 0 {
		s.Group = plan.GroupName(d.Group)
	}
	if !d.SoakingUntil.IsZero() {
		s.SoakingUntil = &metav1.Time{Time: placement.At(d.SoakingUntil)}
	}
	return s
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
