// SPDX-License-Identifier: Apache-2.0

package velero

import (
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// TestReminder: of what is about to start and has been left alone, and of nothing else.
func TestReminder(t *testing.T) {
	ago := func(d time.Duration) *metav1.Time { return &metav1.Time{Time: recorded().Add(-d)} }
	for name, c := range map[string]struct {
		phase    velerov1.BackupPhase
		changed  []*metav1.Time // by several, in any order
		before   string         // it was reminded of
		deleted  *metav1.Time
		reminded bool
	}{
		"forgotten":               {phase: velerov1.BackupPhaseReadyToStart, changed: []*metav1.Time{ago(startsWithin), ago(time.Hour)}, reminded: true},
		"about to start":          {phase: velerov1.BackupPhaseReadyToStart, changed: []*metav1.Time{ago(time.Hour), ago(startsWithin - time.Second)}},
		"nobody knows since when": {phase: velerov1.BackupPhaseReadyToStart, changed: []*metav1.Time{nil}, reminded: true},
		"a moment ago":            {phase: velerov1.BackupPhaseReadyToStart, changed: []*metav1.Time{ago(time.Hour)}, before: "2026-11-23T09:59:51Z"},
		"and does not begin":      {phase: velerov1.BackupPhaseReadyToStart, changed: []*metav1.Time{ago(time.Hour)}, before: "2026-11-23T09:59:50Z", reminded: true},
		"by somebody else":        {phase: velerov1.BackupPhaseReadyToStart, changed: []*metav1.Time{ago(time.Hour)}, before: "today", reminded: true},
		"is being deleted":        {phase: velerov1.BackupPhaseReadyToStart, changed: []*metav1.Time{ago(time.Hour)}, deleted: ago(time.Minute)},
		"waits in the queue":      {phase: velerov1.BackupPhaseQueued, changed: []*metav1.Time{ago(time.Hour)}},
		"is at work":              {phase: velerov1.BackupPhaseInProgress, changed: []*metav1.Time{ago(time.Hour)}},
		"has ended":               {phase: velerov1.BackupPhaseCompleted, changed: []*metav1.Time{ago(time.Hour)}},
	} {
		t.Run(name, func(t *testing.T) {
			b := &velerov1.Backup{Status: velerov1.BackupStatus{Phase: c.phase}}
			b.Name, b.Namespace, b.CreationTimestamp, b.DeletionTimestamp = "a", "velero", *ago(2 * time.Hour), c.deleted
			b.Annotations = map[string]string{opsv1alpha1.AnnotationReminded: c.before}
			for _, at := range c.changed {
				b.ManagedFields = append(b.ManagedFields, metav1.ManagedFieldsEntry{Time: at})
			}
			changes := New("").At(recorded).reminder(fromBackup(b))
			if got := len(changes) == 1; got != c.reminded {
				t.Fatalf("reminded = %v, want %v", got, c.reminded)
			}
			if !c.reminded {
				return
			}
			// Only an annotation: anything else would be applied along.
			change := changes[0]
			if o := change.Object; change.Verb != engines.VerbApply || o.GetName() != b.Name || o.GetNamespace() != b.Namespace ||
				o.GetAnnotations()[opsv1alpha1.AnnotationReminded] != "2026-11-23T10:00:00Z" || len(o.GetLabels()) > 0 {
				t.Errorf("reminded by %+v", change)
			}
		})
	}
}
