// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// replication is what a ReplicationSource and a ReplicationDestination have in common.
type replication struct {
	kind     string
	object   client.Object
	claim    string
	schedule string
	manual   string // the tag of its trigger
	paused   bool

	// Status.
	seen       bool
	conditions []metav1.Condition
	mover      volsyncv1alpha1.MoverStatus
	lastTag    string
	lastSync   *metav1.Time
	nextSync   *metav1.Time
	duration   *metav1.Duration
	image      string
}

// readReplication returns nil when the run's own is gone.
func readReplication(ctx context.Context, r client.Reader, run engines.Run, ref *opsv1alpha1.ResourceRef) (*replication, error) {
	if ref.Kind == kindSource {
		source := &volsyncv1alpha1.ReplicationSource{}
		if found, err := own(ctx, r, run, ref, source); err != nil || !found {
			return nil, err
		}
		return ofSource(source), nil
	}
	destination := &volsyncv1alpha1.ReplicationDestination{}
	if found, err := own(ctx, r, run, ref, destination); err != nil || !found {
		return nil, err
	}
	return ofDestination(destination), nil
}

func ofSource(s *volsyncv1alpha1.ReplicationSource) *replication {
	rep := &replication{kind: kindSource, object: s, claim: s.Spec.SourcePVC, paused: s.Spec.Paused}
	if t := s.Spec.Trigger; t != nil {
		rep.schedule, rep.manual = ptr.Deref(t.Schedule, ""), t.Manual
	}
	if st := s.Status; st != nil {
		rep.seen, rep.conditions, rep.lastTag = true, st.Conditions, st.LastManualSync
		rep.lastSync, rep.nextSync, rep.duration = st.LastSyncTime, st.NextSyncTime, st.LastSyncDuration
		if st.LatestMoverStatus != nil {
			rep.mover = *st.LatestMoverStatus
		}
	}
	return rep
}

func ofDestination(d *volsyncv1alpha1.ReplicationDestination) *replication {
	rep := &replication{kind: kindDestination, object: d, paused: d.Spec.Paused}
	if t := d.Spec.Trigger; t != nil {
		rep.manual = t.Manual
	}
	if d.Spec.Restic != nil && d.Spec.Restic.DestinationPVC != nil {
		rep.claim = *d.Spec.Restic.DestinationPVC
	}
	if st := d.Status; st != nil {
		rep.seen, rep.conditions, rep.lastTag = true, st.Conditions, st.LastManualSync
		rep.lastSync, rep.nextSync, rep.duration = st.LastSyncTime, st.NextSyncTime, st.LastSyncDuration
		if st.LatestMoverStatus != nil {
			rep.mover = *st.LatestMoverStatus
		}
		if i := st.LatestImage; i != nil && i.Kind == kindSnapshot {
			rep.image = i.Name
		}
	}
	return rep
}

// recurring tells whether it goes on after its first sync.
func (rep *replication) recurring() bool { return rep.schedule != "" }

// synced tells whether VolSync has acknowledged the run's sync. It copies the tag of the spec when a sync is done, and only then.
func (rep *replication) synced(run engines.Run) bool {
	if rep.recurring() {
		return rep.lastSync != nil
	}
	return rep.lastTag == tag(run)
}

// triggerChanged tells whether somebody has taken the run's tag off. VolSync then repeats another one, if any, and never acknowledges the run's.
func (rep *replication) triggerChanged(run engines.Run) bool {
	return !rep.recurring() && rep.manual != tag(run)
}

// condition is VolSync's only one, or nil.
func (rep *replication) condition() *metav1.Condition {
	return meta.FindStatusCondition(rep.conditions, volsyncv1alpha1.ConditionSynchronizing)
}

// failing is the condition while VolSync cannot get as far as a mover, or nil. Its lastTransitionTime is when that began: VolSync does not
// renew it with each attempt.
func (rep *replication) failing() *metav1.Condition {
	if c := rep.condition(); c != nil && c.Reason == volsyncv1alpha1.SynchronizingReasonError {
		return c
	}
	return nil
}

