// SPDX-License-Identifier: Apache-2.0

// Package simulated makes up runs for the pictures, tests and benchmarks of the live view: always the same ones.
package simulated

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"k8s.io/apimachinery/pkg/types"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/follow"
	"vworkspace.io/fleet/placement"
)

// Now is when all of it happens.
var Now = time.Date(2026, 11, 29, 21, 4, 5, 0, time.UTC)

// Source that shows one Snapshot, and does nothing.
type Source struct {
	Shown follow.Snapshot
	News  chan struct{}
}

// Snapshot implements live.Source.
func (s *Source) Snapshot() follow.Snapshot { return s.Shown }

// Changed implements live.Source.
func (s *Source) Changed() <-chan struct{} { return s.News }

// Suspend implements live.Source.
func (s *Source) Suspend(context.Context, bool) error { return nil }

// Cancel implements live.Source.
func (s *Source) Cancel(context.Context) error { return nil }

func at(d time.Duration) *metav1.Time { return &metav1.Time{Time: Now.Add(d)} }

func operation(namespace, name string, kind opsv1alpha1.OperationType, template string, since time.Duration) *opsv1alpha1.Operation {
	return &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, UID: "5f0c1c9e-31a1-4b43-9f7b-0d1a5a4b7c11", CreationTimestamp: *at(-since),
			Annotations: map[string]string{opsv1alpha1.AnnotationRequestedBy: "maria@example.org"},
		},
		Spec: opsv1alpha1.OperationSpec{
			Type: kind, Placement: &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}}, TemplateRef: &opsv1alpha1.TemplateRef{Name: template},
		},
		Status: opsv1alpha1.OperationStatus{Phase: opsv1alpha1.PhaseRunning, Reason: opsv1alpha1.ReasonRollingOut, StartedAt: at(2*time.Second - since)},
	}
}

// sum up the cells in the status, as the hub does.
func sum(s follow.Snapshot) follow.Snapshot {
	counts := follow.Count(s.Cells)
	s.Operation.Status.Summary = &opsv1alpha1.Summary{Clusters: &counts}
	name := opsv1alpha1.RunName(s.Operation.Name, s.Operation.UID)
	s.Object = func(cell string) (types.NamespacedName, bool) {
		return types.NamespacedName{Namespace: cell, Name: name}, true
	}
	return s
}

// Healthy run of three clusters that goes well.
func Healthy() follow.Snapshot {
	op := operation("shops", "nightly-backup", opsv1alpha1.TypeBackup, "backup-velero", 96*time.Second)
	op.Status.Message = "2 of 3 clusters ended, 1 running"
	op.Status.Rollout = &opsv1alpha1.RolloutStatus{Started: 3, Group: "rest", Groups: 2, ExpectedEnd: at(24 * time.Second)}
	return sum(follow.Snapshot{
		Operation: op,
		Groups:    []follow.Group{{Name: "canary", From: 0, To: 1}, {Name: "rest", From: 1, To: 3}},
		Cells: []placement.ClusterResult{
			ended("berlin-1", placement.Succeeded, 94*time.Second, 41*time.Second, instances(4, 0), opsv1alpha1.ReasonAllSucceeded, "4 of 4 instances succeeded"),
			ended("oslo-1", placement.Succeeded, 52*time.Second, 38*time.Second, instances(2, 0), opsv1alpha1.ReasonAllSucceeded, "2 of 2 instances succeeded"),
			{
				Cluster: "porto-1", State: placement.Running, Reason: opsv1alpha1.ReasonExpanded, StartedAt: Now.Add(-50 * time.Second),
				Instances: opsv1alpha1.Counts{Total: 6, Succeeded: 4, Running: 2}, Message: "4 of 6 instances ended, 2 running",
			},
		},
	})
}

// Faults of three kinds on four clusters: an application that does not come up, a backup store that is not there, and a cluster that does not answer.
func Faults() follow.Snapshot {
	op := operation("shops", "upgrade-24-9", opsv1alpha1.TypeUpgrade, "upgrade-helm", 7*time.Minute)
	op.Status.Blocked, op.Status.Reason = true, opsv1alpha1.ReasonRolloutHalted
	op.Status.Message = "halted: 2 of its clusters failed, and 1 may: oslo-1: deployment shop/web exceeded its progress deadline"
	op.Status.Rollout = &opsv1alpha1.RolloutStatus{Started: 4, Group: "rest", Groups: 2}
	return sum(follow.Snapshot{
		Operation: op,
		Groups:    []follow.Group{{Name: "canary", From: 0, To: 1}, {Name: "rest", From: 1, To: 5}},
		Cells: []placement.ClusterResult{
			ended("berlin-1", placement.Succeeded, 410*time.Second, 66*time.Second, instances(4, 0), opsv1alpha1.ReasonAllSucceeded, "4 of 4 instances succeeded"),
			ended("oslo-1", placement.Failed, 330*time.Second, 185*time.Second, instances(1, 1), "HelmUpgradeFailed",
				"instance shop-oslo/web: Helm upgrade failed for release shop-oslo/web with chart nextcloud@6.2.1: deployment shop-oslo/web exceeded its progress deadline: 0 of 2 replicas are available"),
			{
				Cluster: "porto-1", State: placement.Blocked, Reason: opsv1alpha1.ReasonPreconditionFailed,
				Message: "precondition backup-is-fresh does not hold: no BackupStorageLocation is Available", Instances: opsv1alpha1.Counts{Total: 6, Blocked: 6},
			},
			{
				Cluster: "riga-1", State: placement.Failed, Reason: opsv1alpha1.ReasonClusterUnreachable, EndedAt: Now.Add(-21 * time.Second), Withdrawn: true,
				Message: "no answer within 5m0s, and the cluster is not available: its work agent has not renewed its lease for 6 minutes",
			},
			{Cluster: "vigo-1"},
		},
	})
}

