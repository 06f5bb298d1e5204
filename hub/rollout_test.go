// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// placeInGroups writes what OCM's placement controller writes for a Placement with a group of one name for each list of clusters.
func (f *fleet) placeInGroups(name string, names []string, groups ...[]string) {
	f.t.Helper()
	p := f.placement(name)
	for i, clusters := range groups {
		d := &clusterv1beta1.PlacementDecision{ObjectMeta: metav1.ObjectMeta{
			Namespace: f.ns, Name: fmt.Sprintf("%s-decision-%d", name, i+1),
			Labels: map[string]string{
				clusterv1beta1.PlacementLabel: name, clusterv1beta1.DecisionGroupIndexLabel: fmt.Sprint(i), clusterv1beta1.DecisionGroupNameLabel: names[i],
			},
		}}
		f.must(api.Create(f.ctx, d))
		for _, c := range clusters {
			d.Status.Decisions = append(d.Status.Decisions, clusterv1beta1.ClusterDecision{ClusterName: c})
			p.Status.NumberOfSelectedClusters++
		}
		f.must(api.Status().Update(f.ctx, d))
	}
	meta.SetStatusCondition(&p.Status.Conditions, metav1.Condition{
		Type: clusterv1beta1.PlacementConditionSatisfied, Status: metav1.ConditionTrue, Reason: "AllDecisionsScheduled", Message: "All cluster decisions scheduled",
	})
	f.must(api.Status().Update(f.ctx, p))
}

// steppingClock is the system's, which a test may put forward.
type steppingClock struct {
	clock.RealClock
	ahead atomic.Int64
}

