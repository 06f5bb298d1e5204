// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func TestNewTransitions(t *testing.T) {
	tr := func(reasons ...string) (h []opsv1alpha1.Transition) {
		for _, r := range reasons {
			h = append(h, opsv1alpha1.Transition{Reason: r})
		}
		return h
	}
	for _, c := range []struct{ before, after, want []opsv1alpha1.Transition }{
		{nil, tr("a"), tr("a")},
		{tr("a"), tr("a", "b"), tr("b")},
		{tr("a", "b"), tr("a", "b"), tr()},
		{tr("a", "b", "c"), tr("b", "c", "d"), tr("d")}, // the oldest fell out
		{tr("a"), tr("b", "c"), tr("b", "c")},
	} {
		got := newTransitions(c.before, c.after)
		if len(got) != len(c.want) || len(got) > 0 && got[0].Reason != c.want[0].Reason {
			t.Errorf("%v -> %v: %v", c.before, c.after, got)
		}
	}
}

// TestTell: one line and one Event per transition, in their order, with the keys of whoever is at work; and nothing for a write that moved nothing.
func TestTell(t *testing.T) {
	var out bytes.Buffer
	ctx := logf.IntoContext(context.Background(), NewLogger(&out, false).WithValues(KeyOperation, "shop/nightly", KeyCluster, "c1"))
	recorder := events.NewFakeRecorder(10)
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "nightly"}, Spec: opsv1alpha1.OperationSpec{Type: opsv1alpha1.TypeBackup}}
	now := time.Unix(1e9, 0)

	before := *op.Status.DeepCopy()
	op.Transition(now).Accept("")
	op.Transition(now).Block(opsv1alpha1.ReasonTargetNotFound, "no such instance")
	Tell(ctx, recorder, op, before)
	before = *op.Status.DeepCopy()
	op.Status.Progress = "1/2"
	Tell(ctx, recorder, op, before)
	op.Transition(now).Run(opsv1alpha1.ReasonEngineStarted, "starting")
	op.Transition(now).Fail(opsv1alpha1.ReasonEngineFailed, "disk full")
	Tell(ctx, recorder, op, before)

	close(recorder.Events)
	var told []string
	for e := range recorder.Events {
		told = append(told, e)
	}
	want := []string{
		"Normal AdmissionPassed Pending", "Warning TargetNotFound no such instance", "Normal EngineStarted starting", "Warning EngineFailed disk full",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("Events (-want +got):\n%s", diff)
	}
	var lines []string
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		lines = append(lines, strings.Join([]string{
			fields["level"].(string), fields["msg"].(string), fields[KeyOperation].(string), fields[KeyCluster].(string), fields["phase"].(string), fields["reason"].(string),
		}, " "))
	}
	want = []string{
		"INFO transition shop/nightly c1 Pending AdmissionPassed",
		"INFO transition shop/nightly c1 Pending TargetNotFound",
		"INFO transition shop/nightly c1 Running EngineStarted",
		"INFO transition shop/nightly c1 Failed EngineFailed",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// TestEventType: a Warning is something to mend.
func TestEventType(t *testing.T) {
	for _, c := range []struct {
		phase  opsv1alpha1.OperationPhase
		reason string
		want   string
	}{
		{opsv1alpha1.PhasePending, opsv1alpha1.ReasonAdmissionPassed, "Normal"},
		{opsv1alpha1.PhasePending, opsv1alpha1.ReasonConflictingOperation, "Normal"},
		{opsv1alpha1.PhasePending, opsv1alpha1.ReasonAwaitingApproval, "Normal"},
		{opsv1alpha1.PhasePending, opsv1alpha1.ReasonEngineNotInstalled, "Warning"},
		{opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonEngineRunning, "Normal"},
		{opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded, "Normal"},
		{opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled, "Normal"},
		{opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonTimeout, "Warning"},
	} {
		if got := eventType(opsv1alpha1.Transition{Phase: c.phase, Reason: c.reason}); got != c.want {
			t.Errorf("%s/%s: %s", c.phase, c.reason, got)
		}
	}
}

// TestVerbose: what only a developer wants to know is left out unless asked for.
func TestVerbose(t *testing.T) {
	for verbose, want := range map[bool]int{false: 1, true: 2} {
		var out bytes.Buffer
		log := NewLogger(&out, verbose)
		log.Info("for everybody")
		log.V(1).Info("for developers")
		if got := strings.Count(out.String(), "\n"); got != want {
			t.Errorf("verbose %v: %s", verbose, out.String())
		}
	}
}
