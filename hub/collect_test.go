// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

func workWith(r report) *workv1.ManifestWork {
	w := &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Namespace: "c1", Name: "run", Generation: 1}}
	fill(w, r)
	return w
}

func TestResultOf(t *testing.T) {
	for _, tc := range []struct {
		name string
		work *workv1.ManifestWork
		want placement.ClusterResult
	}{
		{
			"nothing said", &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Namespace: "c1"}},
			placement.ClusterResult{State: placement.Pending, Reason: opsv1alpha1.ReasonNotYetReported},
		},
		{
			"not applied", workWith(report{applyErr: "no CRD"}),
			placement.ClusterResult{State: placement.Pending, Reason: opsv1alpha1.ReasonNotYetReported, Message: "no CRD"},
		},
		{
			"applied, not taken up", workWith(report{}),
			placement.ClusterResult{State: placement.Pending, Reason: opsv1alpha1.ReasonNotYetReported},
		},
		{
			"pending", workWith(report{phase: "Pending", reason: "AdmissionPassed"}),
			placement.ClusterResult{State: placement.Pending, Reason: "AdmissionPassed"},
		},
		{
			"blocked", workWith(report{phase: "Pending", reason: "TargetNotReady", message: "m", blocked: true}),
			placement.ClusterResult{State: placement.Blocked, Reason: "TargetNotReady", Message: "m"},
		},
		{
			"failed", workWith(report{phase: "Failed", reason: "SomeFailed", message: "m", instances: opsv1alpha1.Counts{Total: 2, Failed: 1, Succeeded: 1}}),
			placement.ClusterResult{State: placement.Failed, Reason: "SomeFailed", Message: "m", Instances: opsv1alpha1.Counts{Total: 2, Failed: 1, Succeeded: 1}},
		},
		{
			"a phase of a later release", workWith(report{phase: "Paused"}),
			placement.ClusterResult{State: placement.Pending, Reason: opsv1alpha1.ReasonNotYetReported},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.want.Cluster = "c1"
			if diff := cmp.Diff(tc.want, resultOf(tc.work)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSilence(t *testing.T) {
	available := func(status metav1.ConditionStatus) *clusterv1.ManagedCluster {
		return &clusterv1.ManagedCluster{Status: clusterv1.ManagedClusterStatus{Conditions: []metav1.Condition{{
			Type: clusterv1.ManagedClusterConditionAvailable, Status: status, Message: "stopped updating its lease",
		}}}}
	}
	for _, tc := range []struct {
		name    string
		work    *workv1.ManifestWork
		cluster *clusterv1.ManagedCluster
		reason  string
		message string
	}{
		{"gone", workWith(report{}), nil, opsv1alpha1.ReasonClusterNotFound, "does not exist any more"},
		{"unreachable", workWith(report{}), available(metav1.ConditionUnknown), opsv1alpha1.ReasonClusterUnreachable, "stopped updating its lease"},
		{"never joined", nil, &clusterv1.ManagedCluster{}, opsv1alpha1.ReasonClusterUnreachable, "not available"},
		{"cannot be applied", workWith(report{applyErr: `namespaces "vworkspace-agent" not found`}), available(metav1.ConditionTrue), opsv1alpha1.ReasonAgentMissing, `namespaces "vworkspace-agent" not found`},
		{"applied and ignored", workWith(report{}), available(metav1.ConditionTrue), opsv1alpha1.ReasonAgentMissing, "delivered, but no agent took it up within 5m0s"},
		{"no work agent", nil, available(metav1.ConditionTrue), opsv1alpha1.ReasonAgentMissing, "work agent did not deliver"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := silence("c1", tc.work, tc.cluster, 5*time.Minute)
			want := placement.Failed
			if tc.cluster == nil {
				want = placement.Skipped
			}
			if got.State != want || !got.Withdrawn || got.Reason != tc.reason || !strings.Contains(got.Message, tc.message) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// memoryRun is a run of two clusters that has been dispatched.
func memoryRun(now time.Time) *run {
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Name: "op", UID: "uid"}}
	r := newRuns().of(op)
	r.name = "run"
	r.begin(placement.Plan{Groups: []placement.Group{{Clusters: []string{"c1", "c2"}}}})
	r.sent("c1", now)
	r.sent("c2", now)
	return r
}

func TestOverdue(t *testing.T) {
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	after := func(d time.Duration) time.Time { return start.Add(d) }
	r := memoryRun(start)
	overdue := func(now time.Time) string {
		silent, gone, next := r.overdue(now, time.Minute)
		return strings.Join(silent, "+") + "|" + strings.Join(gone, "+") + "|" + next.String()
	}
	expect := func(now time.Time, want string) {
		t.Helper()
		if got := overdue(now); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	expect(after(0), "||1m0s")
	r.observe(workWith(running()), after(0), after(10*time.Second)) // c1 answers
	expect(after(20*time.Second), "||40s")
	expect(after(time.Minute), "c2||0s")
	lost := workWith(running())
	fill(lost, report{missing: true})
	r.observe(lost, after(0), after(time.Minute)) // what c1 was running is not there any more
	expect(after(80*time.Second), "c2||10s")
	expect(after(90*time.Second), "c2|c1|0s")
	r.observe(workWith(running()), after(0), after(80*time.Second)) // it was a stale reading
	expect(after(90*time.Second), "c2||0s")
}

func TestFeedbackThatComesTwiceOrLate(t *testing.T) {
	f := newFleet(t, 2)
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all")
	f.awaitWorks(op, 2)
	f.report(op, f.clusters[0], running())
	f.report(op, f.clusters[0], succeeded(1))
	f.eventually("one has ended", func() (string, error) { return differs(f.get(op).Status.Progress, "1/2"), nil })
	for _, late := range []report{running(), {phase: "Failed", reason: "EngineFailed"}, {phase: "Pending"}, succeeded(7), {}} {
		f.report(op, f.clusters[0], late)
	}
	f.report(op, f.clusters[1], succeeded(1))
	got := f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	if got.Status.Summary.Instances.Total != 2 {
		t.Errorf("%+v", got.Status.Summary)
	}
}

func differs(got, want string) string {
	if got == want {
		return ""
	}
	return got + " instead of " + want
}

// Three clusters that do not answer, each for a reason of its own. All are given up and taken back; what they say later changes nothing.
func TestClustersThatDoNotAnswer(t *testing.T) {
	f := newFleet(t, 4)
	f.startHub()
	f.place("all", f.clusters...)
	f.must(f.setAvailable(f.clusters[0], metav1.ConditionUnknown))
	op := f.operation("backup", "all", deadline(10*time.Second))
	f.awaitWorks(op, 4)
	f.report(op, f.clusters[0], report{seen: true}) // and then the connection breaks
	f.report(op, f.clusters[1], report{applyErr: "operations.ops.vworkspace.io is forbidden"})
	f.report(op, f.clusters[2], report{})
	f.report(op, f.clusters[3], succeeded(1))
	got := f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	var reasons []string
	for _, failure := range got.Status.Failures {
		reasons = append(reasons, failure.Reason)
	}
	want := []string{opsv1alpha1.ReasonClusterUnreachable, opsv1alpha1.ReasonAgentMissing, opsv1alpha1.ReasonAgentMissing}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Fatal(diff, got.Status.Failures)
	}
	if !strings.Contains(got.Status.Failures[1].Message, "is forbidden") || !strings.Contains(got.Status.Failures[2].Message, "no agent took it up") {
		t.Errorf("%+v", got.Status.Failures)
	}
	// The two that can be reached have not applied the withdrawal: their works must stay until they have, or the Operations would be
	// left on the clusters without an owner and run when an agent comes.
	for _, c := range f.clusters[:3] {
		w := f.work(op, c)
		if w == nil || !isWithdrawn(w) || !w.DeletionTimestamp.IsZero() || !strings.Contains(string(w.Spec.Workload.Manifests[0].Raw), `"cancel":true`) {
			t.Errorf("%s: %+v", c, w)
		}
	}
	// Applying fails for one, which has never applied anything; works for the other; and the third comes back late.
	f.report(op, f.clusters[1], report{applyErr: "still forbidden"})
	f.report(op, f.clusters[2], report{})
	f.report(op, f.clusters[0], report{phase: opsv1alpha1.PhaseCancelled, reason: opsv1alpha1.ReasonUserCancelled})
	for _, c := range f.clusters[:3] {
		f.awaitDeletion(op, c)
	}
	if again := f.get(op); again.Status.Failures[0].Reason != opsv1alpha1.ReasonClusterUnreachable {
		t.Errorf("%+v", again.Status.Failures)
	}
}

func TestWorkThatIsDeletedByHandIsNotMadeAgain(t *testing.T) {
	f := newFleet(t, 2)
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all")
	works := f.awaitWorks(op, 2)
	f.report(op, f.clusters[1], running())
	w := works[f.clusters[0]]
	f.must(api.Delete(f.ctx, &w))
	f.eventually("the cluster is given up", func() (string, error) {
		return differs(f.get(op).Status.Progress, "1/2"), nil
	})
	f.report(op, f.clusters[1], succeeded(1))
	got := f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	if got.Status.Failures[0].Reason != opsv1alpha1.ReasonResultLost {
		t.Errorf("%+v", got.Status.Failures)
	}
	if f.work(op, f.clusters[0]) != nil {
		t.Error("it was made again")
	}
}

func (f *fleet) work(op *opsv1alpha1.Operation, cluster string) *workv1.ManifestWork {
	f.t.Helper()
	w := &workv1.ManifestWork{}
	err := api.Get(f.ctx, types.NamespacedName{Namespace: cluster, Name: opsv1alpha1.RunName(op.Name, op.UID)}, w)
	if apierrors.IsNotFound(err) {
		return nil
	}
	f.must(client.IgnoreNotFound(err))
	return w
}

// A work in the cache, as heavy as its agent makes it, stays within 8 KiB.
func TestMemoryOfAWork(t *testing.T) {
	const n = 2000
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "backup", UID: "4c0c0d1e-7c55-4d0c-9d0f-1b2c3d4e5f60"}}
	op.Spec.Selector = &opsv1alpha1.InstanceSelector{}
	c := newCourier(op, Options{}.complete().sentSpec(op, nil), "vworkspace-agent", time.Now())
	works := make([]*workv1.ManifestWork, n)
	before := heap()
	for i := range works {
		w, err := c.manifestWork(firstWork(op, "cluster-1"))
		if err != nil {
			t.Fatal(err)
		}
		fill(w, report{phase: opsv1alpha1.PhaseRunning, reason: "Expanded", message: strings.Repeat("m", 256), instances: opsv1alpha1.Counts{Total: 3, Running: 3}})
		slim, err := slimManifestWork(w.DeepCopy())
		if err != nil {
			t.Fatal(err)
		}
		works[i] = slim.(*workv1.ManifestWork)
	}
	each := (heap() - before) / n
	t.Logf("%d bytes for each work", each)
	if each > 8<<10 {
		t.Errorf("%d bytes", each)
	}
	runtime.KeepAlive(works)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
