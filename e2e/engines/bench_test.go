// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// samples is how many runs a lag is measured over, when -benchtime does not say otherwise.
const samples = 20

// ending is the object by whose last change an executor says that it is done.
type ending struct {
	object schema.GroupVersionKind
	done   func(*unstructured.Unstructured) bool
}

// endings as a person would read them off the object with kubectl.
var endings = map[opsv1alpha1.OperationEngine]ending{
	opsv1alpha1.EngineJob: {schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}, conditioned("Complete")},
	opsv1alpha1.EngineWorkflow: {schema.GroupVersionKind{Group: "argoproj.io", Version: "v1alpha1", Kind: "Workflow"}, func(u *unstructured.Unstructured) bool {
		return u.GetLabels()["workflows.argoproj.io/completed"] == "true"
	}},
	opsv1alpha1.EngineVelero: {schema.GroupVersionKind{Group: "velero.io", Version: "v1", Kind: "Backup"}, func(u *unstructured.Unstructured) bool {
		return text(u, "status", "phase") == "Completed"
	}},
	opsv1alpha1.EngineVolsync: {schema.GroupVersionKind{Group: "volsync.backube", Version: "v1alpha1", Kind: "ReplicationSource"}, func(u *unstructured.Unstructured) bool {
		return text(u, "status", "lastManualSync") != "" && text(u, "status", "latestMoverStatus", "result") == "Successful"
	}},
	opsv1alpha1.EngineHelm: {schema.GroupVersionKind{Group: "helm.toolkit.fluxcd.io", Version: "v2", Kind: "HelmRelease"}, func(u *unstructured.Unstructured) bool {
		seen, _, _ := unstructured.NestedInt64(u.Object, "status", "observedGeneration")
		return text(u, "status", "lastAttemptedRevision") == "1.1.0" && seen == u.GetGeneration() && conditioned("Ready")(u)
	}},
	opsv1alpha1.EngineHelmHookJob: {schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}, conditioned("Complete")},
}

// BenchmarkLag measures how long it takes from the executor's last word, when a watch tells of it, until a watch tells that the Operation is
// Succeeded.
func BenchmarkLag(b *testing.B) {
	for _, r := range rigs {
		b.Run(string(r.engine), func(b *testing.B) {
			for b.Loop() {
				lags := make([]time.Duration, 0, samples)
				for range samples {
					lags = append(lags, lag(b, r))
				}
				slices.Sort(lags)
				b.ReportMetric(float64(lags[len(lags)/2].Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(lags[len(lags)*95/100].Microseconds())/1000, "p95-ms")
			}
		})
	}
}

// lag of one run.
func lag(b *testing.B, r rig) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	op := r.succeeds(b)
	end := endings[r.engine]
	made := &unstructured.UnstructuredList{}
	made.SetGroupVersionKind(end.object.GroupVersion().WithKind(end.object.Kind + "List"))
	executor, operations := follow(ctx, b, made), follow(ctx, b, &opsv1alpha1.OperationList{})
	create(b, op)
	ended := when(executor, func(e watch.Event) bool {
		u, ok := e.Object.(*unstructured.Unstructured)
		return ok && belongs(u, op) && end.done(u)
	})
	told := when(operations, func(e watch.Event) bool {
		o, ok := e.Object.(*opsv1alpha1.Operation)
		return ok && o.UID == op.UID && o.Status.Phase == opsv1alpha1.PhaseSucceeded
	})
	from, to := <-ended, <-told
	if from.IsZero() || to.IsZero() {
		b.Fatalf("engine %s: Operation %s or its executor did not end", r.engine, op.Name)
	}
	return to.Sub(from)
}

// belongs tells whether an object is the run's: by the run's label, and for a HelmRelease by its name, which is the target's.
func belongs(u *unstructured.Unstructured, op *opsv1alpha1.Operation) bool {
	return u.GetLabels()[opsv1alpha1.LabelOperation] == string(op.UID) || u.GetKind() == "HelmRelease" && u.GetName() == op.Spec.TargetRef.Name
}

func follow(ctx context.Context, b *testing.B, list client.ObjectList) watch.Interface {
	b.Helper()
	w, err := k8s.Watch(ctx, list)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(w.Stop)
	return w
}

// when sends the moment at which an event was ok, or zero when the watch ends before.
func when(w watch.Interface, ok func(watch.Event) bool) <-chan time.Time {
	at := make(chan time.Time, 1)
	go func() {
		defer close(at)
		defer w.Stop()
		for e := range w.ResultChan() {
			if ok(e) {
				at <- time.Now()
				return
			}
		}
	}()
	return at
}

func conditioned(kind string) func(*unstructured.Unstructured) bool {
	return func(u *unstructured.Unstructured) bool {
		all, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
		return slices.ContainsFunc(all, func(c any) bool {
			fields, ok := c.(map[string]any)
			return ok && fields["type"] == kind && fields["status"] == "True"
		})
	}
}

func text(u *unstructured.Unstructured, path ...string) string {
	s, _, _ := unstructured.NestedString(u.Object, path...)
	return s
}
