// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// backOnBreach is an Upgrade, two at a time, that is put back when one fails.
func backOnBreach(op *opsv1alpha1.Operation) {
	op.Spec.Type, op.Spec.Engine = opsv1alpha1.TypeUpgrade, opsv1alpha1.EngineHelm
	op.Spec.Parameters = &runtime.RawExtension{Raw: []byte(`{"targetVersion":"2.0.0"}`)}
	op.Spec.Rollout = &opsv1alpha1.RolloutSpec{
		RolloutStrategy: clusterv1alpha1.RolloutStrategy{
			Type: clusterv1alpha1.Progressive, Progressive: &clusterv1alpha1.RolloutProgressive{MaxConcurrency: intstr.FromInt32(2)},
		},
		OnBreach: opsv1alpha1.BreachRollback,
	}
}

// backOf is the Operation that puts another one back.
func backOf(op *opsv1alpha1.Operation) *opsv1alpha1.Operation {
	return &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: op.Namespace, Name: rollbackName(op)}}
}

// sentTo is the Operation that a cluster was sent.
func (f *fleet) sentTo(op *opsv1alpha1.Operation, cluster string) *opsv1alpha1.Operation {
	f.t.Helper()
	work := f.work(op, cluster)
	if work == nil {
		f.t.Fatalf("%s was not told", cluster)
	}
	sent := &opsv1alpha1.Operation{}
	f.must(json.Unmarshal(work.Spec.Workload.Manifests[0].Raw, sent))
	return sent
}

// breached is such an Upgrade of which the first cluster has succeeded and the second has failed, while the third is at work and the others are not begun.
func (f *fleet) breached(op *opsv1alpha1.Operation) {
	f.t.Helper()
	f.awaitWorks(op, 2)
	f.report(op, f.clusters[0], succeeded(1))
	f.awaitWorks(op, 3)
	f.report(op, f.clusters[2], running())
	f.report(op, f.clusters[1], failed("disk full"))
}

// TestRollsBack: when too much fails nothing else is begun, what is at work goes on to its end, and then another Operation puts all of it back, in the same way.
func TestRollsBack(t *testing.T) {
	f := newFleet(t, 5)
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("upgrade", "all", backOnBreach, func(op *opsv1alpha1.Operation) {
		op.Spec.TTLSecondsAfterFinished, op.Spec.ConcurrencyKey = ptr.To(int32(3600)), "shops"
		op.Spec.Rollout.PromotedGroups = []string{"0"}
	})
	f.breached(op)
	waiting := f.saying(op, "rolling back, when what is at work has ended: 4 of 5 clusters ended, 1 running, 1 failed")
	if s := waiting.Status; s.Reason != opsv1alpha1.ReasonRollingBack || s.Phase != opsv1alpha1.PhaseRunning || s.RolledBackBy != "" {
		t.Errorf("%+v", s)
	}
	if err := api.Get(f.ctx, client.ObjectKeyFromObject(backOf(op)), &opsv1alpha1.Operation{}); !apierrors.IsNotFound(err) {
		t.Errorf("it is put back while a cluster is at work: %v", err)
	}
	if ttl := f.sentTo(op, f.clusters[0]).Spec.TTLSecondsAfterFinished; *ttl != defaultTTL {
		t.Errorf("the records that a rollback goes by stay %d seconds", *ttl)
	}
	f.report(op, f.clusters[2], succeeded(1))
	first := f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonRolledBack)
	if first.Status.RolledBackBy != rollbackName(op) || !strings.HasPrefix(first.Status.Message, "put back by Operation "+rollbackName(op)+": 1 of 5 clusters failed: "+f.clusters[1]+": disk full") {
		t.Errorf("rolled back by %q: %s", first.Status.RolledBackBy, first.Status.Message)
	}
	for _, r := range f.keptResults(op)[3:] {
		if r.State != placement.Cancelled || r.Reason != opsv1alpha1.ReasonRollingBack || r.Message != "not begun: being rolled back" {
			t.Errorf("%+v", r)
		}
	}
	f.putsBack(op)
}

