// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	podsecurity "k8s.io/pod-security-admission/api"
	testclock "k8s.io/utils/clock/testing"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// Each case breaks one thing more than what comes after it in the order, so that the first that does not hold is the one that is told.
func TestPreconditionsInOrder(t *testing.T) {
	op := on("shop", "op", "web", opsv1alpha1.TypeBackup)
	op.Spec.Engine = widgetName
	ready := capableFact(metav1.ConditionTrue)
	good := facts{op: op, gated: true, target: ready, engine: widgetEngine{}, podLevel: podsecurity.LevelRestricted}

	asks := on("shop", "op", "web", opsv1alpha1.TypeBackup)
	asks.Spec.Engine, asks.Spec.Approvals = widgetName, &opsv1alpha1.ApprovalsSpec{Required: true}

	bad := good
	steps := []struct {
		reason string
		with   func(*facts)
	}{
		{opsv1alpha1.ReasonClusterBusy, func(f *facts) { f.policy = &opsv1alpha1.AgentPolicySpec{Busy: "closing"} }},
		{opsv1alpha1.ReasonConflictingOperation, func(f *facts) { f.rival = on("shop", "other", "web", opsv1alpha1.TypeRestore) }},
		{opsv1alpha1.ReasonLocalVeto, func(f *facts) {
			f.policy.Images, f.pods = []string{"registry.example.com/"}, []pods{podUsing("elsewhere.example/x")}
		}},
		{opsv1alpha1.ReasonPodNotRestricted, func(f *facts) { f.pods = []pods{podUsing("x")}; f.pods[0].template.Spec.HostNetwork = true }},
		{"Taken", func(f *facts) { f.plan = &engines.BlockedError{Reason: "Taken", Message: "taken"} }},
		{opsv1alpha1.ReasonAwaitingApproval, func(f *facts) { f.op = asks }},
		{opsv1alpha1.ReasonTargetNotReady, func(f *facts) { f.target = capableFact(metav1.ConditionFalse) }},
		{opsv1alpha1.ReasonEngineNotInstalled, func(f *facts) { f.absent = "Widget.test.vworkspace.io" }},
		{opsv1alpha1.ReasonLocalVeto, func(f *facts) { f.policy.Engines = []opsv1alpha1.OperationEngine{opsv1alpha1.EngineVelero} }},
		{opsv1alpha1.ReasonCapabilityMissing, func(f *facts) { f.target = f.target.DeepCopy(); f.target.Annotations = nil }},
		{opsv1alpha1.ReasonTargetNotFound, func(f *facts) { f.target = nil }},
		{opsv1alpha1.ReasonLocalVeto, func(f *facts) { f.policy.Types = []opsv1alpha1.OperationType{opsv1alpha1.TypeUpgrade} }},
		{opsv1alpha1.ReasonNamespaceNotGated, func(f *facts) { f.gated = false }},
	}
	if b := firstBlocker(good); b != nil {
		t.Fatalf("blocked: %+v", b)
	}
	for _, s := range steps {
		s.with(&bad)
		if b := firstBlocker(bad); b == nil || b.reason != s.reason || b.message == "" {
			t.Errorf("wanted %s, got %+v", s.reason, b)
		}
	}
}

func capableFact(ready metav1.ConditionStatus) *appsv1alpha1.ApplicationInstance {
	ai := placeholder("shop", "web", "shop")
	ai.Annotations = map[string]string{"ops.vworkspace.io/backup": string(widgetName)}
	ai.Status.Conditions = []metav1.Condition{condition(appsv1alpha1.ConditionReady, ready, "R", "m", 0)}
	return ai
}

func TestTargetReady(t *testing.T) {
	stale := capableFact(metav1.ConditionTrue)
	stale.Generation = 2
	silent := capableFact(metav1.ConditionTrue)
	silent.Status.Conditions = nil
	for typ, mends := range map[opsv1alpha1.OperationType]bool{
		opsv1alpha1.TypeBackup: false, opsv1alpha1.TypeMigration: false, opsv1alpha1.TypeRunCommand: false, opsv1alpha1.TypeRunbook: false,
		opsv1alpha1.TypeUpgrade: true, opsv1alpha1.TypeRestore: true,
	} {
		for name, target := range map[string]*appsv1alpha1.ApplicationInstance{
			"false": capableFact(metav1.ConditionFalse), "unknown": capableFact(metav1.ConditionUnknown), "stale": stale, "silent": silent,
		} {
			b := targetReady(facts{op: on("shop", "op", "web", typ), target: target})
			if (b == nil) != mends {
				t.Errorf("%s on a target that is %s: %+v", typ, name, b)
			}
		}
	}
}