func (c *steppingClock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// stepping is a fleet whose hub goes by such a clock; step puts it forward, and has the hub look at an Operation.
func stepping(t *testing.T, n int) (f *fleet, step func(op *opsv1alpha1.Operation, d time.Duration)) {
	f = newFleet(t, n)
	c := &steppingClock{}
	f.options.Clock = c
	return f, func(op *opsv1alpha1.Operation, d time.Duration) {
		c.ahead.Add(int64(d))
		f.editOp(op, func(op *opsv1alpha1.Operation) {
			op.Spec.TTLSecondsAfterFinished = ptr.To(int32(c.ahead.Load() / int64(time.Second)))
		})
	}
}

func failed(message string) report {
	return report{phase: opsv1alpha1.PhaseFailed, reason: opsv1alpha1.ReasonSomeFailed, message: message, instances: opsv1alpha1.Counts{Total: 1, Failed: 1}}
}

// oneAtATime is a rollout with a canary group, a soak of a minute, and no tolerance.
func oneAtATime(op *opsv1alpha1.Operation) {
	op.Spec.Rollout = &opsv1alpha1.RolloutSpec{RolloutStrategy: clusterv1alpha1.RolloutStrategy{
		Type: clusterv1alpha1.Progressive,
		Progressive: &clusterv1alpha1.RolloutProgressive{
			RolloutConfig:           clusterv1alpha1.RolloutConfig{MinSuccessTime: metav1.Duration{Duration: time.Minute}},
			MandatoryDecisionGroups: clusterv1alpha1.MandatoryDecisionGroups{MandatoryDecisionGroups: []clusterv1alpha1.MandatoryDecisionGroup{{GroupName: "canary"}}},
			MaxConcurrency:          intstr.FromInt32(1),
		},
	}}
}

// saying waits until the status says something.
func (f *fleet) saying(op *opsv1alpha1.Operation, words string) *opsv1alpha1.Operation {
	f.t.Helper()
	f.eventually("the Operation to say "+words, func() (string, error) {
		if s := f.get(op).Status; !strings.Contains(s.Message, words) {
			return fmt.Sprintf("%s/%s: %s", s.Phase, s.Reason, s.Message), nil
		}
		return "", nil
	})
	return f.get(op)
}

// told are the clusters that have a ManifestWork of an Operation.
func (f *fleet) told(op *opsv1alpha1.Operation) []string {
	f.t.Helper()
	var names []string
	for c := range f.works(op) {
		names = append(names, c)
	}
	slices.Sort(names)
	return names
}

// TestRolloutHaltsAndGoesOn: the canary first, then one at a time, each after the one before has been well for a minute; a failure halts it until a person says
// how to go on; and another hub that takes over in the middle decides the same.
func TestRolloutHaltsAndGoesOn(t *testing.T) {
	f, step := stepping(t, 4)
	stop := f.startHub()
	canary, a, b, c := f.clusters[3], f.clusters[0], f.clusters[1], f.clusters[2]
	f.placeInGroups("tiers", []string{"rest", "canary"}, []string{a, b, c}, []string{canary})
	op := f.operation("upgrade", "tiers", oneAtATime)
	f.awaitWorks(op, 1)
	if got := f.told(op); got[0] != canary {
		t.Fatalf("it begins with %s", got[0])
	}
	f.report(op, canary, succeeded(1))
	if s := f.saying(op, "soaking until").Status.Rollout; s.Group != "canary" || s.Groups != 2 || s.Started != 1 || s.SoakingUntil == nil {
		t.Errorf("status.rollout is %+v", s)
	}
	if got := f.told(op); len(got) != 1 {
		t.Errorf("started during the soak: %v", got)
	}
	step(op, 61*time.Second)
	f.awaitWorks(op, 2)

	f.report(op, a, failed("disk full"))
	halted := f.saying(op, "halted in group rest: 1 of its clusters failed, and 0 may; "+a+": disk full")
	if !halted.Status.Blocked || meta.FindStatusCondition(halted.Status.Conditions, opsv1alpha1.ConditionBlocked).Reason != opsv1alpha1.ReasonRolloutHalted {
		t.Errorf("it does not wait for a person: %+v", halted.Status.Conditions)
	}
	stop()
	f.startHub()
	f.saying(op, "halted in group rest")
	if got := f.told(op); len(got) != 2 {
		t.Errorf("started while it is halted: %v", got)
	}

	f.editOp(op, func(op *opsv1alpha1.Operation) { op.Spec.Rollout.Progressive.MaxFailures = intstr.FromInt32(1) })
	f.awaitWorks(op, 3)
	f.report(op, b, succeeded(1))
	f.saying(op, "soaking until")
	f.editOp(op, func(op *opsv1alpha1.Operation) { op.Spec.Rollout.Progressive.MinSuccessTime = metav1.Duration{} }) // a person has seen enough
	f.awaitWorks(op, 4)
	f.report(op, c, succeeded(1))
	end := f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	if s := end.Status.Rollout; s.Started != 4 || s.Group != "" || s.SoakingUntil != nil {
		t.Errorf("status.rollout is %+v", s)
	}
}

// TestRolloutSuspended: nothing is started while a person holds it back, and what runs goes on.
func TestRolloutSuspended(t *testing.T) {
	f := newFleet(t, 2)
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all", oneAtATime)
	f.awaitWorks(op, 1)
	f.editOp(op, func(op *opsv1alpha1.Operation) {
		op.Spec.Suspend, op.Spec.Rollout.Progressive.MinSuccessTime = true, metav1.Duration{}
	})
	f.report(op, f.told(op)[0], succeeded(1))
	held := f.saying(op, "held back by spec.suspend: 1 of 2 clusters ended")
	if c := meta.FindStatusCondition(held.Status.Conditions, opsv1alpha1.ConditionBlocked); c == nil || c.Reason != opsv1alpha1.ReasonSuspended {
		t.Errorf("it does not wait for a person: %+v", held.Status.Conditions)
	}
	f.editOp(op, func(op *opsv1alpha1.Operation) { op.Spec.Suspend = false })
	f.awaitWorks(op, 2)
	f.report(op, f.clusters[1], succeeded(1))
	f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
}

// TestRolloutDeadline: a cluster that takes too long has failed, and is told to stop.
func TestRolloutDeadline(t *testing.T) {
	f, step := stepping(t, 2)
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all", func(op *opsv1alpha1.Operation) {
		oneAtATime(op)
		op.Spec.Rollout.Progressive.ProgressDeadline = "10m"
	})
	slow := slices.Sorted(maps.Keys(f.awaitWorks(op, 1)))[0]
	f.report(op, slow, running())
	f.saying(op, "1 running")
	step(op, 10*time.Minute+time.Second)
	f.saying(op, slow+": it has not ended within the progressDeadline of spec.rollout, and is told to stop")
	f.eventually("the cluster to be told to stop", func() (string, error) {
		if !saysCancel(f.work(op, slow)) {
			return "it is not", nil
		}
		return "", nil
	})
	f.cancelOp(op)
	f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
}

