// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"fmt"
	"testing"
	"time"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// opening is a window of an hour, once a day, from a moment on.
func opening(at time.Time) *opsv1alpha1.Window {
	at = at.UTC()
	return &opsv1alpha1.Window{Schedule: fmt.Sprintf("%d %d * * *", at.Minute(), at.Hour()), Duration: *seconds(3600)}
}

// whole is a moment as messages tell it that are about a minute.
func whole(at time.Time) string { return at.UTC().Truncate(time.Minute).Format(time.RFC3339) }

// TestOutside: every message about a window, and when to look again.
func TestOutside(t *testing.T) {
	now := time.Date(2026, 11, 29, 22, 30, 0, 0, time.UTC)
	nightly := &opsv1alpha1.Window{Schedule: "0 22 * * *", Duration: *seconds(3600)}
	uneven := &opsv1alpha1.Window{Schedule: "0 1,2,23 * * *", Duration: *seconds(3600)}
	for name, c := range map[string]struct {
		window  *opsv1alpha1.Window
		after   time.Duration
		takes   time.Duration
		opens   time.Duration
		message string
	}{
		"none":               {nil, 0, time.Hour, 0, ""},
		"open":               {nightly, 0, 30 * time.Minute, 0, ""},
		"shut":               {nightly, time.Hour, 0, 22*time.Hour + 30*time.Minute, "W opens at 2026-11-30T22:00:00Z"},
		"shut, and it takes": {nightly, time.Hour, time.Hour, 22*time.Hour + 30*time.Minute, "W opens at 2026-11-30T22:00:00Z"},
		"too late": {nightly, 0, 31 * time.Minute, 23*time.Hour + 30*time.Minute,
			"a run takes 31m0s, and W closes before that, at 2026-11-29T23:00:00Z; it is next open for so long from 2026-11-30T22:00:00Z on"},
		"the next is too short": {uneven, 0, 2 * time.Hour, 150 * time.Minute,
			"a run takes 2h0m0s, and W closes before that, at 2026-11-30T00:00:00Z; it is next open for so long from 2026-11-30T01:00:00Z on"},
		"never": {nightly, 0, 2 * time.Hour, 0, "a run takes 2h0m0s, and W is never open for so long: make the window's duration longer, or expectedDuration shorter"},
	} {
		w, err := placement.NewWindow(c.window)
		if err != nil {
			t.Fatal(err)
		}
		b := outside(w, now.Add(c.after), c.takes, fmt.Sprintf("a run takes %s, and ", c.takes), "W")
		if b == nil {
			b = &blocker{}
		}
		if b.message != c.message || b.opens != c.opens {
			t.Errorf("%s: after %s: %q\nwanted after %s: %q", name, b.opens, b.message, c.opens, c.message)
		}
	}
}

// TestWindowOfAnOperation: its own holds instead of its template's, be it wider or narrower.
func TestWindowOfAnOperation(t *testing.T) {
	agentClock.resetAfter(t)
	ns := gatedNamespace(t)
	now := agentClock.Now()
	template := listed(t, func(s *opsv1alpha1.OperationTemplateSpec) { s.MaintenanceWindow = opening(now.Add(2 * time.Hour)) })
	instanceOf(t, ns, template)
	wider := following(ns, template)
	wider.Name, wider.Spec.MaintenanceWindow = "wider", opening(now.Add(-time.Minute))
	create(t, wider)
	finish(t, wider)
	narrower := following(ns, template)
	narrower.Name, narrower.Spec.MaintenanceWindow = "narrower", opening(now.Add(4*time.Hour))
	create(t, narrower)
	blockedFrom(t, narrower, opsv1alpha1.ReasonOutsideMaintenanceWindow)
	says(t, narrower, "the maintenance window of this Operation (spec.maintenanceWindow) opens at "+whole(now.Add(4*time.Hour)))
	agentClock.forward(150 * time.Minute) // the template's is open
	patch(t, narrower, func() { narrower.Annotations = map[string]string{"look": "again"} })
	blockedFrom(t, narrower, opsv1alpha1.ReasonOutsideMaintenanceWindow)
	patch(t, narrower, func() { narrower.Spec.MaintenanceWindow = opening(now.Add(2 * time.Hour)) })
	finish(t, narrower)
	reaches(t, narrower, opsv1alpha1.PhaseSucceeded, "")
}

// TestWindowOfMany: an Operation on many instances waits for its window before it is expanded, and they have that window too.
func TestWindowOfMany(t *testing.T) {
	agentClock.resetAfter(t)
	ns := gatedNamespace(t)
	now := agentClock.Now()
	capable(t, ns, "web", widgetName)
	op := selecting(ns, "op", opsv1alpha1.InstanceSelector{})
	op.Spec.StartDeadline, op.Spec.MaintenanceWindow = seconds(1), opening(now.Add(2*time.Hour))
	create(t, op)
	says(t, blockedFrom(t, op, opsv1alpha1.ReasonOutsideMaintenanceWindow), "opens at "+whole(now.Add(2*time.Hour)))
	if n := len(childrenOf(t, op)); n > 0 {
		t.Errorf("%d children", n)
	}
	agentClock.forward(2 * time.Hour)
	patch(t, op, func() { op.Annotations = map[string]string{"look": "again"} })
	c := childOn(t, op, ns, "web")
	if got := c.Spec.MaintenanceWindow; got == nil || *got != *op.Spec.MaintenanceWindow {
		t.Errorf("the child's window is %+v", got)
	}
	finish(t, c)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
}

// TestExpectedDuration: a run that would go on past the end of its window is not started in it.
func TestExpectedDuration(t *testing.T) {
	ns := gatedNamespace(t)
	now := agentClock.Now()
	template := listed(t, func(s *opsv1alpha1.OperationTemplateSpec) {
		s.MaintenanceWindow, s.ExpectedDuration = opening(now.Add(-40*time.Minute)), seconds(1800)
	})
	instanceOf(t, ns, template)
	op := following(ns, template)
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonOutsideMaintenanceWindow)
	says(t, op, "a run takes 30m0s (spec.expectedDuration of OperationTemplate "+template.Name+")", "closes before that, at "+whole(now.Add(20*time.Minute)),
		"from "+whole(now.Add(-40*time.Minute+24*time.Hour))+" on")
	patch(t, template, func() { template.Spec.ExpectedDuration = seconds(7200) })
	says(t, op, "is never open for so long: make the window's duration longer, or expectedDuration shorter")
	patch(t, template, func() { template.Spec.ExpectedDuration = seconds(600) })
	finish(t, op)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
}

// TestWrongWindow: an Operation whose window makes no sense ends, and says what to write.
func TestWrongWindow(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	for name, op := range map[string]*opsv1alpha1.Operation{
		"one": on(ns, "one", "web", opsv1alpha1.TypeBackup), "many": selecting(ns, "many", opsv1alpha1.InstanceSelector{}),
	} {
		op.Spec.MaintenanceWindow = &opsv1alpha1.Window{Schedule: "@daily", Duration: *seconds(3600), TimeZone: "Zurich"}
		create(t, op)
		says(t, reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed),
			`spec.maintenanceWindow: Invalid value: timeZone: "Zurich" is no time zone: use a name such as Europe/Zurich`)
		if t.Failed() {
			t.Error(name)
		}
	}
}
