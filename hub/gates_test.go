// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// blockedFor waits until an Operation is blocked for a reason, and says some words.
func (f *fleet) blockedFor(op *opsv1alpha1.Operation, reason, words string) {
	f.t.Helper()
	f.eventually("the Operation to be blocked for "+reason, func() (string, error) {
		c := meta.FindStatusCondition(f.get(op).Status.Conditions, opsv1alpha1.ConditionBlocked)
		if c == nil || c.Status != metav1.ConditionTrue || c.Reason != reason {
			return fmt.Sprintf("%+v: %s", c, f.get(op).Status.Message), nil
		}
		return "", nil
	})
	f.saying(op, words)
}

// has created an object for as long as the test goes on.
func (f *fleet) has(o client.Object) {
	f.t.Helper()
	f.must(api.Create(f.ctx, o))
	f.t.Cleanup(func() { _ = api.Delete(f.ctx, o) })
}

func upgrade(op *opsv1alpha1.Operation) { op.Spec.Type = opsv1alpha1.TypeUpgrade }

// TestFreeze: one object holds what has not begun and what is in the middle, whatever runs goes on, and its end lets everything go at once.
func TestFreeze(t *testing.T) {
	f := newFleet(t, 2)
	stop := f.startHub()
	f.place("all", f.clusters...)
	begun := f.operation("begun", "all", oneAtATime)
	f.awaitWorks(begun, 1)
	freeze := &opsv1alpha1.Freeze{ObjectMeta: metav1.ObjectMeta{Name: "black-friday"}, Spec: opsv1alpha1.FreezeSpec{
		Reason: "no changes until Monday", Types: []opsv1alpha1.OperationType{opsv1alpha1.TypeBackup},
	}}
	f.has(freeze)
	f.blockedFor(begun, opsv1alpha1.ReasonFrozen, "held by Freeze black-friday (no changes until Monday)")
	first := f.told(begun)[0]
	f.editOp(begun, func(op *opsv1alpha1.Operation) { op.Spec.Rollout.Progressive.MinSuccessTime = metav1.Duration{} })
	f.report(begun, first, succeeded(1))
	f.blockedFor(begun, opsv1alpha1.ReasonFrozen, "1 of 2 clusters ended")
	fresh := f.operation("fresh", "all", func(op *opsv1alpha1.Operation) { op.Spec.StartDeadline = &metav1.Duration{Duration: time.Millisecond} })
	f.blockedFor(fresh, opsv1alpha1.ReasonFrozen, "held by Freeze black-friday")
	free := f.operation("free", "all", upgrade)
	f.awaitWorks(free, 2)
	stop()
	f.startHub()
	if len(f.works(begun)) != 1 || len(f.works(fresh)) != 0 {
		t.Errorf("started: %v and %v", f.told(begun), f.told(fresh))
	}
	f.must(api.Delete(f.ctx, freeze))
	f.awaitWorks(begun, 2)
	f.await(fresh, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	f.saying(fresh, "the cluster's work agent did not deliver within 1ms") // its deadline counts from now on, and nobody takes up what it sends
}

// TestFreezeIsNotOfThePast: a hub whose cache does not show a Freeze yet lets nothing begin that was asked for after it.
func TestFreezeIsNotOfThePast(t *testing.T) {
	f := newFleet(t, 1)
	f.funcs = interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
		if _, asked := list.(*opsv1alpha1.FreezeList); asked {
			return nil // there is none yet
		}
		return c.List(ctx, list, opts...)
	}}
	f.startHub()
	f.place("all", f.clusters...)
	freeze := &opsv1alpha1.Freeze{ObjectMeta: metav1.ObjectMeta{Name: "past-" + f.ns}, Spec: opsv1alpha1.FreezeSpec{Reason: "no changes until Monday"}}
	f.has(freeze)
	op := f.operation("backup", "all")
	f.blockedFor(op, opsv1alpha1.ReasonFrozen, "held by Freeze past-"+f.ns)
	if sent := f.told(op); len(sent) > 0 {
		t.Errorf("started: %v", sent)
	}
	f.must(api.Delete(f.ctx, freeze))
	f.awaitWorks(op, 1)
}

