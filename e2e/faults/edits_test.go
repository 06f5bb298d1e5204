// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestEngineObjects: a person deletes or edits what tells an executor what to do, while it does it. The run ends by what the executor says, or by what is
// left of it, and says so; nothing that was taken away is made again, but for releases: an instance wants its own.
func TestEngineObjects(t *testing.T) {
	const gone = "is gone"
	for _, c := range []struct {
		task, name string
		do         func(w *World) error
		phase      opsv1alpha1.OperationPhase
		words      string
	}{
		{"job", "suspends and resumes", detour("JobSuspended", "Job", true, "suspend"), opsv1alpha1.PhaseSucceeded, ""},
		{"workflow", gone, remove(OnSpoke, "Workflow", ""), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost},
		{"workflow", "stops", set("Workflow", "Terminate", "shutdown"), opsv1alpha1.PhaseFailed, "WorkflowStopped"},
		{"workflow", "suspends and resumes", detour("WorkflowSuspended", "Workflow", true, "suspend"), opsv1alpha1.PhaseSucceeded, ""},
		{"workflow", "edits", set("Workflow", "nobody", "serviceAccountName"), opsv1alpha1.PhaseSucceeded, ""},
		{"velero", gone, remove(OnSpoke, "Backup", ""), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost},
		{"velero", "edits", set("Backup", []any{"other"}, "includedNamespaces"), opsv1alpha1.PhaseSucceeded, ""},
		{"restore", gone, remove(OnSpoke, "Restore", ""), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost},
		{"restore", "resumes the release", set("HelmRelease", false, "suspend"), opsv1alpha1.PhaseSucceeded, ""},
		{"volsync", gone, remove(OnSpoke, "ReplicationSource", ""), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost},
		{"volsync", "pauses and resumes", detour("VolSyncPaused", "ReplicationSource", true, "paused"), opsv1alpha1.PhaseSucceeded, ""},
		{"volsync", "edits the trigger and puts it back", detour("VolSyncTriggerChanged", "ReplicationSource", "again", "trigger", "manual"),
			opsv1alpha1.PhaseSucceeded, ""},
		{"helm", gone, remove(OnSpoke, "HelmRelease", ""), opsv1alpha1.PhaseSucceeded, ""},
		{"helm", "edits the version and puts it back", both(askedFor("1.1.0"), detour("FieldConflict", "HelmRelease", "1.0.5", "chart", "spec", "version")),
			opsv1alpha1.PhaseSucceeded, ""},
		{"helm", "suspends and resumes", detour("HelmReleaseSuspended", "HelmRelease", true, "suspend"), opsv1alpha1.PhaseSucceeded, ""},
		{"helm", "edits the instance", set("ApplicationInstance", "1.0.5", "chart", "version"), opsv1alpha1.PhaseFailed, "TargetChanged"},
		{"helmHookJob", gone, remove(OnSpoke, "Job", ""), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost},
		{"quiesce", gone, remove(OnSpoke, "Backup", ""), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost},
	} {
		t.Run(c.task+" "+c.name, func(t *testing.T) {
			t.Parallel()
			task := taskOf(c.task)
			tell(t, task.story(" "+c.name, func(w *World) error {
				if _, err := task.begin(w, (*World).Hold); err != nil {
					return err
				}
				if err := c.do(w); err != nil {
					return err
				}
				w.Release()
				return w.endsAs(t, c.phase, c.words)
			}), Faults{}, Report{})
		})
	}
}

// set a field of the spec of what there is of a kind on the near cluster.
func set(kind string, value any, fields ...string) func(*World) error {
	return edit(OnSpoke, kind, "", func(o *unstructured.Unstructured) {
		if err := unstructured.SetNestedField(o.Object, value, append([]string{"spec"}, fields...)...); err != nil {
			panic(err) // a test's own value
		}
	})
}

// detour sets a field as set does, waits until a run has said a word about it, and puts the field back as it was.
func detour(word, kind string, value any, fields ...string) func(*World) error {
	path := append([]string{"spec"}, fields...)
	return func(w *World) error {
		was := map[types.UID]any{}
		all, err := w.found(OnSpoke, kind, in(""))
		if err != nil {
			return err
		}
		for _, o := range all {
			was[o.GetUID()], _, _ = unstructured.NestedFieldCopy(o.Object, path...)
		}
		back := edit(OnSpoke, kind, "", func(o *unstructured.Unstructured) {
			unstructured.RemoveNestedField(o.Object, path...)
			if before := was[o.GetUID()]; before != nil {
				_ = unstructured.SetNestedField(o.Object, before, path...)
			}
		})
		return both(set(kind, value, fields...), await(word), back)(w)
	}
}

// askedFor waits until every release on the near cluster is asked for a version: who sees one before that would put another back.
func askedFor(version string) func(*World) error {
	return func(w *World) error {
		return w.await("every release to be asked for version "+version, func() string {
			for _, o := range w.mirror.all(OnSpoke, "HelmRelease") {
				if is := text(o, "spec", "chart", "spec", "version"); is != version {
					return o.GetName() + " is asked for " + is
				}
			}
			return ""
		})
	}
}

// await that a run on the near cluster says a word.
func await(word string) func(*World) error {
	return func(w *World) error {
		return w.await("a run to say "+word, func() string {
			last := "there is none"
			for _, o := range w.mirror.all(OnSpoke, "Operation") {
				if last = fmt.Sprint(status(o)); strings.Contains(last, word) {
					return ""
				}
			}
			return last
		})
	}
}