func TestBlockedFor(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(minute int, phase opsv1alpha1.OperationPhase, reason string) opsv1alpha1.Transition {
		return opsv1alpha1.Transition{Time: metav1.NewTime(start.Add(time.Duration(minute) * time.Minute)), Phase: phase, Reason: reason}
	}
	pending := opsv1alpha1.PhasePending
	for name, c := range map[string]struct {
		history []opsv1alpha1.Transition
		want    time.Duration
	}{
		"never":    {nil, 0},
		"accepted": {[]opsv1alpha1.Transition{at(0, pending, opsv1alpha1.ReasonAdmissionPassed)}, 0},
		"wrong":    {[]opsv1alpha1.Transition{at(0, pending, opsv1alpha1.ReasonAdmissionPassed), at(4, pending, opsv1alpha1.ReasonTargetNotFound)}, 6 * time.Minute},
		"changing what is wrong does not start anew": {[]opsv1alpha1.Transition{at(1, pending, opsv1alpha1.ReasonTargetNotFound),
			at(9, pending, opsv1alpha1.ReasonTargetNotReady)}, 9 * time.Minute},
		"waiting for others does not count": {[]opsv1alpha1.Transition{at(0, pending, opsv1alpha1.ReasonConflictingOperation),
			at(8, pending, opsv1alpha1.ReasonTargetNotReady)}, 2 * time.Minute},
		"waiting in between does not start anew": {[]opsv1alpha1.Transition{at(0, pending, opsv1alpha1.ReasonTargetNotReady),
			at(3, pending, opsv1alpha1.ReasonConflictingOperation), at(5, pending, opsv1alpha1.ReasonAwaitingApproval),
			at(8, pending, opsv1alpha1.ReasonTargetNotReady)}, 5 * time.Minute},
		"a clock that went back": {[]opsv1alpha1.Transition{at(20, pending, opsv1alpha1.ReasonTargetNotReady)}, 0},
	} {
		if got := blockedFor(c.history, start.Add(10*time.Minute)); got != c.want {
			t.Errorf("%s: %s, wanted %s", name, got, c.want)
		}
	}
}

func TestHoldFailsAfterDeadline(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	op := on("shop", "op", "web", opsv1alpha1.TypeBackup)
	for _, c := range []struct {
		after  time.Duration
		reason string
		phase  opsv1alpha1.OperationPhase
	}{
		{0, opsv1alpha1.ReasonTargetNotFound, opsv1alpha1.PhasePending},
		{4 * time.Minute, opsv1alpha1.ReasonTargetNotFound, opsv1alpha1.PhasePending},
		{time.Hour, opsv1alpha1.ReasonConflictingOperation, opsv1alpha1.PhasePending},
		{time.Hour, opsv1alpha1.ReasonClusterBusy, opsv1alpha1.PhasePending},
	} {
		v := newVisit(nil, op, testclock.NewFakePassiveClock(now.Add(c.after)))
		if v.hold(blocked(c.reason, "m")); op.Status.Phase != c.phase || v.again == 0 {
			t.Errorf("after %s: %s, again in %s", c.after, op.Status.Phase, v.again)
		}
	}
	v := newVisit(nil, op, testclock.NewFakePassiveClock(now.Add(2*time.Hour)))
	v.hold(blocked(opsv1alpha1.ReasonTargetNotFound, "m"))
	if op.Status.Phase != opsv1alpha1.PhaseFailed || op.Status.Message != "not started within 5m0s: m" {
		t.Errorf("%+v", op.Status)
	}
}