// TestFreezeEndsByItself when its time is over.
func TestFreezeEndsByItself(t *testing.T) {
	f := newFleet(t, 1)
	f.startHub()
	f.place("all", f.clusters...)
	f.has(&opsv1alpha1.Freeze{ObjectMeta: metav1.ObjectMeta{Name: "short-" + f.ns}, Spec: opsv1alpha1.FreezeSpec{
		Reason: "lunch", Until: &metav1.Time{Time: time.Now().Add(10 * time.Second)},
	}})
	op := f.operation("backup", "all")
	f.blockedFor(op, opsv1alpha1.ReasonFrozen, "(lunch) until 20")
	f.awaitWorks(op, 1)
}

// opensIn is a window of an hour that opens in so many hours.
func opensIn(hours int) opsv1alpha1.Window {
	at := time.Now().UTC().Add(time.Duration(hours) * time.Hour)
	return opsv1alpha1.Window{Schedule: fmt.Sprintf("%d %d * * *", at.Minute(), at.Hour()), Duration: metav1.Duration{Duration: time.Hour}}
}

// TestMaintenanceWindows: the narrowest counts, what is closed is passed over, and the agents are told.
func TestMaintenanceWindows(t *testing.T) {
	f, step := stepping(t, 4)
	f.startHub()
	closed, night, unknown, plain := f.clusters[0], f.clusters[1], f.clusters[2], f.clusters[3]
	names := map[string]string{closed: "later-" + f.ns, night: "now-" + f.ns, unknown: "none-" + f.ns}
	for cluster, window := range names {
		m := &clusterv1.ManagedCluster{}
		f.must(api.Get(f.ctx, types.NamespacedName{Name: cluster}, m))
		if cluster == night {
			m.Annotations = map[string]string{opsv1alpha1.LabelMaintenanceWindow: window}
		} else {
			m.Labels = map[string]string{opsv1alpha1.LabelMaintenanceWindow: window}
		}
		f.must(api.Update(f.ctx, m))
	}
	f.has(&opsv1alpha1.MaintenanceWindow{ObjectMeta: metav1.ObjectMeta{Name: names[closed]}, Spec: opensIn(3)})
	isOpen := opensIn(0)
	f.has(&opsv1alpha1.MaintenanceWindow{ObjectMeta: metav1.ObjectMeta{Name: names[night]}, Spec: isOpen})
	f.place("all", f.clusters...)
	own := opensIn(6)
	op := f.operation("backup", "all", func(op *opsv1alpha1.Operation) { op.Spec.MaintenanceWindow = &own })
	works := f.awaitWorks(op, 1)
	if sent := f.sentTo(op, night).Spec; sent.MaintenanceWindow == nil || sent.MaintenanceWindow.Schedule != isOpen.Schedule {
		t.Errorf("of %v: %s is sent the window %+v", works, night, sent.MaintenanceWindow)
	}
	f.saying(op, "3 held back: MaintenanceWindow later-"+f.ns+" opens at ")
	f.report(op, night, succeeded(1))
	f.blockedFor(op, opsv1alpha1.ReasonOutsideMaintenanceWindow, "3 held back: MaintenanceWindow later-"+f.ns+" opens at ")
	step(op, 3*time.Hour)
	f.awaitWorks(op, 2)
	f.report(op, closed, succeeded(1))
	f.blockedFor(op, opsv1alpha1.ReasonOutsideMaintenanceWindow, "2 held back: cluster "+unknown+" names the MaintenanceWindow none-"+f.ns+", which does not exist: create it")
	f.has(&opsv1alpha1.MaintenanceWindow{ObjectMeta: metav1.ObjectMeta{Name: names[unknown]}, Spec: opsv1alpha1.Window{
		Schedule: "* * * * *", Duration: metav1.Duration{Duration: time.Hour},
	}})
	f.awaitWorks(op, 3)
	f.editOp(op, func(op *opsv1alpha1.Operation) { op.Spec.MaintenanceWindow = nil }) // by hand
	f.awaitWorks(op, 4)
	for _, c := range []string{unknown, plain} {
		f.report(op, c, succeeded(1))
	}
	f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
}

