// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// patience is how long an error that an executor repeats is waited out in a run without spec.timeout.
const patience = 10 * time.Minute

// hopeless tells whether a run that nobody set a bound for has failed. VolSync itself never says so: it tries again for ever. Its mover has by
// then failed in all attempts of a Job (8, with growing pauses), or VolSync has not got as far as a mover for the whole of patience.
func (e Engine) hopeless(run engines.Run, rep *replication) bool {
	if run.Operation.Spec.Timeout != nil {
		return false
	}
	if c := rep.failing(); c != nil {
		return e.now().Sub(c.LastTransitionTime.Time) >= patience
	}
	return rep.moverFailed()
}

// givingUp is a run that pauses its replication before it fails.
func givingUp(rep *replication, pods []corev1.Pod) engines.Outcome {
	o := syncing(rep, pods)
	o.Next = []engines.Change{engines.Apply(pause(rep))}
	return o
}

// pausedByRun tells whether it was a run that set spec.paused, and no person: the agent may die before it has that on record, and gives up again.
func pausedByRun(rep *replication) bool {
	return slices.ContainsFunc(rep.object.GetManagedFields(), func(entry metav1.ManagedFieldsEntry) bool {
		if entry.Manager != opsv1alpha1.FieldManager || entry.Operation != metav1.ManagedFieldsOperationApply || entry.FieldsV1 == nil {
			return false
		}
		var fields struct {
			Spec map[string]any `json:"f:spec"`
		}
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) != nil {
			return false
		}
		_, paused := fields.Spec["f:paused"]
		return paused
	})
}

// pause keeps VolSync from trying again after the run has failed: a mover that came through later would change a volume for an Operation that
// has ended. The trigger stays: without one VolSync would synchronize without end.
func pause(rep *replication) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"paused": true}}}
	u.SetAPIVersion(volsyncv1alpha1.GroupVersion.String())
	u.SetKind(rep.kind)
	u.SetNamespace(rep.object.GetNamespace())
	u.SetName(rep.object.GetName())
	return u
}

// gaveUp tells whether the run has paused its replication: it is then on record twice, once for the plan and once for the pause.
func gaveUp(run engines.Run, rep *replication) bool {
	times := 0
	for _, ref := range run.Operation.Status.Resources {
		if ref.Kind == rep.kind && ref.Name == rep.object.GetName() {
			times++
		}
	}
	return times > 1
}

// ending is failure, as soon as nothing moves any more.
func ending(rep *replication, pods []corev1.Pod) engines.Outcome {
	reason, cause := lastCause(rep)
	if pod := active(pods); pod != nil {
		return engines.Running(reason, "%s %s is paused, and its mover's pod %s is being stopped; %s", rep.kind, rep.object.GetName(), pod.Name, cause)
	}
	if !rep.paused {
		return engines.Running(reason, "%s %s is being paused; %s", rep.kind, rep.object.GetName(), cause)
	}
	return engines.Failed(reason, "PersistentVolumeClaim %s could not be copied: %s; %s %s is paused, so that it does not try again "+
		"(set spec.timeout to have it tried for longer)", rep.claim, cause, rep.kind, rep.object.GetName())
}

// lastCause is why the run gave up, in VolSync's words as far as they are still there.
func lastCause(rep *replication) (reason, cause string) {
	if c := rep.failing(); c != nil {
		return ReasonError, opsv1alpha1.Truncate(engines.Redact(oneLine(c.Message)), maxQuoted)
	}
	if rep.moverFailed() {
		return ReasonMoverFailed, "the mover failed in all of its attempts: " + lastLines(rep.mover.Logs, maxQuoted)
	}
	return ReasonError, fmt.Sprintf("VolSync reported an error for %s, which is gone by now", patience)
}

// longFailing tells whether an error of a VolumeSnapshot has been repeated for the whole of patience. Before the snapshot is taken
// its age counts, because storage back ends put a new request ID into each error, which makes it look young; after that the error's own time.
func (e Engine) longFailing(since metav1.Time) bool { return e.now().Sub(since.Time) >= patience }