func TestRival(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	op := func(uid string, age int, typ opsv1alpha1.OperationType, with ...func(*opsv1alpha1.Operation)) opsv1alpha1.Operation {
		o := on("shop", uid, "web", typ)
		o.UID, o.CreationTimestamp = types.UID(uid), metav1.NewTime(now.Add(-time.Duration(age)*time.Second))
		for _, w := range with {
			w(o)
		}
		return *o
	}
	running := func(o *opsv1alpha1.Operation) { o.Status.Phase = opsv1alpha1.PhaseRunning }
	done := func(o *opsv1alpha1.Operation) { o.Status.Phase = opsv1alpha1.PhaseSucceeded }
	blockedBy := func(reason string) func(*opsv1alpha1.Operation) {
		return func(o *opsv1alpha1.Operation) {
			o.Status.Phase, o.Status.Blocked, o.Status.Reason = opsv1alpha1.PhasePending, true, reason
		}
	}
	const up, down, back, run, move = opsv1alpha1.TypeUpgrade, opsv1alpha1.TypeRestore, opsv1alpha1.TypeBackup, opsv1alpha1.TypeRunCommand, opsv1alpha1.TypeMigration
	for name, c := range map[string]struct {
		me     opsv1alpha1.Operation
		others []opsv1alpha1.Operation
		want   string
	}{
		"alone":                          {op("me", 1, up), nil, ""},
		"itself":                         {op("me", 1, up), []opsv1alpha1.Operation{op("me", 1, up)}, ""},
		"older waits":                    {op("me", 1, up), []opsv1alpha1.Operation{op("a", 2, up)}, "a"},
		"younger waits":                  {op("me", 2, up), []opsv1alpha1.Operation{op("a", 1, up)}, ""},
		"younger runs":                   {op("me", 2, up), []opsv1alpha1.Operation{op("a", 1, up, running)}, "a"},
		"same age, smaller UID":          {op("me", 1, up), []opsv1alpha1.Operation{op("a", 1, up)}, "a"},
		"same age, greater UID":          {op("me", 1, up), []opsv1alpha1.Operation{op("z", 1, up)}, ""},
		"oldest of several":              {op("me", 1, up), []opsv1alpha1.Operation{op("a", 2, up), op("b", 3, down)}, "b"},
		"ended":                          {op("me", 1, up), []opsv1alpha1.Operation{op("a", 2, up, done)}, ""},
		"another target":                 {op("me", 1, up), []opsv1alpha1.Operation{op("a", 2, up, func(o *opsv1alpha1.Operation) { o.Spec.TargetRef.Name = "b" })}, ""},
		"blocked by something else":      {op("me", 1, up), []opsv1alpha1.Operation{op("a", 2, up, blockedBy(opsv1alpha1.ReasonAwaitingApproval))}, ""},
		"in the queue":                   {op("me", 1, up), []opsv1alpha1.Operation{op("a", 2, up, blockedBy(opsv1alpha1.ReasonConflictingOperation))}, "a"},
		"in the queue of a busy cluster": {op("me", 1, up), []opsv1alpha1.Operation{op("a", 2, up, blockedBy(opsv1alpha1.ReasonClusterBusy))}, "a"},
		"being cancelled":                {op("me", 1, up), []opsv1alpha1.Operation{op("a", 2, up, func(o *opsv1alpha1.Operation) { o.Spec.Cancel = true })}, ""},
		"running and being cancelled":    {op("me", 1, up), []opsv1alpha1.Operation{op("a", 2, up, running, func(o *opsv1alpha1.Operation) { o.Spec.Cancel = true })}, "a"},
		"backup and upgrade":             {op("me", 1, back), []opsv1alpha1.Operation{op("a", 2, up, running)}, ""},
		"backup and restore":             {op("me", 1, back), []opsv1alpha1.Operation{op("a", 2, down, running)}, "a"},
		"restore and backup":             {op("me", 1, down), []opsv1alpha1.Operation{op("a", 2, back, running)}, "a"},
		"two backups":                    {op("me", 1, back), []opsv1alpha1.Operation{op("a", 2, back, running)}, ""},
		"migration and upgrade":          {op("me", 1, move), []opsv1alpha1.Operation{op("a", 2, up, running)}, "a"},
		"command and everything":         {op("me", 1, run), []opsv1alpha1.Operation{op("a", 2, up, running), op("b", 2, down, running)}, ""},
	} {
		got := ""
		if r := rival(&c.me, c.others); r != nil {
			got = r.Name
		}
		if got != c.want {
			t.Errorf("%s: %q, wanted %q", name, got, c.want)
		}
	}
}

func TestBlockedPause(t *testing.T) {
	for waited, want := range map[time.Duration]time.Duration{
		0: time.Second, 3 * time.Second: time.Second, 40 * time.Second: 10 * time.Second, time.Hour: time.Minute,
	} {
		if got := blockedPause(waited); got != want {
			t.Errorf("after %s it is looked at again in %s, want %s", waited, got, want)
		}
	}
}