// TestUnknownWindowsOfClusters: each of the clusters that name a window which there is not is told of as itself.
func TestUnknownWindowsOfClusters(t *testing.T) {
	f, _ := stepping(t, 2)
	for _, cluster := range f.clusters {
		m := &clusterv1.ManagedCluster{}
		f.must(api.Get(f.ctx, types.NamespacedName{Name: cluster}, m))
		m.Labels = map[string]string{opsv1alpha1.LabelMaintenanceWindow: "none-" + f.ns}
		f.must(api.Update(f.ctx, m))
	}
	windows, err := (&OperationReconciler{Client: api}).windows(f.ctx, &pass{op: &opsv1alpha1.Operation{}, now: time.Now()}, nil, 0)
	f.must(err)
	for _, cluster := range f.clusters {
		gate := windows(cluster)
		if want := "cluster " + cluster + " names the MaintenanceWindow none-" + f.ns; gate.Reason != opsv1alpha1.ReasonOutsideMaintenanceWindow || !strings.HasPrefix(gate.Message, want) {
			t.Errorf("%s is held by %+v, want one that says %q", cluster, gate, want)
		}
	}
}

// TestWindowsAndWhatARunTakes: once it is known how long a cluster takes, none is started that would still be at work when its window closes.
func TestWindowsAndWhatARunTakes(t *testing.T) {
	f, step := stepping(t, 2)
	f.startHub()
	f.place("all", f.clusters...)
	window := opensIn(0)
	op := f.operation("backup", "all", func(op *opsv1alpha1.Operation) {
		oneAtATime(op)
		op.Spec.Rollout.Progressive.MinSuccessTime, op.Spec.MaintenanceWindow = metav1.Duration{}, &window
	})
	f.awaitWorks(op, 1)
	first := f.told(op)[0]
	f.report(op, first, running())
	step(op, 40*time.Minute)
	f.report(op, first, succeeded(1))
	f.blockedFor(op, opsv1alpha1.ReasonOutsideMaintenanceWindow, "before a cluster would have ended, which takes ")
	if len(f.works(op)) != 1 {
		t.Error("it was started")
	}
	step(op, 24*time.Hour-40*time.Minute)
	f.awaitWorks(op, 2)
}

// TestRivals: of two Upgrades of the same applications the one that began first goes first on each cluster, and the other passes where it is done. Another
// application's, or a Backup, does not wait.
func TestRivals(t *testing.T) {
	f := newFleet(t, 2)
	stop := f.startHub()
	f.place("all", f.clusters...)
	a, b := f.clusters[0], f.clusters[1]
	first := f.operation("first", "all", upgrade)
	f.awaitWorks(first, 2)
	f.tick() // beginning is told to the second
	second := f.operation("second", "all", upgrade)
	f.blockedFor(second, opsv1alpha1.ReasonConflictingOperation, "2 held back: Upgrade "+f.ns+"/first, which began before, goes first on cluster "+a)
	f.awaitWorks(f.operation("backup", "all"), 2)
	f.tick()
	f.awaitWorks(f.operation("other", "all", upgrade, func(op *opsv1alpha1.Operation) {
		op.Spec.Selector.LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "another"}}
		op.Spec.Selector.Names = []string{"another"}
	}), 0)
	f.report(first, a, succeeded(1))
	f.awaitWorks(second, 1)
	stop()
	f.startHub() // which has looked at neither
	f.saying(second, "1 held back: Upgrade "+f.ns+"/first, which began before, goes first on cluster "+b)
	f.cancelOp(first)
	f.report(first, b, report{phase: opsv1alpha1.PhaseCancelled, reason: opsv1alpha1.ReasonUserCancelled})
	f.awaitWorks(second, 2)
}

// TestConcurrencyKey: those of one key run one after the other, and one that supersedes takes the place of those that wait.
func TestConcurrencyKey(t *testing.T) {
	f := newFleet(t, 1)
	f.startHub()
	f.place("all", f.clusters...)
	keyed := func(policy opsv1alpha1.ConcurrencyPolicy) func(*opsv1alpha1.Operation) {
		return func(op *opsv1alpha1.Operation) {
			op.Spec.ConcurrencyKey, op.Spec.ConcurrencyPolicy = "nightly", policy
		}
	}
	runs := f.operation("a-runs", "all", keyed(""))
	f.awaitWorks(runs, 1)
	waits := f.operation("b-waits", "all", keyed(opsv1alpha1.ConcurrencyQueue), func(op *opsv1alpha1.Operation) {
		op.Spec.StartDeadline = &metav1.Duration{Duration: time.Millisecond} // which does not count for waiting
	})
	f.blockedFor(waits, opsv1alpha1.ReasonConflictingOperation, "Operation a-runs of the same spec.concurrencyKey goes first")
	f.tick() // creation is told to the second
	newer := f.operation("c-newer", "all", keyed(opsv1alpha1.ConcurrencySupersede))
	f.saying(waits, "Operation c-newer of the same spec.concurrencyKey took its place")
	f.await(waits, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonSupersededByOperation)
	f.blockedFor(newer, opsv1alpha1.ReasonConflictingOperation, "Operation a-runs of the same")
	f.report(runs, f.clusters[0], succeeded(1))
	f.awaitWorks(newer, 1)
}

