// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/demo"
)

// label a cluster until the test is over; no value takes the label away.
func label(t *testing.T, cluster, key, value string) {
	t.Helper()
	labelled := &clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: cluster}}
	patch := func(ctx context.Context, value string) error {
		return fleet.Hub.Patch(ctx, labelled, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"labels":{%q:%s}}}`, key, value)))
	}
	to := "null"
	if value != "" {
		to = strconv.Quote(value)
		t.Cleanup(func() {
			if err := patch(context.Background(), "null"); err != nil {
				t.Error(err)
			}
		})
	}
	if err := patch(t.Context(), to); err != nil {
		t.Fatal(err)
	}
}

// place makes a Placement until the test is over.
func place(t *testing.T, name string, spec clusterv1beta1.PlacementSpec) {
	t.Helper()
	placement := &clusterv1beta1.Placement{ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: name}, Spec: spec}
	if err := fleet.Hub.Create(t.Context(), placement); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fleet.Hub.Delete(context.Background(), placement); err != nil {
			t.Error(err)
		}
	})
}

// oneAtATime is a rollout of one cluster after the other, without the groups that are mandatory.
func oneAtATime(mandatory ...clusterv1alpha1.MandatoryDecisionGroup) *opsv1alpha1.RolloutSpec {
	return &opsv1alpha1.RolloutSpec{RolloutStrategy: clusterv1alpha1.RolloutStrategy{
		Type: clusterv1alpha1.Progressive,
		Progressive: &clusterv1alpha1.RolloutProgressive{
			MandatoryDecisionGroups: clusterv1alpha1.MandatoryDecisionGroups{MandatoryDecisionGroups: mandatory},
			MaxConcurrency:          intstr.FromInt32(1),
		},
	}}
}

// becomes waits until the hub says of an Operation what is wanted.
func becomes(t *testing.T, op *opsv1alpha1.Operation, what string, ok func(s opsv1alpha1.OperationStatus) bool) {
	t.Helper()
	seen := ""
	eventually(t, what, func(ctx context.Context) (bool, string) {
		if err := fleet.Hub.Get(ctx, client.ObjectKeyFromObject(op), op); err != nil {
			return false, err.Error()
		}
		if line := demo.Line(op); line != seen {
			seen = line
			t.Log(line)
		}
		return ok(op.Status), op.Status.Message
	})
}

// TestRollout: the decision groups of a real Placement are gone through as the rollout says: the canary first, and then one cluster after the other.
func TestRollout(t *testing.T) {
	const canary = "spoke2"
	label(t, canary, "canary", "yes")
	place(t, "canary", clusterv1beta1.PlacementSpec{
		DecisionStrategy: clusterv1beta1.DecisionStrategy{GroupStrategy: clusterv1beta1.GroupStrategy{DecisionGroups: []clusterv1beta1.DecisionGroup{{
			GroupName:       "canary",
			ClusterSelector: clusterv1beta1.GroupClusterSelector{LabelSelector: metav1.LabelSelector{MatchLabels: map[string]string{"canary": "yes"}}},
		}}}},
	})
	op := fleetOperation("rollout", func(s *opsv1alpha1.OperationSpec) {
		s.Placement.PlacementRef.Name = "canary"
		s.Rollout = oneAtATime(clusterv1alpha1.MandatoryDecisionGroup{GroupName: "canary"})
	}, command(2*time.Second))
	create(t, op)
	becomes(t, op, "the canary to be at work alone", func(s opsv1alpha1.OperationStatus) bool {
		return s.Rollout != nil && s.Rollout.Started == 1 && s.Rollout.Group == "canary" && s.Rollout.Groups == 2
	})
	ended(t, op, opsv1alpha1.PhaseSucceeded)
	sent := works(t.Context(), t, op)
	slices.SortFunc(sent, func(a, b workv1.ManifestWork) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Namespace, b.Namespace))
	})
	for i, want := range []string{canary, "spoke1", "spoke3"} {
		if sent[i].Namespace != want {
			t.Errorf("%s is number %d, want %s", sent[i].Namespace, i, want)
		}
		if i > 0 && sent[i].CreationTimestamp.Sub(sent[i-1].CreationTimestamp.Time) < time.Second {
			t.Errorf("%s was told while %s was at work", want, sent[i-1].Namespace)
		}
	}
	oneJobPerInstance(t, op)
}

// TestRetry: a cluster whose agent does not answer halts a rollout; when it is back, a retry starts that one again and no other, and the rollout goes on to the end.
func TestRetry(t *testing.T) {
	const away = "spoke2"
	agent := fleet.Installed.Agents[away]
	if err := agent.Stop(); err != nil {
		t.Fatal(err)
	}
	back := sync.OnceFunc(func() {
		if err := agent.Restart(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(back)
	op := fleetOperation("retry", func(s *opsv1alpha1.OperationSpec) {
		s.StartDeadline = &metav1.Duration{Duration: 20 * time.Second} // which the agent has, too, when it is back
		s.Rollout = oneAtATime()
	}, command(0))
	create(t, op)
	becomes(t, op, "the rollout to halt", func(opsv1alpha1.OperationStatus) bool { return demo.Held(op) == opsv1alpha1.ReasonRolloutHalted })
	if op.Status.Rollout.Started != 2 || !strings.Contains(op.Status.Message, away+": delivered, but no agent took it up") {
		t.Errorf("halted with %d clusters started: %s", op.Status.Rollout.Started, op.Status.Message)
	}
	back()
	kubectl(t, "patch", "operation", op.Name, "--type=merge", "-p", `{"spec":{"retry":{"attempt":1,"of":["Failed"]}}}`)
	ended(t, op, opsv1alpha1.PhaseSucceeded)
	if op.Status.Rollout.Attempt != 1 || op.Status.Summary.Clusters.Succeeded != clusters || len(op.Status.Failures) != 0 {
		t.Errorf("%+v, %+v, failures %v", op.Status.Rollout, op.Status.Summary.Clusters, op.Status.Failures)
	}
	onePerCluster(t, op)
	oneJobPerInstance(t, op)
}

// TestFollow: the label of a cluster changes, Open Cluster Management decides anew, and a run that follows takes in who joins, and leaves out who goes before its turn.
func TestFollow(t *testing.T) {
	label(t, "spoke1", "wave", "one")
	label(t, "spoke2", "wave", "one")
	place(t, "wave", clusterv1beta1.PlacementSpec{Predicates: []clusterv1beta1.ClusterPredicate{{
		RequiredClusterSelector: clusterv1beta1.ClusterSelector{LabelSelector: metav1.LabelSelector{MatchLabels: map[string]string{"wave": "one"}}},
	}}})
	op := fleetOperation("follow", func(s *opsv1alpha1.OperationSpec) {
		s.Placement = &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "wave"}, OnChange: opsv1alpha1.ChangeFollow}
		s.Suspend = true
	}, command(0))
	create(t, op)
	becomes(t, op, "two clusters to be planned", func(s opsv1alpha1.OperationStatus) bool {
		return s.Plan != nil && s.Plan.Clusters == 2 && demo.Held(op) == opsv1alpha1.ReasonSuspended
	})
	label(t, "spoke2", "wave", "")
	label(t, "spoke3", "wave", "one")
	becomes(t, op, "spoke3 to join, and spoke2 to be left out", func(s opsv1alpha1.OperationStatus) bool {
		return s.Plan.Clusters == 3 && s.Summary.Clusters.Total == 3 && s.Summary.Clusters.Skipped == 1
	})
	kubectl(t, "patch", "operation", op.Name, "--type=merge", "-p", `{"spec":{"suspend":false}}`)
	ended(t, op, opsv1alpha1.PhaseSucceeded)
	if op.Status.Reason != opsv1alpha1.ReasonSomeSkipped {
		t.Errorf("%s: %s", op.Status.Reason, op.Status.Message)
	}
	var told []string
	for _, w := range works(t.Context(), t, op) {
		told = append(told, w.Namespace)
	}
	if slices.Sort(told); !slices.Equal(told, []string{"spoke1", "spoke3"}) {
		t.Errorf("told: %v", told)
	}
}

// TestFreeze: a Freeze on the hub holds what was sent to a cluster before and waits there, until it is taken away.
func TestFreeze(t *testing.T) {
	hub, there := fleet.Hub, spoke(t, fleet.Fleet.Spokes[0])
	busy := &opsv1alpha1.AgentPolicy{ObjectMeta: metav1.ObjectMeta{Name: opsv1alpha1.AgentPolicyName}, Spec: opsv1alpha1.AgentPolicySpec{Busy: "month-end closing"}}
	freeze := &opsv1alpha1.Freeze{ObjectMeta: metav1.ObjectMeta{Name: "scenario"}, Spec: opsv1alpha1.FreezeSpec{Reason: "no changes today"}}
	arrived := freeze.DeepCopy()
	arrived.Name = "hub." + freeze.Name
	t.Cleanup(func() {
		for _, left := range []error{there.Delete(context.Background(), busy), hub.Delete(context.Background(), freeze)} {
			if client.IgnoreNotFound(left) != nil {
				t.Error(left)
			}
		}
	})
	if err := there.Create(t.Context(), busy); err != nil {
		t.Fatal(err)
	}
	op := fleetOperation("freeze", nil, command(0))
	create(t, op)
	held(t, there, op, opsv1alpha1.ReasonClusterBusy)
	if err := hub.Create(t.Context(), freeze); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the Freeze to arrive", func(ctx context.Context) (bool, string) {
		err := there.Get(ctx, client.ObjectKeyFromObject(arrived), arrived)
		return err == nil && arrived.Spec.Reason == freeze.Spec.Reason, fmt.Sprint(err)
	})
	if err := there.Delete(t.Context(), busy); err != nil {
		t.Fatal(err)
	}
	held(t, there, op, opsv1alpha1.ReasonFrozen)
	becomes(t, op, "the hub to hear of it", func(s opsv1alpha1.OperationStatus) bool {
		return !s.Phase.Terminal() && s.Summary.Clusters.Succeeded == clusters-1
	})
	if err := hub.Delete(t.Context(), freeze); err != nil {
		t.Fatal(err)
	}
	ended(t, op, opsv1alpha1.PhaseSucceeded)
	oneJobPerInstance(t, op)
	eventually(t, "the Freeze to go", func(ctx context.Context) (bool, string) {
		err := there.Get(ctx, client.ObjectKeyFromObject(arrived), arrived)
		return apierrors.IsNotFound(err), fmt.Sprint(err)
	})
}

// held waits until every run on a cluster is Blocked there for a reason.
func held(t *testing.T, there client.Client, op *opsv1alpha1.Operation, reason string) {
	t.Helper()
	eventually(t, "the cluster to hold it: "+reason, func(ctx context.Context) (bool, string) {
		var list opsv1alpha1.OperationList
		if err := there.List(ctx, &list, client.InNamespace(demo.Namespace), client.MatchingLabels{opsv1alpha1.LabelRoot: string(op.UID)}); err != nil {
			return false, err.Error()
		}
		n, seen := 0, []string{}
		for _, o := range list.Items {
			if o.Status.Blocked && o.Status.Reason == reason {
				n++
			}
			seen = append(seen, o.Name+": "+o.Status.Reason+": "+o.Status.Message)
		}
		return n == perCluster, strings.Join(seen, "; ")
	})
}
