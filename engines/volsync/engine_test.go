// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/enginetest"
)

const volsyncAPI = "github.com/backube/volsync/api/v1alpha1"

// fixed is the engine at half past ten: the objects of the golden cases are from ten o'clock on.
func fixed() Engine {
	return Engine{now: func() time.Time { return time.Date(2026, 11, 23, 10, 30, 0, 0, time.UTC) }}
}

func TestGolden(t *testing.T) { enginetest.Golden(t, fixed(), "testdata") }

func readOperation(t testing.TB, name string) *opsv1alpha1.Operation {
	t.Helper()
	return enginetest.ReadObjects(t, "testdata/"+name+"/operation.yaml")[0].(*opsv1alpha1.Operation)
}

func TestMoverResultsAreKnown(t *testing.T) {
	op := readOperation(t, "succeeded")
	run := engines.Run{Operation: op}
	wants := map[string]struct{ idle, syncing engines.State }{
		"Successful": {engines.StateSucceeded, engines.StateRunning},
		"Failed":     {engines.StateFailed, engines.StateRunning},
	}
	for _, result := range enginetest.Phases(t, volsyncAPI, "MoverResult") {
		want, known := wants[result]
		if !known {
			t.Errorf("the API has a mover result %q that this engine has no word for", result)
			continue
		}
		source := &volsyncv1alpha1.ReplicationSource{Status: &volsyncv1alpha1.ReplicationSourceStatus{
			LatestMoverStatus: &volsyncv1alpha1.MoverStatus{Result: volsyncv1alpha1.MoverResult(result)},
		}}
		if got := fixed().judge(run, ofSource(source), nil); got.State != want.syncing {
			t.Errorf("%s without the tag is %s, want %s", result, got.State, want.syncing)
		}
		source.Status.LastManualSync = tag(run)
		if got := fixed().judge(run, ofSource(source), nil); got.State != want.idle {
			t.Errorf("%s with the tag is %s, want %s", result, got.State, want.idle)
		}
	}
}

func TestClaimPhasesAreKnown(t *testing.T) {
	wants := map[string]engines.State{"Pending": engines.StateRunning, "Bound": engines.StateSucceeded, "Lost": engines.StateFailed}
	run := engines.Run{Operation: readOperation(t, "claim-pending")}
	for _, phase := range enginetest.Phases(t, "k8s.io/api/core/v1", "PersistentVolumeClaimPhase") {
		claim := &corev1.PersistentVolumeClaim{Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.PersistentVolumeClaimPhase(phase)}}
		got, err := judgeClaim(t.Context(), enginetest.NewCluster(t).Reader(), run, claim)
		if want, known := wants[phase]; !known || err != nil || got.State != want {
			t.Errorf("%s is %s (%v), want %q", phase, got.State, err, want)
		}
	}
}

func TestConditionReasonsHaveWords(t *testing.T) {
	for _, reason := range enginetest.Phases(t, volsyncAPI, "string") {
		if reason == volsyncv1alpha1.ConditionSynchronizing {
			continue
		}
		if progressWords[reason] == "" {
			t.Errorf("VolSync's condition has a reason %q that this engine has no word for", reason)
		}
	}
}

func TestCopyMethodsAreKnown(t *testing.T) {
	known := append([]volsyncv1alpha1.CopyMethodType{volsyncv1alpha1.CopyMethodNone}, backupCopyMethods...) // None is the old name of Direct
	for _, method := range enginetest.Phases(t, volsyncAPI, "CopyMethodType") {
		if !slices.Contains(known, volsyncv1alpha1.CopyMethodType(method)) {
			t.Errorf("VolSync has a copy method %q that this engine does not offer", method)
		}
	}
}

// withoutSnapshots is a cluster that does not serve VolumeSnapshots.
type withoutSnapshots struct{ client.Reader }

func (r withoutSnapshots) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if _, ok := obj.(*snapshotv1.VolumeSnapshot); ok {
		return &meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: snapshotv1.GroupName, Kind: kindSnapshot}, SearchedVersions: []string{"v1"}}
	}
	return r.Reader.Get(ctx, key, obj, opts...)
}

