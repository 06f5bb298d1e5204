// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// wallClock of vwWith: see suite_test.go.
var wallClock = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// delivered is a fleet Operation on one cluster, which is the same API server: what the hub would have written, and what the agent would.
type delivered struct {
	cluster  string
	fleet    *opsv1alpha1.Operation
	work     *workv1.ManifestWork
	below    *opsv1alpha1.Operation // in the agent's namespace
	instance *opsv1alpha1.Operation // in the fleet Operation's
}

// deliver lays down a run on two clusters, of which the first was told.
func deliver(t *testing.T) *delivered {
	t.Helper()
	ns, cluster := namespace(t), namespace(t)
	d := &delivered{cluster: cluster}
	managed := &clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: cluster}, Spec: clusterv1.ManagedClusterSpec{HubAcceptsClient: true, LeaseDurationSeconds: 60}}
	mustCreate(t, managed)
	managed.Status.Conditions = []metav1.Condition{{Type: clusterv1.ManagedClusterConditionAvailable, Status: metav1.ConditionTrue, Reason: "Available", LastTransitionTime: metav1.NewTime(wallClock)}}
	mustTell(t, managed)
	mustCreate(t, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: cluster, Name: "managed-cluster-lease"},
		Spec:       coordinationv1.LeaseSpec{RenewTime: &metav1.MicroTime{Time: wallClock.Add(-10 * time.Second)}},
	})
	d.fleet = operationLike(ns, "nightly", func(s *opsv1alpha1.OperationSpec) {
		s.Selector = &opsv1alpha1.InstanceSelector{}
		s.Placement = &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}}
	})
	mustCreate(t, d.fleet)
	d.plan(t, placement.Plan{Groups: []placement.Group{{Name: "canary", Clusters: []string{cluster}}, {Name: "rest", Decision: 1, Clusters: []string{"zz-other"}}}})
	name := opsv1alpha1.RunName(d.fleet.Name, d.fleet.UID)
	d.work = &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Namespace: cluster, Name: name, Labels: map[string]string{opsv1alpha1.LabelOperation: string(d.fleet.UID)}}}
	mustCreate(t, d.work)
	d.work.Status.ResourceStatus.Manifests = []workv1.ManifestCondition{{Conditions: []metav1.Condition{
		{Type: workv1.ManifestApplied, Status: metav1.ConditionTrue, Reason: "Applied", LastTransitionTime: metav1.NewTime(wallClock.Add(-time.Minute))}}}}
	d.report(t, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonExpanded, "0 of 1 done", false)
	d.land(t, name)
	return d
}

// land what was delivered in the agent's namespace, with one instance below it.
func (d *delivered) land(t *testing.T, name string) {
	t.Helper()
	agent := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: opsv1alpha1.DefaultAgentNamespace}}
	if err := api.Create(t.Context(), agent); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	d.below = operationLike(agent.Name, name, func(s *opsv1alpha1.OperationSpec) { s.Selector = &opsv1alpha1.InstanceSelector{} })
	d.below.Labels = map[string]string{opsv1alpha1.LabelRoot: string(d.fleet.UID)}
	mustCreate(t, d.below)
	d.below.Status = opsv1alpha1.OperationStatus{Phase: opsv1alpha1.PhaseRunning, Reason: opsv1alpha1.ReasonExpanded, Message: "0 of 1 done"}
	mustTell(t, d.below)
	d.instance = operationLike(d.fleet.Namespace, name+"-a", func(s *opsv1alpha1.OperationSpec) {
		s.TargetRef = &opsv1alpha1.TargetRef{APIVersion: "apps.vworkspace.io/v1alpha1", Kind: "ApplicationInstance", Name: "shop-a"}
	})
	d.instance.Labels = map[string]string{opsv1alpha1.LabelRoot: string(d.fleet.UID), opsv1alpha1.LabelParent: string(d.below.UID)}
	mustCreate(t, d.instance)
	t.Cleanup(func() { _ = api.Delete(context.Background(), d.below) }) // the agent's namespace is all tests'
}

// plan is stored as the hub does.
func (d *delivered) plan(t *testing.T, plan placement.Plan) {
	t.Helper()
	chunks, err := placement.EncodePlan(plan)
	if err != nil {
		t.Fatal(err)
	}
	name := opsv1alpha1.RunName(d.fleet.Name, d.fleet.UID, opsv1alpha1.PartPlan)
	mustCreate(t, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: d.fleet.Namespace, Name: name + "-0", Labels: map[string]string{opsv1alpha1.LabelOperation: string(d.fleet.UID)},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d.fleet, opsv1alpha1.GroupVersion.WithKind("Operation"))}},
		BinaryData: map[string][]byte{"data.json.gz": chunks[0]}, Immutable: ptr.To(true),
	})
	d.fleet.Status = opsv1alpha1.OperationStatus{
		Phase: opsv1alpha1.PhaseRunning, Reason: opsv1alpha1.ReasonRollingOut, Message: "0 of 2 clusters ended, 1 running",
		Plan:    &opsv1alpha1.PlanStatus{Name: name, Chunks: 1, Clusters: int32(plan.Len()), Digest: placement.Digest(chunks[0])},
		Rollout: &opsv1alpha1.RolloutStatus{Group: "canary", Groups: 2, Started: 1},
	}
	mustTell(t, d.fleet)
}

// report is what the work agent brings back from the cluster.
func (d *delivered) report(t *testing.T, phase opsv1alpha1.OperationPhase, reason, message string, blocked bool) {
	t.Helper()
	text := func(name, value string) workv1.FeedbackValue {
		return workv1.FeedbackValue{Name: name, Value: workv1.FieldValue{Type: workv1.String, String: &value}}
	}
	d.work.Status.ResourceStatus.Manifests[0].StatusFeedbacks.Values = []workv1.FeedbackValue{
		text("phase", string(phase)), text("reason", reason), text("message", message),
		{Name: "blocked", Value: workv1.FieldValue{Type: workv1.Boolean, Boolean: &blocked}},
	}
	mustTell(t, d.work)
}

func operationLike(ns, name string, change func(*opsv1alpha1.OperationSpec)) *opsv1alpha1.Operation {
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: opsv1alpha1.OperationSpec{Type: opsv1alpha1.TypeRunCommand}}
	change(&op.Spec)
	return op
}

func mustCreate(t *testing.T, o client.Object) {
	t.Helper()
	if err := api.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

// mustTell writes a status.
func mustTell(t *testing.T, o client.Object) {
	t.Helper()
	if err := api.Status().Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

// contexts is a kubeconfig in which the API server is known by these names; the first is the current one.
func contexts(t *testing.T, names ...string) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	only := config.Contexts[config.CurrentContext]
	delete(config.Contexts, config.CurrentContext)
	for _, name := range names {
		config.Contexts[name] = only.DeepCopy()
	}
	config.CurrentContext = names[0]
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}