// putsBack holds that the Operation that puts one back goes over its first three clusters in the same way.
func (f *fleet) putsBack(op *opsv1alpha1.Operation) {
	f.t.Helper()
	back := f.get(backOf(op))
	f.awaitWorks(back, 2)
	want := opsv1alpha1.OperationSpec{
		Placement: &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}, OnChange: opsv1alpha1.ChangeFreeze},
		Selector:  &opsv1alpha1.InstanceSelector{}, Type: opsv1alpha1.TypeUpgrade, Engine: opsv1alpha1.EngineHelm,
		TemplateRef: &opsv1alpha1.TemplateRef{Name: "upgrade-helm"}, TTLSecondsAfterFinished: ptr.To(int32(3600)),
		RollbackOf: &opsv1alpha1.RollbackOfSpec{Name: "upgrade", UID: string(op.UID)}, Rollout: op.Spec.Rollout.DeepCopy(),
	}
	want.Rollout.OnBreach, want.Rollout.Gate, want.Rollout.PromotedGroups = opsv1alpha1.BreachHalt, opsv1alpha1.GateNone, nil
	if diff := cmp.Diff(want, back.Spec); diff != "" {
		f.t.Errorf("(- want, + got) %s", diff)
	}
	sent := f.sentTo(back, f.clusters[1])
	if got := sent.Spec.RollbackOf; got == nil || got.UID != string(op.UID) || sent.Spec.Parameters != nil {
		f.t.Errorf("sent: %+v", sent.Spec)
	}
	f.report(back, f.clusters[0], succeeded(1))
	f.report(back, f.clusters[1], succeeded(1))
	f.awaitWorks(back, 3)
	f.report(back, f.clusters[2], succeeded(1))
	end := f.await(back, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	if end.Status.Summary.Clusters.Total != 3 {
		f.t.Errorf("%+v", end.Status.Summary.Clusters)
	}
}

// TestRollsBackNothing: what has changed nothing is not put back, and a person who cancels does not want it to be.
func TestRollsBackNothing(t *testing.T) {
	f := newFleet(t, 5)
	f.funcs.Create = func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		if w, isWork := o.(*workv1.ManifestWork); isWork && w.Name[:1] == "n" {
			return apierrors.NewBadRequest("the webhook says no")
		}
		return c.Create(ctx, o, opts...)
	}
	f.startHub()
	f.place("all", f.clusters...)
	nothing := f.operation("nothing", "all", backOnBreach, deadline(time.Second))
	got := f.await(nothing, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	if !strings.HasPrefix(got.Status.Message, "nothing is put back, because nothing was changed: ") || got.Status.RolledBackBy != "" {
		t.Errorf("%+v", got.Status)
	}
	stopped := f.operation("stopped", "all", backOnBreach)
	f.breached(stopped)
	f.saying(stopped, "rolling back")
	f.cancelOp(stopped)
	f.report(stopped, f.clusters[2], succeeded(1))
	f.await(stopped, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	for _, op := range []*opsv1alpha1.Operation{nothing, stopped} {
		if err := api.Get(f.ctx, client.ObjectKeyFromObject(backOf(op)), &opsv1alpha1.Operation{}); !apierrors.IsNotFound(err) {
			t.Errorf("%s is put back: %v", op.Name, err)
		}
	}
}

// TestRollsBackOnce: wherever the hub breaks off, there is one inverse, and the run says which.
func TestRollsBackOnce(t *testing.T) {
	f := newFleet(t, 5)
	var lost, refused atomic.Bool
	f.funcs.Create = func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		op, isOperation := o.(*opsv1alpha1.Operation)
		switch {
		case !isOperation || op.Spec.RollbackOf == nil:
		case refused.CompareAndSwap(false, true):
			return errors.New("the API server says no")
		case lost.CompareAndSwap(false, true):
			f.must(c.Create(ctx, o, opts...))
			return errors.New("the reply is lost")
		}
		return c.Create(ctx, o, opts...)
	}
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("upgrade", "all", backOnBreach)
	f.breached(op)
	f.saying(op, "rolling back")
	f.report(op, f.clusters[2], succeeded(1))
	f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonRolledBack)
	f.awaitWorks(f.get(backOf(op)), 2)
	if !lost.Load() {
		t.Error("no reply was lost")
	}
	says := false
	for _, step := range f.get(op).Status.History {
		says = says || strings.Contains(step.Message, "cannot create Operation") || step.Reason == opsv1alpha1.ReasonRollingBack
	}
	if !says {
		t.Errorf("%+v", f.get(op).Status.History)
	}
}