// TestRolloutSkips: a cluster that is away may be left out, and the end says so.
func TestRolloutSkips(t *testing.T) {
	f, step := stepping(t, 2)
	f.startHub()
	f.place("all", f.clusters...)
	f.must(f.setAvailable(f.clusters[0], metav1.ConditionUnknown))
	op := f.operation("backup", "all", func(op *opsv1alpha1.Operation) {
		oneAtATime(op)
		op.Spec.Rollout.Progressive.MinSuccessTime, op.Spec.StartDeadline = metav1.Duration{}, &metav1.Duration{Duration: time.Minute}
		op.Spec.Rollout.Unreachable = &opsv1alpha1.UnreachableSpec{Policy: opsv1alpha1.UnreachableSkip}
	})
	f.awaitWorks(op, 1)
	step(op, 61*time.Second)
	f.eventually("the next to be told", func() (string, error) {
		if !slices.Contains(f.told(op), f.clusters[1]) {
			return f.get(op).Status.Message, nil
		}
		return "", nil
	})
	f.report(op, f.clusters[1], succeeded(1))
	end := f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonSomeSkipped)
	if c := end.Status.Summary.Clusters; c.Skipped != 1 || c.Succeeded != 1 || !meta.IsStatusConditionTrue(end.Status.Conditions, opsv1alpha1.ConditionDegraded) {
		t.Errorf("clusters %+v, conditions %+v", c, end.Status.Conditions)
	}
}

// TestRolloutStartsNoneAgain: a cluster that was started is not started again when its ManifestWork was deleted while no hub was there to see it.
func TestRolloutStartsNoneAgain(t *testing.T) {
	f := newFleet(t, 3)
	stop := f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all", oneAtATime)
	f.awaitWorks(op, 1)
	first := f.told(op)[0]
	f.report(op, first, running())
	f.saying(op, "1 running")
	stop()
	work := f.work(op, first)
	f.must(api.Patch(f.ctx, work, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))))
	f.must(client.IgnoreNotFound(api.Delete(f.ctx, &workv1.ManifestWork{ObjectMeta: work.ObjectMeta})))
	f.startHub()
	f.saying(op, "halted in group 0: 1 of its clusters failed, and 0 may; "+first+": its ManifestWork was deleted before its result was kept")
	if got := f.told(op); len(got) != 0 {
		t.Errorf("started: %v", got)
	}
}

// TestRolloutThatMakesNoSense is refused before anything is sent, by its field.
func TestRolloutThatMakesNoSense(t *testing.T) {
	f := newFleet(t, 1)
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all", func(op *opsv1alpha1.Operation) {
		oneAtATime(op)
		op.Spec.Rollout.Progressive.ProgressDeadline = "0s"
	})
	f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed)
	if got := f.get(op).Status.Message; !strings.Contains(got, "spec.rollout.progressive.progressDeadline: Invalid value: \"0s\": must be None, or a duration of more than 0 such as 90m") {
		t.Error(got)
	}
}
