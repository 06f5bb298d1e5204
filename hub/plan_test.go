// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

func deadline(d time.Duration) func(*opsv1alpha1.Operation) {
	return func(op *opsv1alpha1.Operation) { op.Spec.StartDeadline = &metav1.Duration{Duration: d} }
}

func TestPlacementThatIsMissing(t *testing.T) {
	f := newFleet(t, 1)
	f.startHub()
	late := f.operation("late", "later")
	never := f.operation("never", "nowhere", deadline(time.Second))
	f.await(late, opsv1alpha1.PhasePending, opsv1alpha1.ReasonPlacementNotFound)
	if got := f.get(late); !got.Status.Blocked || !strings.Contains(got.Status.Message, `no Placement "later"`) {
		t.Errorf("%+v", got.Status)
	}
	f.await(never, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonPlacementNotFound)
	f.place("later", f.clusters...)
	f.awaitWorks(late, 1)
	if got := f.get(late); got.Status.Blocked || len(f.get(never).Finalizers) > 0 {
		t.Errorf("%+v", got.Status)
	}
}

func TestPlacementThatIsBeingDecided(t *testing.T) {
	f := newFleet(t, 2)
	f.startHub()
	p := f.placement("slow")
	op := f.operation("backup", "slow")
	f.await(op, opsv1alpha1.PhasePending, opsv1alpha1.ReasonPlacementPending)
	// As OCM does it when clusters join: decisions first, the status that counts them after.
	f.decide(p, f.clusters[0])
	got := f.await(op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonRollingOut)
	f.awaitWorks(op, 1)
	if got.Status.Plan.Clusters != 1 {
		t.Errorf("%+v", got.Status.Plan)
	}
}

func TestPlacementThatSelectsNobody(t *testing.T) {
	f := newFleet(t, 0)
	f.startHub()
	f.place("none")
	op := f.operation("backup", "none")
	got := f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonNoClusters)
	if len(got.Finalizers) > 0 || got.Status.Plan != nil {
		t.Errorf("%+v", got)
	}
}

func TestDryRunStopsAfterThePlan(t *testing.T) {
	f := newFleet(t, 2)
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all", func(op *opsv1alpha1.Operation) { op.Spec.DryRun = true })
	got := f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonDryRun)
	if !strings.Contains(got.Status.Message, "2 clusters") || !strings.Contains(got.Status.Message, got.Status.Plan.Name) {
		t.Errorf("message: %s", got.Status.Message)
	}
	if len(f.works(op)) > 0 || len(got.Finalizers) > 0 {
		t.Errorf("a dry run left something behind")
	}
	chunk := &corev1.ConfigMap{}
	f.must(api.Get(f.ctx, types.NamespacedName{Namespace: f.ns, Name: got.Status.Plan.Name + "-0"}, chunk))
	if !ptr.Deref(chunk.Immutable, false) || chunk.Labels[opsv1alpha1.LabelOperation] != string(op.UID) || len(chunk.OwnerReferences) != 1 {
		t.Errorf("%+v", chunk.ObjectMeta)
	}
	plan, err := placement.DecodePlan([][]byte{chunk.BinaryData[chunkKey]})
	if err != nil || plan.Len() != 2 {
		t.Errorf("%+v %v", plan, err)
	}
}

// What a run does is settled when it is planned: neither a Placement that changes its mind nor an edited spec changes it.
func TestPlanIsFrozen(t *testing.T) {
	f := newFleet(t, 3)
	var open atomic.Bool
	f.funcs.Create = func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		if w, isWork := o.(*workv1.ManifestWork); isWork && w.Namespace == f.clusters[1] && !open.Load() {
			return apierrors.NewServiceUnavailable("not yet")
		}
		return c.Create(ctx, o, opts...)
	}
	stop := f.startHub()
	f.place("two", f.clusters[0], f.clusters[1])
	op := f.operation("backup", "two", func(op *opsv1alpha1.Operation) { op.Spec.Timeout = &metav1.Duration{Duration: time.Hour} })
	f.awaitWorks(op, 1)
	f.eventually("the status says what is wrong", func() (string, error) {
		if got := f.get(op); !strings.Contains(got.Status.Message, "not yet") {
			return got.Status.Message, nil
		}
		return "", nil
	})
	p := f.placementNamed("two")
	f.decide(p, f.clusters[2])
	f.editOp(op, func(op *opsv1alpha1.Operation) { op.Spec.Timeout = &metav1.Duration{Duration: time.Minute} })
	// A hub that starts now sees the new decisions and the new spec only.
	stop()
	open.Store(true)
	f.startHub()
	works := f.awaitWorks(op, 2)
	for _, c := range f.clusters[:2] {
		w, there := works[c]
		if !there || !strings.Contains(string(w.Spec.Workload.Manifests[0].Raw), `"timeout":"1h0m0s"`) {
			t.Errorf("cluster %s: %s", c, w.Spec.Workload.Manifests)
		}
	}
}

// A hub that was killed after it wrote its plan and before its status said so finds the same plan and leaves it as it is.
func TestPlanThatIsThereAlready(t *testing.T) {
	f := newFleet(t, 2)
	f.place("all", f.clusters...)
	op := f.operation("backup", "all")
	f.must(api.Get(f.ctx, client.ObjectKeyFromObject(op), op))
	chunks, err := placement.EncodePlan(placement.Plan{Spec: Options{}.complete().sentSpec(op, nil), Groups: []placement.Group{{Clusters: f.clusters}}})
	f.must(err)
	chunk := planChunk(op, 0, chunks[0])
	f.must(api.Create(f.ctx, chunk))
	f.startHub()
	f.awaitWorks(op, 2)
	after := &corev1.ConfigMap{}
	f.must(api.Get(f.ctx, client.ObjectKeyFromObject(chunk), after))
	if after.UID != chunk.UID {
		t.Error("it was written again")
	}
}

