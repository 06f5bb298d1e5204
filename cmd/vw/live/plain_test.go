// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/follow"
	"vworkspace.io/fleet/cmd/vw/live/simulated"
	"vworkspace.io/fleet/placement"
)

// story is a source that goes on by one snapshot each time it is asked, and stays at the last.
type story struct {
	simulated.Source
	snapshots []follow.Snapshot
}

func (s *story) Snapshot() follow.Snapshot {
	now := s.snapshots[0]
	if len(s.snapshots) > 1 {
		s.snapshots = s.snapshots[1:]
	}
	return now
}

func lines(t *testing.T, snapshots ...follow.Snapshot) []string {
	t.Helper()
	news := make(chan struct{})
	close(news) // there always is some
	var out bytes.Buffer
	clock := simulated.Now
	_, err := Plain(t.Context(), &out, &story{simulated.Source{News: news}, snapshots}, Options{Program: "vw", Now: func() time.Time {
		clock = clock.Add(2 * time.Second)
		return clock
	}})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(out.String()), "\n")
}

func TestPlain(t *testing.T) {
	first := simulated.Healthy()
	reading := first
	reading.Reading = true
	waiting := change(first, func(s *follow.Snapshot) {
		s.Cells[2].Waiting, s.Cells[2].Reason, s.Cells[2].Message = true, opsv1alpha1.ReasonAwaitingResume, "resume\nit"
	})
	down := change(waiting, func(s *follow.Snapshot) {
		s.Down, s.Why, s.Missing = simulated.Now, "connection refused", []string{"no right to that"}
	})
	end := change(waiting, func(s *follow.Snapshot) {
		s.Cells[2] = placement.ClusterResult{Cluster: "porto-1", State: placement.Failed, Reason: "BackupFailed", Message: "the store is full"}
		status := &s.Operation.Status
		status.Phase, status.Reason, status.Message = opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed, "1 of 3 clusters failed"
		status.Summary.Clusters = &opsv1alpha1.Counts{Total: 3, Succeeded: 2, Failed: 1}
	})
	want := []string{
		"21:04:07 running porto-1: 4 of 6 instances ended, 2 running",
		"21:04:07 Running RollingOut 2/3 clusters, 1 running, group rest: 2 of 3 clusters ended, 1 running",
		"21:04:09 waiting porto-1: AwaitingResume: resume it",
		"21:04:11 no right to that",
		"21:04:11 not connected: connection refused",
		"21:04:13 connected again",
		"21:04:15 failed porto-1: BackupFailed: the store is full",
		"21:04:15 Failed SomeFailed 3/3 clusters, 1 failed: 1 of 3 clusters failed",
	}
	if diff := cmp.Diff(want, lines(t, reading, first, waiting, down, waiting, end)); diff != "" {
		t.Error(diff)
	}
}

func change(s follow.Snapshot, change func(*follow.Snapshot)) follow.Snapshot {
	s.Operation = s.Operation.DeepCopy()
	s.Cells = append([]placement.ClusterResult(nil), s.Cells...)
	change(&s)
	return s
}

func TestPlainOfManyTellsOnlyWhatIsInTheWay(t *testing.T) {
	end := change(simulated.Fleet(1000, 1), func(s *follow.Snapshot) { s.Operation.Status.Phase = opsv1alpha1.PhaseFailed })
	printed := lines(t, simulated.Fleet(1000, 0.5), end)
	if n := len(printed); n > 2*(atOnce+2) {
		t.Errorf("%d lines", n)
	}
	for _, line := range printed {
		if strings.Contains(line, " succeeded ") || strings.Contains(line, " sent ") {
			t.Error(line)
		}
	}
}

func TestPlainLeavesWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	_, err := Plain(ctx, &out, &simulated.Source{Shown: simulated.Healthy()}, Options{Now: now})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestPlainOfOneThatIsDeleted(t *testing.T) {
	gone := change(simulated.Healthy(), func(s *follow.Snapshot) { s.Gone = true })
	printed := lines(t, gone)
	if !strings.Contains(printed[0], "the Operation was deleted") {
		t.Error(printed)
	}
}

func TestSummary(t *testing.T) {
	failed := change(simulated.Faults(), func(s *follow.Snapshot) {
		status := &s.Operation.Status
		status.Phase, status.Reason, status.Message = opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed, "2 of 5 clusters failed: oslo-1"
		status.FinishedAt = &metav1.Time{Time: status.StartedAt.Add(9 * time.Minute)}
		status.Summary.Clusters = &opsv1alpha1.Counts{Total: 5, Succeeded: 3, Failed: 2}
		s.Cells[1].Message, s.Cells[3].Message = "no pods", "no answer"
	})
	unseen := change(failed, func(s *follow.Snapshot) {
		s.Cells = nil
		s.Operation.Status.Failures = []opsv1alpha1.Failure{{Name: "oslo-1", Reason: "HelmUpgradeFailed"}}
	})
	spoke := change(failed, func(s *follow.Snapshot) { s.Spoke, s.Cells, s.Operation.Status.Summary = true, nil, nil })
	for name, c := range map[string]struct {
		s    follow.Snapshot
		want string
	}{
		"running": {simulated.Healthy(), `shops/nightly-backup Running RollingOut, elapsed 1m34s: 2 of 3 clusters ended, 1 running
  3 clusters: 2 succeeded, 1 running
It goes on. Look again: vw watch nightly-backup -n shops
`},
		"failed": {failed, `shops/upgrade-24-9 Failed SomeFailed, took 9m00s: 2 of 5 clusters failed: oslo-1
  5 clusters: 3 succeeded, 2 failed
  failed oslo-1: HelmUpgradeFailed: no pods
  failed riga-1: ClusterUnreachable: no answer
See why:   vw describe op upgrade-24-9 -n shops --cluster oslo-1
Try again: vw retry upgrade-24-9 -n shops --failed
`},
		"where clusters cannot be seen": {unseen, `shops/upgrade-24-9 Failed SomeFailed, took 9m00s: 2 of 5 clusters failed: oslo-1
  5 clusters: 3 succeeded, 2 failed
  failed oslo-1: HelmUpgradeFailed
See why:   vw describe op upgrade-24-9 -n shops --cluster oslo-1
Try again: vw retry upgrade-24-9 -n shops --failed
`},
		"on a spoke": {spoke, `shops/upgrade-24-9 Failed SomeFailed, took 9m00s: 2 of 5 clusters failed: oslo-1
See why:   vw describe op upgrade-24-9 -n shops
`},
	} {
		var out bytes.Buffer
		if err := Summary(&out, &c.s, Options{Program: "vw", Now: now}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, out.String()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