// tick waits for the second that comes.
func (f *fleet) tick() {
	now := time.Now()
	<-time.After(now.Truncate(time.Second).Add(time.Second).Sub(now))
}

// TestGroupsWaitForApproval: each but the first, until somebody who may approve has named it.
func TestGroupsWaitForApproval(t *testing.T) {
	f := newFleet(t, 2)
	f.guard()
	f.startHub()
	canary, rest := f.clusters[0], f.clusters[1]
	f.placeInGroups("waves", []string{"canary", "rest"}, []string{canary}, []string{rest})
	op := f.operation("upgrade", "waves", func(op *opsv1alpha1.Operation) {
		op.Spec.Rollout = &opsv1alpha1.RolloutSpec{Gate: opsv1alpha1.GatePerGroup, RolloutStrategy: clusterv1alpha1.RolloutStrategy{
			Type: clusterv1alpha1.ProgressivePerGroup, ProgressivePerGroup: &clusterv1alpha1.RolloutProgressivePerGroup{
				RolloutConfig: clusterv1alpha1.RolloutConfig{MinSuccessTime: metav1.Duration{Duration: time.Hour}},
			},
		}}
	})
	f.awaitWorks(op, 1)
	f.report(op, canary, succeeded(1))
	f.saying(op, "soaking until")
	promoted := `{"spec":{"rollout":{"promotedGroups":["canary"]}}}`
	user := f.as("ursula", []string{"get", "patch"}, op.Name)
	f.must(f.patch(user, op, promoted))
	f.blockedFor(op, opsv1alpha1.ReasonAwaitingGroupApproval, `group rest waits for a person: add "rest" to spec.rollout.approvedGroups`)
	approve := `{"spec":{"rollout":{"approvedGroups":["rest"]}}}`
	needs := "needs the verb approve on operations.ops.vworkspace.io upgrade"
	refused(t, "approve a group without the verb", f.patch(user, op, approve), "spec.rollout.approvedGroups: to add a group, or to take spec.rollout.gate back, "+needs)
	refused(t, "take the gate away", f.patch(user, op, `{"spec":{"rollout":{"gate":"None"}}}`), "to take spec.rollout.gate back, "+needs)
	f.unguard()
	f.must(f.patch(api, op, approve))
	f.blockedFor(op, opsv1alpha1.ReasonAwaitingGroupApproval, "group rest is in spec.rollout.approvedGroups, and that does not count: this cluster does not check who writes it")
	f.guard()
	f.editOp(op, func(op *opsv1alpha1.Operation) { op.Spec.Rollout.ApprovedGroups = nil })
	f.must(f.patch(f.as("anna", []string{"get", "patch", "approve"}, op.Name), op, approve))
	f.awaitWorks(op, 2)
	f.report(op, rest, succeeded(1))
	f.saying(op, "soaking until")
	f.editOp(op, func(op *opsv1alpha1.Operation) { op.Spec.Rollout.PromotedGroups = []string{"canary", "rest"} })
	end := f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	groups := end.Status.Rollout.ByGroup
	if len(groups) != 2 || groups[0].Name != "canary" || groups[1].Clusters.Succeeded != 1 || groups[0].FinishedAt == nil || groups[1].StartedAt == nil {
		t.Errorf("the groups went like this: %+v", groups)
	}
}

// attempts are the names of an Operation's ManifestWorks on a cluster.
func (f *fleet) attempts(op *opsv1alpha1.Operation, cluster string) (names []string) {
	f.t.Helper()
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(workListKind)
	f.must(api.List(f.ctx, list, client.InNamespace(cluster), client.MatchingLabels{opsv1alpha1.LabelOperation: string(op.UID)}))
	for _, w := range list.Items {
		names = append(names, w.Name)
	}
	slices.Sort(names)
	return names
}