// ConfigMaps can be written by people who may not choose clusters. A plan counts only when the status bears its digest: one that lay
// there before the hub planned is replaced, also where it has more chunks.
func TestPlanOfSomebodyElse(t *testing.T) {
	f := newFleet(t, 2)
	f.place("one", f.clusters[0])
	op := f.operation("backup", "one")
	many := make([]string, 1100)
	for i := range many {
		many[i] = fmt.Sprintf("%s-%04d", f.ns, i)
	}
	forged := placement.Plan{Spec: op.Spec, Groups: []placement.Group{{Clusters: append(many, f.clusters[1])}}}
	forged.Spec.Selector = &opsv1alpha1.InstanceSelector{Namespaces: []string{"kube-system"}}
	chunks, err := placement.EncodePlan(forged)
	f.must(err)
	for i := range chunks {
		f.must(api.Create(f.ctx, planChunk(op, i, chunks[i])))
	}
	f.startHub()
	got := f.await(op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonRollingOut)
	works := f.awaitWorks(op, 1)
	if w, there := works[f.clusters[0]]; !there || strings.Contains(string(w.Spec.Workload.Manifests[0].Raw), "kube-system") || got.Status.Plan.Clusters != 1 {
		t.Errorf("%+v %+v", works, got.Status.Plan)
	}
}

// Nor is one that was put into the place of the hub's own, whenever that was.
func TestPlanThatWasChangedIsNotFollowed(t *testing.T) {
	f := newFleet(t, 2)
	f.place("one", f.clusters[0])
	stop := f.startHub()
	op := f.operation("backup", "one")
	f.awaitWorks(op, 1)
	f.report(op, f.clusters[0], report{phase: opsv1alpha1.PhaseRunning, reason: "Expanded", instances: opsv1alpha1.Counts{Total: 2, Running: 2}})
	f.eventually("the hub knows of the instances", func() (string, error) {
		if s := f.get(op).Status.Summary; s == nil || s.Instances == nil || s.Instances.Running != 2 {
			return fmt.Sprintf("%+v", s), nil
		}
		return "", nil
	})
	stop()
	got := f.get(op)
	forged, err := placement.EncodePlan(placement.Plan{Spec: Options{}.complete().sentSpec(op, nil), Groups: []placement.Group{{Clusters: f.clusters}}})
	f.must(err)
	f.must(api.Delete(f.ctx, planChunk(op, 0, nil)))
	f.must(api.Create(f.ctx, planChunk(op, 0, forged[0])))
	f.startHub()
	got = f.await(got, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost)
	s := got.Status.Summary
	if s.Clusters.Failed != 1 || s.Clusters.Done() != s.Clusters.Total || got.Status.Progress != "1/1" || s.Instances == nil || s.Instances.Failed != 2 || s.Instances.Running != 0 {
		t.Errorf("it has ended, and what is below has not: %+v %+v %s", s.Clusters, s.Instances, got.Status.Progress)
	}
	if !strings.Contains(got.Status.Message, "is not the one that was written") || len(f.works(op)) > 1 {
		t.Errorf("%+v", got.Status)
	}
}

func TestOperationsThatMakeNoSense(t *testing.T) {
	f := newFleet(t, 1)
	f.startHub()
	f.place("all", f.clusters...)
	bare := f.operation("bare", "all", func(op *opsv1alpha1.Operation) { op.Spec.Placement = nil })
	f.await(bare, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed)
	nosy := f.operation("nosy", "all", func(op *opsv1alpha1.Operation) { op.Spec.Selector.Namespaces = []string{"kube-system"} })
	f.await(nosy, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonNamespaceNotAllowed)
	if len(f.works(nosy)) > 0 {
		t.Error("it was sent all the same")
	}
	careful := f.operation("careful", "all", func(op *opsv1alpha1.Operation) { op.Spec.Approvals = &opsv1alpha1.ApprovalsSpec{Required: true} })
	f.await(careful, opsv1alpha1.PhasePending, opsv1alpha1.ReasonAwaitingApproval)
}

func TestOperationOnADeliveredInstance(t *testing.T) {
	f := newFleet(t, 2)
	f.startHub()
	target := func(op *opsv1alpha1.Operation) {
		op.Spec.Placement, op.Spec.Selector = nil, nil
		op.Spec.TargetRef = &opsv1alpha1.TargetRef{APIVersion: "apps.vworkspace.io/v1alpha1", Kind: "ApplicationInstance", Name: "web"}
	}
	gone := f.operation("gone", "", target, deadline(time.Second))
	early := f.operation("early", "", target)
	got := f.await(early, opsv1alpha1.PhasePending, opsv1alpha1.ReasonTargetNotFound)
	if !strings.Contains(got.Status.Message, appsv1alpha1.LabelClusterID) {
		t.Errorf("the message names no fix: %s", got.Status.Message)
	}
	f.await(gone, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonTargetNotFound)
	f.instance("web", f.clusters[1])
	works := f.awaitWorks(early, 1)
	w, there := works[f.clusters[1]]
	if !there {
		t.Fatalf("sent to %v", works)
	}
	raw := string(w.Spec.Workload.Manifests[0].Raw)
	if !strings.Contains(raw, `"selector":{"names":["web"],"namespaces":["`+f.ns+`"],"required":true}`) {
		t.Error(raw)
	}
	f.report(early, f.clusters[1], succeeded(1))
	f.await(early, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
}
