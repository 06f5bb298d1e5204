// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"context"
	"errors"
	"flag"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

var update = flag.Bool("update", false, "write what the engines say to the golden files")

// saidPlan, saidOutcome and saidCancel are what the golden files hold.
type (
	saidPlan struct {
		Changes []saidChange `json:"changes,omitempty"`
		Error   *saidError   `json:"error,omitempty"`
	}
	saidChange struct {
		Verb   engines.Verb   `json:"verb"`
		Object map[string]any `json:"object"`
	}
	saidOutcome struct {
		State    engines.State        `json:"state,omitempty"`
		Reason   string               `json:"reason,omitempty"`
		Message  string               `json:"message,omitempty"`
		Progress string               `json:"progress,omitempty"`
		Degraded string               `json:"degraded,omitempty"`
		Waiting  string               `json:"waiting,omitempty"`
		Untimed  bool                 `json:"untimed,omitempty"`
		Began    *metav1.Time         `json:"began,omitempty"`
		Next     []saidChange         `json:"next,omitempty"`
		Remind   []saidChange         `json:"remind,omitempty"`
		Outputs  map[string]string    `json:"outputs,omitempty"`
		LogsRef  *opsv1alpha1.LogsRef `json:"logsRef,omitempty"`
		Error    *saidError           `json:"error,omitempty"`
	}
	saidCancel struct {
		Delete  []string     `json:"delete,omitempty"`
		Apply   []saidChange `json:"apply,omitempty"`
		Message string       `json:"message"`
		Error   *saidError   `json:"error,omitempty"`
	}
	saidError struct {
		// Kind is Invalid, Blocked or Retry.
		Kind    string `json:"kind"`
		Reason  string `json:"reason,omitempty"`
		Message string `json:"message"`
	}
)

// Golden runs every case below dir. What exists beside live.yaml comes from more, which is given a case's folder: objects whose stored form
// nobody can read, such as a release record, are made from a form that people can.
func Golden(t *testing.T, engine engines.Engine, dir string, more ...func(t testing.TB, folder string) []client.Object) {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(dir, "*", "operation.yaml"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("no cases in %s: %v", dir, err)
	}
	for _, file := range folders {
		folder := filepath.Dir(file)
		t.Run(filepath.Base(folder), func(t *testing.T) { runCase(t, engine, folder, more) })
	}
}

func runCase(t *testing.T, engine engines.Engine, folder string, more []func(t testing.TB, folder string) []client.Object) {
	s := newScheme()
	run := engines.Run{
		Operation: readOne[*opsv1alpha1.Operation](t, filepath.Join(folder, "operation.yaml")),
		Target:    readOne[*appsv1alpha1.ApplicationInstance](t, filepath.Join(folder, "target.yaml")),
		Cluster:   "cluster1",
	}
	live := ReadObjects(t, filepath.Join(folder, "live.yaml"))
	for _, objects := range more {
		live = append(live, objects(t, folder)...)
	}
	if run.Target != nil {
		live = append(live, run.Target)
	}
	r := NewCluster(t, live...).Reader()

	keepsSecrets := secretsOf(live)
	changes, err := engine.Plan(t.Context(), r, run)
	keepsSecrets(t, "Plan", sayError(err))
	compare(t, filepath.Join(folder, "plan.yaml"), saidPlan{Changes: sayChanges(t, s, changes), Error: sayError(err)})

	o, err := engine.Observe(t.Context(), r, run)
	if len(o.Message) > opsv1alpha1.MaxMessage {
		t.Errorf("the message has %d bytes", len(o.Message))
	}
	said := sayOutcome(t, s, o, err)
	compare(t, filepath.Join(folder, "outcome.yaml"), said)
	said.Next, said.Remind = nil, nil
	keepsSecrets(t, "Observe", said)
	if canceler, ok := engine.(engines.Canceler); ok {
		said := sayCancel(t.Context(), t, s, canceler, r, run)
		compare(t, filepath.Join(folder, "cancel.yaml"), said)
		keepsSecrets(t, "Cancel", said.Message, said.Error)
	}
}

func sayOutcome(t testing.TB, s *runtime.Scheme, o engines.Outcome, err error) saidOutcome {
	t.Helper()
	said := saidOutcome{
		State: o.State, Reason: o.Reason, Message: o.Message, Progress: o.Progress, Degraded: o.Degraded,
		Waiting: o.Waiting, Untimed: o.Untimed, Next: sayChanges(t, s, o.Next), Remind: sayChanges(t, s, o.Remind),
		Outputs: o.Outputs, LogsRef: o.LogsRef, Error: sayError(err),
	}
	if !o.Began.IsZero() {
		said.Began = &metav1.Time{Time: o.Began.UTC()}
	}
	return said
}

func sayCancel(ctx context.Context, t testing.TB, s *runtime.Scheme, c engines.Canceler, r client.Reader, run engines.Run) saidCancel {
	cancel, err := c.Cancel(ctx, r, run)
	said := saidCancel{Apply: sayChanges(t, s, cancel.Apply), Message: cancel.Message, Error: sayError(err)}
	for _, obj := range cancel.Delete {
		said.Delete = append(said.Delete, kindOf(t, s, obj)+" "+client.ObjectKeyFromObject(obj).String()+" "+string(obj.GetUID()))
	}
	return said
}

func sayChanges(t testing.TB, s *runtime.Scheme, changes []engines.Change) []saidChange {
	t.Helper()
	var said []saidChange
	for _, c := range changes {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(c.Object.DeepCopyObject())
		if err != nil {
			t.Fatal(err)
		}
		gvk, err := apiutil.GVKForObject(c.Object, s)
		if err != nil {
			t.Fatal(err)
		}
		content["apiVersion"], content["kind"] = gvk.GroupVersion().String(), gvk.Kind
		delete(content, "status")
		said = append(said, saidChange{Verb: c.Verb, Object: content})
	}
	return said
}

func sayError(err error) *saidError {
	var invalid *engines.InvalidError
	var blocked *engines.BlockedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return &saidError{Kind: "Invalid", Reason: invalid.Reason, Message: err.Error()}
	case errors.As(err, &blocked):
		return &saidError{Kind: "Blocked", Reason: blocked.Reason, Message: err.Error()}
	default:
		return &saidError{Kind: "Retry", Message: err.Error()}
	}
}

func kindOf(t testing.TB, s *runtime.Scheme, obj client.Object) string {
	t.Helper()
	gvk, err := apiutil.GVKForObject(obj, s)
	if err != nil {
		t.Fatal(err)
	}
	return gvk.Kind
}

// difference compares texts line by line.
func difference(want, got string) string {
	return cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n"))
}
