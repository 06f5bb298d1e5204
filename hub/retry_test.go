// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// TestRetryOf: what did not succeed is tried again by another Operation, with what was frozen then, in the groups of then. What it came to before stays.
func TestRetryOf(t *testing.T) {
	f := newFleet(t, 5)
	f.startHub()
	f.placeInGroups("tiers", []string{"canary", "rest"}, []string{f.clusters[4]}, f.clusters[:4])
	velero := func(op *opsv1alpha1.Operation) {
		op.Spec.Engine, op.Spec.TemplateRef = opsv1alpha1.EngineVelero, &opsv1alpha1.TemplateRef{Name: "backup-velero"}
		op.Spec.Parameters = &runtime.RawExtension{Raw: []byte(`{"ttl":"1h","includedResources":["pods"]}`)}
	}
	op := f.operation("backup", "tiers", velero, oneAtATime, func(op *opsv1alpha1.Operation) {
		op.Spec.Rollout.Progressive.MinSuccessTime = metav1.Duration{}
		op.Spec.Rollout.OnBreach = opsv1alpha1.BreachContinue
	})
	again := func(name string, change func(*opsv1alpha1.Operation)) *opsv1alpha1.Operation {
		return f.operation(name, "tiers", velero, func(o *opsv1alpha1.Operation) {
			o.Spec.RetryOf = &opsv1alpha1.RetryOfSpec{Name: "backup"}
			o.Spec.Parameters.Raw = []byte(`{"includedResources":["pods"], "ttl":"1h"}`)
			if change != nil {
				change(o)
			}
		})
	}
	refused := func(name, why string, change func(*opsv1alpha1.Operation)) {
		t.Helper()
		got := f.await(again(name, change), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed)
		if got.Status.Message != why {
			t.Errorf("got  %s\nwant %s", got.Status.Message, why)
		}
	}
	f.awaitWorks(op, 1)
	refused("early", `spec.retryOf.name: Invalid value: "backup": it has not ended: wait for that, or start clusters again by its own spec.retry`, nil)
	f.report(op, f.clusters[4], succeeded(1))
	f.awaitWorks(op, 2)
	f.report(op, f.clusters[0], failed("disk full"))
	f.awaitWorks(op, 3)
	f.cancelOp(op)
	f.report(op, f.clusters[1], report{phase: opsv1alpha1.PhaseCancelled, reason: opsv1alpha1.ReasonUserCancelled})
	f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	before := f.keptResults(op)

	for field, change := range map[string]func(*opsv1alpha1.Operation){
		"type": func(op *opsv1alpha1.Operation) {
			op.Spec.Type, op.Spec.TemplateRef, op.Spec.Parameters = opsv1alpha1.TypeRestore, nil, nil
		},
		"engine":                      func(op *opsv1alpha1.Operation) { op.Spec.Engine = "" },
		"selector":                    func(op *opsv1alpha1.Operation) { op.Spec.Selector.Names = []string{"web"} },
		"templateRef.name":            func(op *opsv1alpha1.Operation) { op.Spec.TemplateRef = nil },
		"parameters":                  func(op *opsv1alpha1.Operation) { op.Spec.Parameters.Raw = []byte(`{"ttl":"2h"}`) },
		"placement.placementRef.name": func(op *opsv1alpha1.Operation) { op.Spec.Placement.PlacementRef.Name = "nowhere" },
	} {
		refused("other-"+strings.ToLower(strings.ReplaceAll(field, ".", "-")), "spec."+field+": Invalid value: is not what Operation backup did: it must be the same with spec.retryOf", change)
	}
	refused("nobodys", `spec.retryOf.name: Invalid value: "nobody": there is no such Operation in namespace `+f.ns+
		`; one that was deleted, or whose ttlSecondsAfterFinished is over, has taken its plan along`, func(op *opsv1alpha1.Operation) { op.Spec.RetryOf.Name = "nobody" })
	none := again("none", func(op *opsv1alpha1.Operation) {
		op.Spec.RetryOf.Of = []opsv1alpha1.RetryOutcome{opsv1alpha1.RetryUnreachable}
	})
	if got := f.await(none, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonNoClusters).Status.Message; got !=
		"no cluster of Operation backup is left to be tried again: none ended as [Unreachable] (spec.retryOf.of)" {
		t.Error(got)
	}

	failedOnly := again("failed-only", func(op *opsv1alpha1.Operation) {
		op.Spec.RetryOf.Of = []opsv1alpha1.RetryOutcome{opsv1alpha1.RetryFailed}
	})
	f.awaitWorks(failedOnly, 1)
	sent, was := f.sentTo(failedOnly, f.clusters[0]), f.sentTo(op, f.clusters[0])
	if diff := cmp.Diff(was.Spec, sent.Spec); diff != "" {
		t.Errorf("(- what was sent, + what is sent now) %s", diff)
	}
	all := again("all", nil)
	if got := f.awaitWorks(all, 4); len(got) != 4 {
		t.Errorf("told %v", f.told(all))
	}
	if s := f.saying(all, "0 of 4 clusters ended").Status.Rollout; s.Groups != 1 || s.Group != "rest" {
		t.Errorf("%+v", s)
	}
	if diff := cmp.Diff(before, f.keptResults(op)); diff != "" {
		t.Errorf("what it came to before has changed: %s", diff)
	}

	chunk := &corev1.ConfigMap{}
	f.must(api.Get(f.ctx, types.NamespacedName{Namespace: f.ns, Name: ResultName(op) + "-0"}, chunk))
	f.must(api.Delete(f.ctx, chunk))
	refused("unknown", `spec.retryOf.name: Invalid value: "backup": of 5 of its clusters no result is kept any more (ConfigMaps `+ResultName(op)+
		`-...): nobody knows whether they succeeded`, nil)
	f.must(api.Get(f.ctx, types.NamespacedName{Namespace: f.ns, Name: planName(op) + "-0"}, chunk))
	f.must(api.Delete(f.ctx, chunk))
	refused("planless", `spec.retryOf.name: Invalid value: "backup": its plan is gone: the chunks of the plan do not belong together: ConfigMap `+planName(op)+`-0 is missing`, nil)
}

