// SPDX-License-Identifier: Apache-2.0

package velero

import (
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// startsWithin is how long nobody has changed a Backup before Velero is taken to have forgotten it. A Velero that is there begins at once: it calls a
// Backup ReadyToStart when one of its workers is free.
const startsWithin = 10 * time.Second

// reminder makes Velero look again at a Backup that it was about to start when it was restarted. Velero 1.18 begins only what it sees change to, or in, the
// phase ReadyToStart (backup_controller.go, SetupWithManager), so that one which is in it when Velero comes up stays there, and keeps every other
// Backup of its namespaces in the queue. Any change will do. One that Velero is about to begin after all it begins once: it looks at the phase again.
func (e Engine) reminder(t *task) []engines.Change {
	now := e.now()
	if t.phase != velerov1.BackupPhaseReadyToStart || t.GetDeletionTimestamp() != nil || now.Sub(t.lastChanged()) < startsWithin {
		return nil
	}
	u := &unstructured.Unstructured{}
	u.SetAPIVersion(velerov1.SchemeGroupVersion.String())
	u.SetKind(t.kind)
	u.SetNamespace(t.GetNamespace())
	u.SetName(t.GetName())
	u.SetAnnotations(map[string]string{opsv1alpha1.AnnotationReminded: now.UTC().Format(time.RFC3339)})
	return []engines.Change{engines.Apply(u)}
}

// lastChanged is when the object was last changed by anybody, by the clock of the API server, or Velero was last reminded of it, by ours. An agent whose clock is ahead
// would else take its own reminder for an old change, and remind without end.
func (t *task) lastChanged() time.Time {
	last := t.GetCreationTimestamp().Time
	if at, err := time.Parse(time.RFC3339, t.GetAnnotations()[opsv1alpha1.AnnotationReminded]); err == nil && at.After(last) {
		last = at
	}
	for _, entry := range t.GetManagedFields() {
		if entry.Time != nil && entry.Time.After(last) {
			last = entry.Time.Time
		}
	}
	return last
}
