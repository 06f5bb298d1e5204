// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// reminded tells when an agent was reminded last; empty when it never was.
func (f *fleet) reminded(op *opsv1alpha1.Operation, cluster string) string {
	return f.work(op, cluster).Annotations[opsv1alpha1.AnnotationReminded]
}

// TestReminder: an agent that has not applied a cancel is sent it again, and again, until it has; one that cannot be reached, or has heard, or has not taken
// the work up yet, is left alone.
func TestReminder(t *testing.T) {
	f := newFleet(t, 4)
	f.options.RemindAfter = 50 * time.Millisecond
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all")
	f.awaitWorks(op, 4)
	deaf, away, hears, late := f.clusters[0], f.clusters[1], f.clusters[2], f.clusters[3]
	for _, c := range []string{deaf, away, hears} {
		f.report(op, c, running())
	}
	f.report(op, late, report{seen: true})
	f.must(f.setAvailable(away, metav1.ConditionFalse))
	f.cancelOp(op)
	for _, c := range f.clusters {
		f.eventually(c+" is told", func() (string, error) {
			if !saysCancel(f.work(op, c)) {
				return "it is not", nil
			}
			return "", nil
		})
	}
	f.report(op, hears, running()) // of the new generation
	before := ""
	for range 3 {
		f.eventually("it is reminded again", func() (string, error) {
			now := f.reminded(op, deaf)
			if now == before {
				return "since " + before + " it was not", nil
			}
			before = now
			return "", nil
		})
	}
	for _, c := range []string{away, late} {
		if at := f.reminded(op, c); at != "" {
			t.Errorf("cluster %s was reminded at %s", c, at)
		}
	}
	f.must(f.setAvailable(away, metav1.ConditionTrue))
	f.eventually("the one that was away is reminded", func() (string, error) {
		if f.reminded(op, away) == "" {
			return "it is not", nil
		}
		return "", nil
	})
	for _, c := range f.clusters {
		f.report(op, c, report{phase: opsv1alpha1.PhaseCancelled, reason: opsv1alpha1.ReasonUserCancelled})
	}
	f.await(op, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled)
}

func TestLeftAlone(t *testing.T) {
	work := func(change func(*workv1.ManifestWork)) *workv1.ManifestWork {
		w := &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Generation: 2, Finalizers: []string{workv1.ManifestWorkFinalizer}}}
		w.Status.Conditions = []metav1.Condition{{Type: workv1.WorkApplied, Status: metav1.ConditionTrue, ObservedGeneration: 1}}
		change(w)
		return w
	}
	ended := metav1.Condition{Type: workv1.WorkComplete, Status: metav1.ConditionTrue}
	for name, tt := range map[string]struct {
		change func(*workv1.ManifestWork)
		want   bool
	}{
		"behind":                    {func(*workv1.ManifestWork) {}, true},
		"applied":                   {func(w *workv1.ManifestWork) { w.Status.Conditions[0].ObservedGeneration = 2 }, false},
		"not taken up":              {func(w *workv1.ManifestWork) { w.Finalizers = nil }, false},
		"taken up and nothing more": {func(w *workv1.ManifestWork) { w.Status.Conditions = nil }, false},
		"ended":                     {func(w *workv1.ManifestWork) { w.Status.Conditions = append(w.Status.Conditions, ended) }, false},
		"ended, and is being deleted": {func(w *workv1.ManifestWork) {
			w.Status.Conditions = append(w.Status.Conditions, ended)
			w.DeletionTimestamp = &metav1.Time{Time: time.Now()}
		}, true},
	} {
		if got := leftAlone(work(tt.change)); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