// TestRollbackOfTheHubsOwn: what the hub makes by itself runs for the one who asked for the run, whatever they may do by now, and without another approval. What
// somebody else has made under its name does not.
func TestRollbackOfTheHubsOwn(t *testing.T) {
	f := authorizing(t, 5)
	f.startHub()
	f.place("all", f.clusters...)
	template := f.listed("asks", func(s *opsv1alpha1.OperationTemplateSpec) {
		s.Type, s.Engine, s.Approval = opsv1alpha1.TypeUpgrade, opsv1alpha1.EngineHelm, &opsv1alpha1.ApprovalPolicy{Required: true}
		s.InputSchema = &runtime.RawExtension{Raw: []byte(`{"type":"object","required":["targetVersion"]}`)}
	})
	f.guard()
	f.grant("alice", VerbRun, "ops.vworkspace.io", "operationtemplates", template.Name)
	f.grant("alice", VerbTarget, "cluster.open-cluster-management.io", "placements", "all")
	op := f.ask("alice", "upgrade", func(op *opsv1alpha1.Operation) {
		backOnBreach(op)
		op.Spec.TemplateRef = &opsv1alpha1.TemplateRef{Name: template.Name}
	})
	f.await(op, opsv1alpha1.PhasePending, opsv1alpha1.ReasonAwaitingApproval)
	f.must(f.patch(f.as("carol", []string{"get", "patch", "approve"}), op, `{"spec":{"approvals":{"approvedBy":"carol"}}}`))
	f.breached(op)
	f.saying(op, "rolling back")

	// Mallory knows the name, and is there first.
	like := func(op *opsv1alpha1.Operation) func(*opsv1alpha1.Operation) {
		return func(o *opsv1alpha1.Operation) {
			backOnBreach(o)
			o.Spec.Parameters, o.Spec.Rollout, o.Spec.TemplateRef = nil, nil, &opsv1alpha1.TemplateRef{Name: template.Name}
			o.Spec.RollbackOf = &opsv1alpha1.RollbackOfSpec{Name: op.Name, UID: string(op.UID)}
			o.Annotations[opsv1alpha1.AnnotationOnBehalfOf] = "alice"
		}
	}
	forged := f.ask("mallory", rollbackName(op), like(op))
	f.await(forged, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed) // that has not ended
	f.report(op, f.clusters[2], succeeded(1))
	f.saying(op, "Operation "+rollbackName(op)+" exists and was not made by this run: delete it")
	f.must(api.Delete(f.ctx, forged))
	f.editOp(op, func(op *opsv1alpha1.Operation) { op.Spec.Rollout.PromotedGroups = []string{"0"} }) // has the hub look again
	f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonRolledBack)
	back := f.get(backOf(op))
	f.awaitWorks(back, 2)
	sent := f.sentTo(back, f.clusters[0])
	if by := sent.Annotations[opsv1alpha1.AnnotationRequestedBy]; by != "alice" {
		t.Errorf("what is sent says that %q asked", by)
	}
	if by := f.get(back).Annotations[opsv1alpha1.AnnotationRequestedBy]; by != hubConfig.Impersonate.UserName {
		t.Errorf("it was created by %q", by)
	}
	if err := f.patch(api, back, `{"metadata":{"annotations":{"ops.vworkspace.io/on-behalf-of":"mallory"}}}`); err == nil || !strings.Contains(err.Error(), "on-behalf-of never changes") {
		t.Errorf("for whom it runs can be changed: %v", err)
	}

	// And when the hub's own is gone.
	f.must(api.Patch(f.ctx, f.get(back), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))))
	f.must(client.IgnoreNotFound(api.Delete(f.ctx, back)))
	f.awaitGone(back)
	f.must(f.patch(api, op, `{"metadata":{"labels":{"seen":"true"}}}`))
	again := f.ask("mallory", rollbackName(op), like(op))
	denied := f.await(again, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonNotAuthorized)
	if !strings.HasPrefix(denied.Status.Message, "mallory may not run") {
		t.Error(denied.Status.Message)
	}
}

