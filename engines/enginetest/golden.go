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

// Golden runs every case below dir.
func Golden(t *testing.T, engine engines.Engine, dir string) {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(dir, "*", "operation.yaml"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("no cases in %s: %v", dir, err)
	}
	for _, file := range folders {
		folder := filepath.Dir(file)
		t.Run(filepath.Base(folder), func(t *testing.T) { runCase(t, engine, folder) })
	}
}

func runCase(t *testing.T, engine engines.Engine, folder string) {
	s := newScheme()
	run := engines.Run{
		Operation: readOne[*opsv1alpha1.Operation](t, filepath.Join(folder, "operation.yaml")),
		Target:    readOne[*appsv1alpha1.ApplicationInstance](t, filepath.Join(folder, "target.yaml")),
		Cluster:   "cluster1",
	}
	live := ReadObjects(t, filepath.Join(folder, "live.yaml"))
	if run.Target != nil {
		live = append(live, run.Target)
	}
	r := NewCluster(t, live...).Reader()

	changes, err := engine.Plan(t.Context(), r, run)
	compare(t, filepath.Join(folder, "plan.yaml"), saidPlan{Changes: sayChanges(t, s, changes), Error: sayError(err)})

	o, err := engine.Observe(t.Context(), r, run)
	if len(o.Message) > opsv1alpha1.MaxMessage {
		t.Errorf("the message has %d bytes", len(o.Message))
	}
	compare(t, filepath.Join(folder, "outcome.yaml"), saidOutcome{
		State: o.State, Reason: o.Reason, Message: o.Message, Progress: o.Progress,
		Degraded: o.Degraded, Outputs: o.Outputs, LogsRef: o.LogsRef, Error: sayError(err),
	})
	if canceler, ok := engine.(engines.Canceler); ok {
		compare(t, filepath.Join(folder, "cancel.yaml"), sayCancel(t.Context(), t, s, canceler, r, run))
	}
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
		return &saidError{Kind: "Invalid", Message: err.Error()}
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
