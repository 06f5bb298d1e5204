// SPDX-License-Identifier: Apache-2.0

package live

import (
	"testing"
	"time"

	xansi "github.com/charmbracelet/x/ansi"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/follow"
	"vworkspace.io/fleet/cmd/vw/live/simulated"
	"vworkspace.io/fleet/placement"
)

func TestGroupTitles(t *testing.T) {
	held := func(reason string) func(*follow.Snapshot) {
		return func(s *follow.Snapshot) {
			s.Operation.Status.Blocked, s.Operation.Status.Reason = true, reason
			s.Cells[2] = placement.ClusterResult{Cluster: s.Cells[2].Cluster}
		}
	}
	for name, c := range map[string]struct {
		change func(*follow.Snapshot)
		want   string
	}{
		"at work": {func(*follow.Snapshot) {}, "rest  1/2  at work"},
		"soaks": {func(s *follow.Snapshot) {
			s.Operation.Status.Rollout.SoakingUntil = &metav1.Time{Time: simulated.Now.Add(90 * time.Second)}
		}, "rest  1/2  soaking until 21:05:35, 1m30s more"},
		"has soaked":               {func(s *follow.Snapshot) { s.Operation.Status.Rollout.SoakingUntil = &metav1.Time{Time: simulated.Now} }, "rest  1/2  at work"},
		"awaits approval":          {held(opsv1alpha1.ReasonAwaitingGroupApproval), "rest  1/2  awaits approval"},
		"is paused":                {held(opsv1alpha1.ReasonSuspended), "rest  1/2  paused"},
		"is halted":                {held(opsv1alpha1.ReasonRolloutHalted), "rest  1/2  halted"},
		"is frozen":                {held(opsv1alpha1.ReasonFrozen), "rest  1/2  frozen"},
		"is outside of its window": {held(opsv1alpha1.ReasonOutsideMaintenanceWindow), "rest  1/2  waits for its maintenance window"},
		"is held otherwise":        {held("Other"), "rest  1/2  held: Other"},
		"waits for another":        {func(s *follow.Snapshot) { s.Operation.Status.Rollout.Group = "canary"; s.Cells[2].State = "" }, "rest  1/2  waits"},
		"is done with a failure":   {func(s *follow.Snapshot) { s.Cells[2].State = placement.Failed }, "rest  2/2  1 failed  done"},
	} {
		s := simulated.Healthy()
		c.change(&s)
		if got := xansi.Strip(title(&s, 1, simulated.Now, 100)); got != c.want {
			t.Errorf("a group that %s is %q, want %q", name, got, c.want)
		}
	}
}

func TestRate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*follow.Snapshot)
		want   string
	}{
		"of a young run": {func(*follow.Snapshot) {}, "1.3 clusters/min"},
		"of the last five minutes": {func(s *follow.Snapshot) {
			s.Operation.Status.StartedAt = &metav1.Time{Time: simulated.Now.Add(-time.Hour)}
			s.Cells[0].FinishedAt = simulated.Now.Add(-6 * time.Minute)
		}, "0.2 clusters/min"},
		"of a run that has ended is of all of it": {func(s *follow.Snapshot) {
			s.Operation.Status.StartedAt = &metav1.Time{Time: simulated.Now.Add(-20 * time.Minute)}
			s.Operation.Status.FinishedAt = &metav1.Time{Time: simulated.Now}
		}, "0.1 clusters/min"},
		"while none has ended":     {func(s *follow.Snapshot) { s.Cells = s.Cells[2:] }, ""},
		"of one not begun":         {func(s *follow.Snapshot) { s.Operation.Status.StartedAt = nil }, ""},
		"by when the hub heard it": {func(s *follow.Snapshot) { s.Cells[0].FinishedAt, s.Cells[0].EndedAt = time.Time{}, simulated.Now }, "1.3 clusters/min"},
	} {
		s := simulated.Healthy()
		c.change(&s)
		if got := rate(&s, simulated.Now); got != c.want {
			t.Errorf("the rate %s is %q, want %q", name, got, c.want)
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 400 * time.Millisecond: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m01s", 17 * time.Minute: "17m", 2*time.Hour + 5*time.Minute: "2h05m",
		50 * time.Hour: "2d02h",
	} {
		if got := short(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}
