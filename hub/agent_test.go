// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

type restConfig = rest.Config

// testLogger shows what the hub logs when -v is given, until the test has ended: what records events outlives its manager by a moment.
func testLogger(t testing.TB) logr.Logger {
	var mu sync.Mutex
	over := !testing.Verbose()
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		over = true
	})
	return funcr.New(func(prefix, args string) {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			t.Helper()
			t.Log(prefix, args)
		}
	}, funcr.Options{})
}

// report is what a fake agent says. It speaks the protocol of OCM's real work agent: finalizer first, then the conditions Applied and
// Available, then feedback values and the conditions of the rules, all in the status of the ManifestWork.
type report struct {
	phase     opsv1alpha1.OperationPhase
	reason    string
	message   string
	blocked   bool
	instances opsv1alpha1.Counts
	applyErr  string
	seen      bool // only the finalizer
	missing   bool // the object is not on the cluster any more
	finished  time.Time
}

// report writes a report into the ManifestWork of a cluster.
func (f *fleet) report(op *opsv1alpha1.Operation, cluster string, r report) {
	f.t.Helper()
	f.must(f.tryReport(op, cluster, r))
}

func (f *fleet) tryReport(op *opsv1alpha1.Operation, cluster string, r report) error {
	return f.reportOn(firstWork(op, cluster), r)
}

// reportOn writes a report into a ManifestWork.
func (f *fleet) reportOn(key types.NamespacedName, r report) error {
	return f.tryReportOn(key, func(w *workv1.ManifestWork) bool {
		fill(w, r)
		return !r.seen
	})
}

// tryReportOn puts the agent's finalizer on a work and lets change fill in its status; false leaves the status alone.
func (f *fleet) tryReportOn(key types.NamespacedName, change func(*workv1.ManifestWork) bool) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		w := &workv1.ManifestWork{}
		if err := api.Get(f.ctx, key, w); err != nil {
			return err
		}
		if controllerutil.AddFinalizer(w, workv1.ManifestWorkFinalizer) {
			if err := api.Update(f.ctx, w); err != nil {
				return err
			}
		}
		if !change(w) {
			return nil
		}
		return api.Status().Update(f.ctx, w)
	})
}

func fill(w *workv1.ManifestWork, r report) {
	status, message := metav1.ConditionTrue, "Apply manifest complete"
	if r.applyErr != "" {
		status, message = metav1.ConditionFalse, r.applyErr
	}
	available := metav1.ConditionTrue
	if r.missing || r.applyErr != "" {
		available = metav1.ConditionFalse
	}
	if len(w.Status.ResourceStatus.Manifests) == 0 {
		w.Status.ResourceStatus.Manifests = make([]workv1.ManifestCondition, 1)
	}
	m := &w.Status.ResourceStatus.Manifests[0]
	m.ResourceMeta = workv1.ManifestResourceMeta{Group: "ops.vworkspace.io", Resource: "operations"}
	for _, conditions := range []*[]metav1.Condition{&w.Status.Conditions, &m.Conditions} {
		meta.SetStatusCondition(conditions, metav1.Condition{Type: workv1.WorkApplied, Status: status, Reason: "Test", Message: message, ObservedGeneration: w.Generation})
		meta.SetStatusCondition(conditions, metav1.Condition{Type: workv1.WorkAvailable, Status: available, Reason: "Test", ObservedGeneration: w.Generation})
		if r.phase.Terminal() {
			meta.SetStatusCondition(conditions, metav1.Condition{Type: workv1.WorkComplete, Status: metav1.ConditionTrue, Reason: workv1.ConditionRuleEvaluated, ObservedGeneration: w.Generation})
		}
	}
	if r.phase == "" || r.missing {
		return
	}
	text := func(name, s string) workv1.FeedbackValue {
		return workv1.FeedbackValue{Name: name, Value: workv1.FieldValue{Type: workv1.String, String: ptr.To(s)}}
	}
	count := func(name string, n int32) workv1.FeedbackValue {
		return workv1.FeedbackValue{Name: feedbackInstances + name, Value: workv1.FieldValue{Type: workv1.Integer, Integer: ptr.To(int64(n))}}
	}
	c := r.instances
	m.StatusFeedbacks.Values = []workv1.FeedbackValue{
		text(feedbackPhase, string(r.phase)), text(feedbackReason, r.reason), text(feedbackMessage, r.message),
		{Name: feedbackBlocked, Value: workv1.FieldValue{Type: workv1.Boolean, Boolean: ptr.To(r.blocked)}},
		text(feedbackFinishedAt, r.finished.Format(time.RFC3339)),
		count("total", c.Total), count("pending", c.Pending), count("blocked", c.Blocked), count("running", c.Running), count("succeeded", c.Succeeded), count("failed", c.Failed),
	}
}

// agentDeletes ends the deletion of a ManifestWork as the work agent does.
func (f *fleet) agentDeletes(w *workv1.ManifestWork) {
	f.t.Helper()
	got := &workv1.ManifestWork{}
	f.must(api.Get(f.ctx, client.ObjectKeyFromObject(w), got))
	controllerutil.RemoveFinalizer(got, workv1.ManifestWorkFinalizer)
	f.must(api.Update(f.ctx, got))
}

func succeeded(instances int32) report {
	return report{
		phase: opsv1alpha1.PhaseSucceeded, reason: opsv1alpha1.ReasonAllSucceeded, message: "all well",
		instances: opsv1alpha1.Counts{Total: instances, Succeeded: instances},
	}
}

func running() report {
	return report{phase: opsv1alpha1.PhaseRunning, reason: opsv1alpha1.ReasonExpanded, message: "at work"}
}