// copyTriggerTimeout is how VolSync begins to say that nobody has set the copy trigger of a PersistentVolumeClaim for ten minutes.
const copyTriggerTimeout = "Timed out waiting for copy-trigger"

// moverFailed tells whether the mover failed in all attempts of a Job. VolSync begins another Job, and says so still while that one runs.
func (rep *replication) moverFailed() bool {
	return rep.mover.Result == volsyncv1alpha1.MoverResultFailed && !rep.awaitsCopyTrigger()
}

// awaitsCopyTrigger tells whether VolSync waits for a person to set the copy trigger. It calls that a failure of the mover, which has not run.
func (rep *replication) awaitsCopyTrigger() bool {
	return rep.mover.Result == volsyncv1alpha1.MoverResultFailed && strings.HasPrefix(rep.mover.Logs, copyTriggerTimeout)
}

// progressWords say where VolSync stands, by the reason of its condition.
var progressWords = map[string]string{
	volsyncv1alpha1.SynchronizingReasonSync:    "synchronizing",
	volsyncv1alpha1.SynchronizingReasonSched:   "waiting for the schedule",
	volsyncv1alpha1.SynchronizingReasonManual:  "idle",
	volsyncv1alpha1.SynchronizingReasonCleanup: "cleaning up",
	volsyncv1alpha1.SynchronizingReasonError:   "error",
}

// progress in VolSync's words, with the attempts of the present mover Job that have failed.
func (rep *replication) progress(failed int) string {
	c := rep.condition()
	if c == nil {
		return ""
	}
	words, known := progressWords[c.Reason]
	if !known {
		words = c.Reason
	}
	if failed > 0 {
		words += fmt.Sprintf(", %d failed attempt(s)", failed)
	}
	return words
}

// resticSnapshot finds in a mover's log the snapshot that it saved or restored.
var resticSnapshot = regexp.MustCompile(`(?m)^\s*(?:snapshot ([0-9a-f]{8,64}) saved|restoring (?:snapshot |<Snapshot )([0-9a-f]{8,64})\b)`)

// outputs that a person can use with kubectl and restic.
func (rep *replication) outputs() map[string]string {
	out := map[string]string{"pvc": rep.claim}
	name := map[string]string{kindSource: "replicationSource", kindDestination: "replicationDestination"}[rep.kind]
	out[name] = rep.object.GetName()
	more := map[string]string{"lastManualSync": rep.lastTag, "latestImage": rep.image}
	for output, at := range map[string]*metav1.Time{"lastSyncTime": rep.lastSync, "nextSyncTime": rep.nextSync} {
		if at != nil {
			more[output] = at.UTC().Format(time.RFC3339)
		}
	}
	if rep.duration != nil {
		more["lastSyncDuration"] = rep.duration.Round(time.Second).String()
	}
	if found := resticSnapshot.FindStringSubmatch(rep.mover.Logs); found != nil && rep.mover.Result == volsyncv1alpha1.MoverResultSuccessful {
		more["resticSnapshot"] = found[1] + found[2]
	}
	maps.DeleteFunc(more, func(_, value string) bool { return value == "" })
	maps.Copy(out, more)
	return out
}

// moverPods of the run, which carry its label by spec.restic.moverPodLabels.
func moverPods(ctx context.Context, r client.Reader, run engines.Run) ([]corev1.Pod, error) {
	list := &corev1.PodList{}
	err := r.List(ctx, list, client.InNamespace(run.Namespace()), client.MatchingLabels{opsv1alpha1.LabelOperation: string(run.UID())})
	if err != nil {
		return nil, fmt.Errorf("list the mover's pods: %w", err)
	}
	// A quiesce Job's pods carry the run's label, too.
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.Labels[opsv1alpha1.LabelStep] != "" }), nil
}