// reportAgain is report for the ManifestWork of the first retry.
func (f *fleet) reportAgain(op *opsv1alpha1.Operation, cluster string, r report) {
	f.t.Helper()
	name := opsv1alpha1.RunName(op.Name, op.UID, "retry", "1")
	f.eventually("the ManifestWork "+name, func() (string, error) {
		return differs(fmt.Sprint(slices.Contains(f.attempts(op, cluster), name)), "true"), nil
	})
	f.must(f.reportOn(types.NamespacedName{Namespace: cluster, Name: name}, r))
}

// TestRetry: while a run is halted, what failed is mended and started again, in a ManifestWork of its own and with what was frozen; the run goes on from there;
// what was is kept; and a hub that takes over in the middle knows all of it.
func TestRetry(t *testing.T) {
	f, _ := stepping(t, 3)
	stop := f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("upgrade", "all", func(op *opsv1alpha1.Operation) {
		oneAtATime(op)
		op.Spec.Rollout.Progressive.MinSuccessTime = metav1.Duration{}
	})
	f.awaitWorks(op, 1)
	a, b, c := f.clusters[0], f.clusters[1], f.clusters[2]
	f.report(op, a, succeeded(1))
	f.awaitWorks(op, 2)
	f.report(op, b, failed("disk full"))
	f.saying(op, "halted in group 0")
	stop()
	stop = f.startHub()
	f.editOp(op, func(op *opsv1alpha1.Operation) { op.Spec.Retry = &opsv1alpha1.RetrySpec{Attempt: 1} })
	f.reportAgain(op, b, running())
	if s := f.saying(op, "1 running").Status; s.Rollout.Attempt != 1 || s.Summary.Clusters.Failed != 0 || len(s.Failures) != 0 {
		t.Errorf("after a retry was begun: %+v, %+v, %v", s.Rollout, s.Summary.Clusters, s.Failures)
	}
	stop()
	f.startHub()
	f.saying(op, "1 running")
	f.reportAgain(op, b, succeeded(1))
	f.eventually("the next", func() (string, error) { return differs(fmt.Sprint(len(f.attempts(op, c))), "1"), nil })
	f.report(op, c, succeeded(1))
	f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	if len(f.attempts(op, a)) != 1 || len(f.attempts(op, b)) != 2 || len(f.attempts(op, c)) != 1 {
		t.Errorf("ManifestWorks: %v %v %v", f.attempts(op, a), f.attempts(op, b), f.attempts(op, c))
	}
	late := f.get(op)
	before := late.DeepCopy()
	late.Spec.Retry.Attempt = 2
	if err := api.Patch(f.ctx, late, client.MergeFrom(before)); err == nil || !strings.Contains(err.Error(), "spec.retry: the Operation has ended, and stays as it ended: create another one with spec.retryOf") {
		t.Errorf("a retry after the end: %v", err)
	}
	first := f.resultsIn(op, ResultName(op)+"-before-1-0")
	if len(first) != 1 || first[0].Cluster != b || !strings.Contains(first[0].Message, "disk full") {
		t.Errorf("kept of before: %+v", first)
	}
}

// TestRetryTakesBackFirst: what was sent in vain to a cluster that did not answer is taken back before the cluster is started again, and only such are, that
// are asked for.
func TestRetryTakesBackFirst(t *testing.T) {
	f, step := stepping(t, 3)
	f.startHub()
	f.place("all", f.clusters...)
	away, bad, late := f.clusters[0], f.clusters[1], f.clusters[2]
	f.must(f.setAvailable(away, metav1.ConditionUnknown))
	op := f.operation("backup", "all", func(op *opsv1alpha1.Operation) { op.Spec.StartDeadline = &metav1.Duration{Duration: time.Minute} })
	f.awaitWorks(op, 3)
	f.report(op, bad, failed("disk full"))
	f.report(op, late, running())
	step(op, 61*time.Second)
	f.saying(op, "2 failed")
	f.must(f.setAvailable(away, metav1.ConditionTrue))
	f.editOp(op, func(op *opsv1alpha1.Operation) {
		op.Spec.Retry = &opsv1alpha1.RetrySpec{Attempt: 1, Of: []opsv1alpha1.RetryOutcome{opsv1alpha1.RetryUnreachable}}
	})
	f.reportAgain(op, away, succeeded(1))
	f.saying(op, "2 of 3 clusters ended, 1 running, 1 failed")
	if n := len(f.attempts(op, bad)); n != 1 {
		t.Errorf("%s was started %d times", bad, n)
	}
	f.report(op, late, succeeded(1))
	f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
}