func TestOnlyWhoNeedsSnapshotsAsksForThem(t *testing.T) {
	for name, blocked := range map[string]bool{
		"plan-minimal": true, "plan-snapshot": true, "plan-restore-snapshot": true, "plan-restore-everything": true,
		"plan-direct": false, "plan-restore-existing": false, "plan-restore-new": false,
	} {
		t.Run(name, func(t *testing.T) {
			live := enginetest.ReadObjects(t, "testdata/"+name+"/live.yaml")
			r := withoutSnapshots{enginetest.NewCluster(t, live...).Reader()}
			_, err := New().Plan(t.Context(), r, engines.Run{Operation: readOperation(t, name)})
			var b *engines.BlockedError
			if got := errors.As(err, &b) && b.Reason == opsv1alpha1.ReasonEngineNotInstalled; got != blocked {
				t.Errorf("blocked = %v (%v), want %v", got, err, blocked)
			}
			if !blocked && err != nil {
				t.Errorf("Plan: %v", err)
			}
		})
	}
}

// withoutVolSync is a cluster that does not serve VolSync's kinds.
type withoutVolSync struct{ client.Reader }

func (r withoutVolSync) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	switch obj.(type) {
	case *volsyncv1alpha1.ReplicationSource, *volsyncv1alpha1.ReplicationDestination:
		gv := volsyncv1alpha1.GroupVersion
		return fmt.Errorf("get: %w", &apiutil.ErrResourceDiscoveryFailed{gv: apierrors.NewNotFound(gv.WithResource("").GroupResource(), "")})
	}
	return r.Reader.Get(ctx, key, obj, opts...)
}

// TestCancelWithoutVolSync: a run can be cancelled also where its engine has nothing to stop.
func TestCancelWithoutVolSync(t *testing.T) {
	for name, says := range map[string]string{
		"plan-snapshot":         "VolumeSnapshot nightly-a651e8922d72, if the run has made it, is not deleted",
		"plan-restore-snapshot": "PersistentVolumeClaim nightly-a651e8922d72, if the run has made it, is not deleted",
		"plan-minimal":          "ReplicationSource nightly-a651e8922d72 does not run",
		"plan-restore-existing": "ReplicationDestination nightly-a651e8922d72 does not run",
	} {
		c, err := New().Cancel(t.Context(), withoutVolSync{enginetest.NewCluster(t).Reader()}, engines.Run{Operation: readOperation(t, name)})
		if err != nil || len(c.Delete) > 0 || !strings.HasPrefix(c.Message, says) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

// A plan that is made again after a crash finds the run's own mover on the volume.
func TestOwnMoverDoesNotBlockTheRestore(t *testing.T) {
	op := readOperation(t, "plan-restore-existing")
	mover := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "mover", Namespace: op.Namespace, Labels: map[string]string{opsv1alpha1.LabelOperation: string(op.UID)}},
		Spec: corev1.PodSpec{Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-shop"},
		}}}},
	}
	for label, blocked := range map[string]bool{string(op.UID): false, "another": true} {
		mover.Labels[opsv1alpha1.LabelOperation] = label
		live := append(enginetest.ReadObjects(t, "testdata/plan-restore-existing/live.yaml"), mover.DeepCopy())
		_, err := New().Plan(t.Context(), enginetest.NewCluster(t, live...).Reader(), engines.Run{Operation: op})
		var b *engines.BlockedError
		if got := errors.As(err, &b) && b.Reason == ReasonDestinationInUse; got != blocked {
			t.Errorf("label %s: blocked = %v (%v), want %v", label, got, err, blocked)
		}
	}
}

func TestLastLines(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for name, c := range map[string]struct{ log, want string }{
		"empty":              {"", ""},
		"lines":              {"Starting container\none\n\n  two \n", "Starting container | one | two"},
		"a secret":           {"Starting container\nRESTIC_PASSWORD=hunter2\nrest:https://shop:hunter2@backup.example.com/", "Starting container | RESTIC_PASSWORD=*** | rest:https://shop:***@backup.example.com/"},
		"the end":            {long + "\nFatal: wrong password", "Fatal: wrong password"},
		"cut inside a value": {"unter2\nFatal: no", "Fatal: no"},
		"nothing but a part": {"unter2@backup.example.com/: no such host", ""},
	} {
		if got := lastLines(c.log, 100); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	if got := lastLines(logBegins+strings.Repeat("é", 300), 99); len(got) > 99 || !strings.HasPrefix(got, "é") {
		t.Errorf("a long line is cut to %d bytes: %q", len(got), got)
	}
}