// TestRolledBackStays: a run whose time is up at once stays until what puts it back has a plan of its own.
func TestRolledBackStays(t *testing.T) {
	f := newFleet(t, 5)
	var held atomic.Bool
	held.Store(true)
	f.funcs.SubResourcePatch = func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
		if op, isOperation := o.(*opsv1alpha1.Operation); isOperation && op.Spec.RollbackOf != nil && held.Load() {
			return errors.New("not yet")
		}
		return c.SubResource(sub).Patch(ctx, o, p, opts...)
	}
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("upgrade", "all", backOnBreach, func(op *opsv1alpha1.Operation) { op.Spec.TTLSecondsAfterFinished = ptr.To(int32(0)) })
	f.breached(op)
	f.saying(op, "rolling back")
	f.report(op, f.clusters[2], succeeded(1))
	f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonRolledBack)
	f.eventually("the hub to be done with it", func() (string, error) {
		return strings.Join(f.get(op).Finalizers, ","), nil
	})
	probe := f.operation("probe", "nowhere") // whoever has acted on this has looked at everything older
	f.await(probe, opsv1alpha1.PhasePending, opsv1alpha1.ReasonPlacementNotFound)
	f.get(op)
	held.Store(false)
	f.awaitWorks(f.get(backOf(op)), 2)
	f.awaitGone(op)
}