// TestRetryOfAll: nothing is left where all is well, and a template that has changed since is not what was tried.
func TestRetryOfAll(t *testing.T) {
	f := newFleet(t, 2)
	f.startHub()
	f.place("all", f.clusters...)
	template := f.listed("mine", nil)
	again := func(name, of string) *opsv1alpha1.Operation {
		return f.operation(name, "all", naming(template.Name), func(op *opsv1alpha1.Operation) { op.Spec.RetryOf = &opsv1alpha1.RetryOfSpec{Name: of} })
	}
	well := f.operation("well", "all", naming(template.Name))
	bad := f.operation("bad", "all", naming(template.Name))
	for _, c := range f.clusters {
		for _, op := range []*opsv1alpha1.Operation{well, bad} {
			f.awaitWorks(op, 2)
		}
		f.report(well, c, succeeded(1))
		f.report(bad, c, failed("out of memory"))
	}
	f.await(well, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	f.await(bad, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	if got := f.await(again("again", "well"), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonNoClusters).Status.Message; got !=
		"no cluster of Operation well is left to be tried again: all of them succeeded" {
		t.Error(got)
	}
	template.Spec.Description = "another one"
	f.must(api.Update(f.ctx, template))
	changed := f.await(again("changed", "bad"), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonTemplateChanged)
	if want := "OperationTemplate " + template.Name + " has changed since Operation bad"; !strings.HasPrefix(changed.Status.Message, want) {
		t.Error(changed.Status.Message)
	}
}

// TestRetryKeepsAll: what a cluster had come to is kept also when it ended after others of the same attempt had been put aside; and a hub that takes over knows
// which clusters were started again: one whose ManifestWork was deleted meanwhile is not told a second time.
func TestRetryKeepsAll(t *testing.T) {
	f, _ := stepping(t, 3)
	stop := f.startHub()
	f.place("all", f.clusters...)
	a, b := f.clusters[0], f.clusters[1]
	op := f.operation("upgrade", "all", func(op *opsv1alpha1.Operation) {
		oneAtATime(op)
		op.Spec.Rollout.Progressive.MaxConcurrency = intstr.FromInt32(2)
	})
	f.awaitWorks(op, 2)
	f.report(op, a, failed("disk full"))
	f.report(op, b, failed("out of memory"))
	f.saying(op, "2 of its clusters failed")
	broken, err := placement.EncodeResults([]placement.ClusterResult{{Cluster: a, State: placement.Failed, Message: "disk full"}})
	f.must(err)
	f.must(api.Create(f.ctx, chunkMap(f.get(op), ResultName(op)+"-before-1", opsv1alpha1.PartEarlier, 0, broken)))
	f.editOp(op, func(op *opsv1alpha1.Operation) { op.Spec.Retry = &opsv1alpha1.RetrySpec{Attempt: 1} })
	f.reportAgain(op, a, running())
	f.reportAgain(op, b, running())
	if before := f.resultsIn(op, ResultName(op)+"-before-1-0"); len(before) != 2 || before[1].Cluster != b || before[1].Message != "out of memory" {
		t.Errorf("kept of before: %+v", before)
	}
	f.eventually("it to be on record that both were started again", func() (string, error) {
		var started []string
		for _, r := range f.resultsIn(op, ResultName(op)+"-0") {
			started = append(started, fmt.Sprint(r.State, r.Attempt))
		}
		return differs(fmt.Sprint(started), "[pending1 pending1]"), nil
	})
	stop()
	f.must(api.DeleteAllOf(f.ctx, &workv1.ManifestWork{}, client.InNamespace(b), client.MatchingLabels{opsv1alpha1.LabelOperation: string(op.UID)}))
	f.eventually("its ManifestWorks to be gone", func() (string, error) {
		list := &workv1.ManifestWorkList{}
		err := api.List(f.ctx, list, client.InNamespace(b), client.MatchingLabels{opsv1alpha1.LabelOperation: string(op.UID)})
		for i := range list.Items {
			list.Items[i].Finalizers = nil
			err = errors.Join(err, client.IgnoreNotFound(api.Update(f.ctx, &list.Items[i])))
		}
		return differs(fmt.Sprint(len(list.Items)), "0"), err
	})
	f.startHub()
	f.saying(op, "1 of its clusters failed")
	if names := f.attempts(op, b); len(names) != 0 {
		t.Errorf("told again: %v", names)
	}
}

// TestWhatIsRolledBackIsNotTriedAgain: what was not begun has been given up by then, so that a retry could not go on with it.
func TestWhatIsRolledBackIsNotTriedAgain(t *testing.T) {
	f := newFleet(t, 5)
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("upgrade", "all", backOnBreach)
	f.breached(op)
	f.saying(op, "rolling back, when what is at work has ended")
	f.editOp(op, func(op *opsv1alpha1.Operation) { op.Spec.Retry = &opsv1alpha1.RetrySpec{Attempt: 1} })
	f.report(op, f.clusters[2], succeeded(1))
	end := f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonRolledBack)
	if n := len(f.attempts(op, f.clusters[1])); n != 1 || end.Status.Rollout.Attempt != 0 {
		t.Errorf("%d ManifestWorks of the cluster that failed, %+v", n, end.Status.Rollout)
	}
}