func instances(succeeded, failed int32) opsv1alpha1.Counts {
	return opsv1alpha1.Counts{Total: succeeded + failed, Succeeded: succeeded, Failed: failed}
}

// ended is a cell that began so long ago and took so long.
func ended(name string, state placement.State, began, took time.Duration, counts opsv1alpha1.Counts, reason, message string) placement.ClusterResult {
	return placement.ClusterResult{
		Cluster: name, State: state, Reason: reason, Message: message, StartedAt: Now.Add(-began), FinishedAt: Now.Add(took - began), Instances: counts,
	}
}

// regions that the clusters of a Fleet are in, after the canaries.
var regions = []string{"eu-west", "eu-north", "us-east", "ap-south"}

// Fleet of n clusters that is so far, from 0 to 1; three percent fail.
func Fleet(n int, far float64) follow.Snapshot {
	op := operation("shops", "upgrade-24-9", opsv1alpha1.TypeUpgrade, "upgrade-helm", 26*time.Minute)
	s := follow.Snapshot{Operation: op, Cells: make([]placement.ClusterResult, 0, n)}
	canaries := max(3, n/100)
	add := func(group string, clusters int) {
		from := len(s.Cells)
		for i := range clusters {
			s.Cells = append(s.Cells, placement.ClusterResult{Cluster: fmt.Sprintf("%s-%0*d", group, len(fmt.Sprint(clusters)), i+1)})
		}
		s.Groups = append(s.Groups, follow.Group{Name: group, From: from, To: len(s.Cells)})
	}
	add("canary", canaries)
	for i, region := range regions {
		add(region, (n-canaries+i)/len(regions))
	}
	random := rand.New(rand.NewPCG(7, 24))
	work := max(1, n/25)
	done := int(far * float64(n))
	for i := range s.Cells {
		settle(&s.Cells[i], i, done, work, random)
	}
	group := 0
	for group < len(s.Groups)-1 && s.Groups[group].To <= done {
		group++
	}
	op.Status.Rollout = &opsv1alpha1.RolloutStatus{Started: int32(min(n, done+work)), Group: s.Groups[group].Name, Groups: int32(len(s.Groups)), ExpectedEnd: at(17 * time.Minute)}
	counts := follow.Count(s.Cells)
	op.Status.Message = fmt.Sprintf("%d of %d clusters ended, %d running, %d pending, %d failed", counts.Done(), counts.Total, counts.Running, counts.Pending, counts.Failed)
	return sum(s)
}

// troubles that clusters of a Fleet have.
var troubles = []struct{ reason, message string }{
	{"HelmUpgradeFailed", "instance shop/web: Helm upgrade failed for release shop/web with chart nextcloud@6.2.1: deployment shop/web exceeded its progress deadline"},
	{opsv1alpha1.ReasonClusterUnreachable, "no answer within 5m0s, and the cluster is not available: its work agent has not renewed its lease for 6 minutes"},
	{opsv1alpha1.ReasonRbacProfileMissing, "profile upgrade.helm may not patch helmreleases.helm.toolkit.fluxcd.io in shop"},
	{opsv1alpha1.ReasonTimeout, "the run took longer than spec.timeout, 10m0s"},
}

func settle(cell *placement.ClusterResult, i, done, work int, random *rand.Rand) {
	began := 24*time.Minute - time.Duration(float64(i)/float64(max(1, done))*float64(22*time.Minute))
	took := 40*time.Second + time.Duration(random.IntN(40))*time.Second
	fate := random.IntN(100)
	trouble := troubles[random.IntN(len(troubles))]
	cell.Instances = opsv1alpha1.Counts{Total: 3, Pending: 3}
	switch {
	case i < done && fate < 3:
		*cell = ended(cell.Cluster, placement.Failed, began, took, instances(2, 1), trouble.reason, trouble.message)
	case i < done && fate < 4:
		cell.State, cell.Reason, cell.Message = placement.Skipped, opsv1alpha1.ReasonClusterNotFound, "the ManagedCluster does not exist any more"
	case i < done:
		*cell = ended(cell.Cluster, placement.Succeeded, began, took, instances(3, 0), opsv1alpha1.ReasonAllSucceeded, "3 of 3 instances succeeded")
	case i < done+work && fate < 70:
		cell.State, cell.Reason, cell.StartedAt = placement.Running, opsv1alpha1.ReasonExpanded, Now.Add(-took)
	case i < done+work && fate < 75:
		cell.State, cell.Waiting, cell.Reason, cell.StartedAt = placement.Running, true, opsv1alpha1.ReasonAwaitingResume, Now.Add(-took)
		cell.Message = "the workflow is suspended at step check-by-hand: resume it in Argo Workflows"
	case i < done+work && fate < 82:
		cell.State, cell.Reason, cell.Message = placement.Blocked, opsv1alpha1.ReasonOutsideMaintenanceWindow, "the window of the cluster opens at 22:00 UTC"
	case i < done+work:
		cell.State, cell.Reason = placement.Pending, opsv1alpha1.ReasonNotYetReported
	default:
		cell.Instances = opsv1alpha1.Counts{}
	}
}