// TestRollbackByHand: anybody may put an Upgrade back that has ended, as far as they may do what it did.
func TestRollbackByHand(t *testing.T) {
	f := newFleet(t, 4)
	f.options.WorkRetention = 0
	f.startHub()
	f.placeInGroups("tiers", []string{"canary", "rest"}, []string{f.clusters[3]}, f.clusters[:3])
	op := f.operation("upgrade", "tiers", backOnBreach, func(op *opsv1alpha1.Operation) { op.Spec.Rollout = nil })
	back := func(change func(*opsv1alpha1.Operation)) func(*opsv1alpha1.Operation) {
		return func(o *opsv1alpha1.Operation) {
			backOnBreach(o)
			o.Spec.Parameters, o.Spec.Rollout, o.Spec.RollbackOf = nil, nil, &opsv1alpha1.RollbackOfSpec{Name: "upgrade"}
			if change != nil {
				change(o)
			}
		}
	}
	refused := func(name, placement, why string, change func(*opsv1alpha1.Operation)) {
		t.Helper()
		got := f.await(f.operation(name, placement, back(change)), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed)
		if got.Status.Message != why {
			t.Errorf("got  %s\nwant %s", got.Status.Message, why)
		}
	}
	f.awaitWorks(op, 4)
	refused("early", "tiers", `spec.rollbackOf.name: Invalid value: "upgrade": it has not ended: wait for that, or cancel it`, nil)
	f.report(op, f.clusters[0], report{phase: opsv1alpha1.PhaseSucceeded, reason: opsv1alpha1.ReasonNoTargets})
	f.report(op, f.clusters[1], succeeded(1))
	f.report(op, f.clusters[2], failed("disk full"))
	f.report(op, f.clusters[3], succeeded(1))
	f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)

	dry := f.operation("dry", "tiers", backOnBreach, func(op *opsv1alpha1.Operation) { op.Spec.DryRun = true })
	f.await(dry, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonDryRun)
	other := f.operation("other", "tiers")
	f.awaitWorks(other, 4)
	f.cancelOp(other)
	f.place("elsewhere", f.clusters...)
	named := func(name string) func(*opsv1alpha1.Operation) {
		return func(op *opsv1alpha1.Operation) { op.Spec.RollbackOf.Name = name }
	}
	refused("nobodys", "tiers", `spec.rollbackOf.name: Invalid value: "nobody": there is no such Operation in namespace `+f.ns+
		`; one that was deleted, or whose ttlSecondsAfterFinished is over, has taken its plan along`, named("nobody"))
	refused("of-dry", "tiers", `spec.rollbackOf.name: Invalid value: "dry": it was a dry run, which did nothing`, named("dry"))
	refused("of-backup", "tiers", `spec.rollbackOf.name: Invalid value: "other": it is a Backup, and what is put back is what an Upgrade has changed`, named("other"))
	refused("of-early", "tiers", `spec.rollbackOf.name: Invalid value: "early": it ended before it had a plan, and has done nothing`, named("early"))
	refused("uid", "tiers", `spec.rollbackOf.uid: Invalid value: "1": Operation upgrade has the uid `+string(op.UID)+`: it is another one of that name`,
		func(op *opsv1alpha1.Operation) { op.Spec.RollbackOf.UID = "1" })
	refused("parameters", "tiers", `spec.parameters: Forbidden: must be left out with spec.rollbackOf: each instance goes back to the chart version that Operation upgrade found there`,
		func(op *opsv1alpha1.Operation) {
			op.Spec.Parameters = &runtime.RawExtension{Raw: []byte(`{"targetVersion":"1.0.0"}`)}
		})
	refused("elsewhere", "elsewhere", "spec.placement.placementRef.name: Invalid value: is not what Operation upgrade did: it must be the same with spec.rollbackOf", nil)
	refused("others", "tiers", "spec.selector: Invalid value: is not what Operation upgrade did: it must be the same with spec.rollbackOf",
		func(op *opsv1alpha1.Operation) { op.Spec.Selector.Names = []string{"web"} })
	refused("follow", "tiers", `spec.placement.onChange: Invalid value: "Follow": must be Freeze with spec.rollbackOf: its clusters are those of Operation upgrade`,
		func(op *opsv1alpha1.Operation) { op.Spec.Placement.OnChange = opsv1alpha1.ChangeFollow })

	good := f.operation("back", "tiers", back(nil))
	f.awaitWorks(good, 3)
	if got := f.told(good); slices.Contains(got, f.clusters[0]) || f.sentTo(good, f.clusters[1]).Spec.RollbackOf.UID != string(op.UID) {
		t.Errorf("told %v", got)
	}
	if groups := f.saying(good, "0 of 3 clusters ended").Status.Rollout.Groups; groups != 2 {
		t.Errorf("%d groups", groups)
	}
}

// TestRollbackOfOne: an Upgrade of one instance is put back where it was.
func TestRollbackOfOne(t *testing.T) {
	f := newFleet(t, 1)
	f.startHub()
	f.instance("web", f.clusters[0])
	onWeb := func(op *opsv1alpha1.Operation) {
		backOnBreach(op)
		op.Spec.Placement, op.Spec.Selector, op.Spec.Rollout = nil, nil, nil
		op.Spec.TargetRef = &opsv1alpha1.TargetRef{APIVersion: "apps.vworkspace.io/v1alpha1", Kind: "ApplicationInstance", Name: "web"}
	}
	op := f.operation("upgrade", "", onWeb)
	f.awaitWorks(op, 1)
	f.report(op, f.clusters[0], succeeded(1))
	f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	back := f.operation("back", "", onWeb, func(op *opsv1alpha1.Operation) {
		op.Spec.Parameters, op.Spec.RollbackOf = nil, &opsv1alpha1.RollbackOfSpec{Name: "upgrade"}
	})
	f.awaitWorks(back, 1)
	if sent := f.sentTo(back, f.clusters[0]); sent.Spec.RollbackOf.UID != string(op.UID) || sent.Spec.Selector.Names[0] != "web" {
		t.Errorf("%+v", sent.Spec)
	}
}
