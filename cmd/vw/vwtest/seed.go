// SPDX-License-Identifier: Apache-2.0

package vwtest

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub"
	"vworkspace.io/fleet/placement"
)

// writers write at a time.
const writers = 16

// chunkKey is where the hub puts a chunk in its ConfigMap.
const chunkKey = "data.json.gz"

// Run is a fleet Operation that was laid down.
type Run struct {
	// Operation as it was last written.
	Operation *opsv1alpha1.Operation
	// Plan that is stored for it. The names of its clusters begin with the namespace of the Operation, since clusters have namespaces of their own.
	Plan placement.Plan

	client client.Client
}

// Group of so many clusters, which Seed names NAMESPACE-GROUP-NUMBER, with leading zeros that sort them.
func Group(name string, clusters int) placement.Group {
	g := placement.Group{Name: name, Clusters: make([]string, clusters)}
	for i := range g.Clusters {
		g.Clusters[i] = fmt.Sprintf("%s-%0*d", name, len(strconv.Itoa(max(clusters-1, 0))), i)
	}
	return g
}

// Seed a run that is Running on all clusters of its groups: each has been told, and has not answered. The test's end takes the ManifestWorks away.
func Seed(t testing.TB, c client.Client, namespace, name string, groups ...placement.Group) *Run {
	t.Helper()
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: opsv1alpha1.OperationSpec{
			Type: opsv1alpha1.TypeBackup, Selector: &opsv1alpha1.InstanceSelector{Namespaces: []string{namespace}},
			Placement: &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}},
		},
	}
	if err := c.Create(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	return Adopt(t, c, op, groups...)
}

// Adopt an Operation that is there, as Seed does with its own.
func Adopt(t testing.TB, c client.Client, op *opsv1alpha1.Operation, groups ...placement.Group) *Run {
	t.Helper()
	run := &Run{client: c, Plan: planned(op.Namespace, groups), Operation: op.DeepCopy()}
	run.storePlan(t)
	if err := each(t.Context(), run.Plan.Clusters(), run.tell); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := each(context.Background(), run.Plan.Clusters(), run.takeBack); err != nil {
			t.Error(err)
		}
	})
	return run
}

func planned(namespace string, groups []placement.Group) placement.Plan {
	plan := placement.Plan{Groups: make([]placement.Group, len(groups))}
	for i, g := range groups {
		plan.Groups[i] = placement.Group{Name: g.Name, Decision: i, Clusters: make([]string, len(g.Clusters))}
		for n, cluster := range g.Clusters {
			plan.Groups[i].Clusters[n] = namespace + "-" + cluster
		}
	}
	return plan
}

// Cluster is the full name of one that was given to Seed.
func (r *Run) Cluster(name string) string { return r.Operation.Namespace + "-" + name }

func (r *Run) storePlan(t testing.TB) {
	t.Helper()
	chunks, err := placement.EncodePlan(r.Plan)
	if err != nil {
		t.Fatal(err)
	}
	name := opsv1alpha1.RunName(r.Operation.Name, r.Operation.UID, opsv1alpha1.PartPlan)
	for i, data := range chunks {
		chunk := r.chunk(name, opsv1alpha1.PartPlan, i, data)
		chunk.Immutable = ptr.To(true)
		if err := r.client.Create(t.Context(), chunk); err != nil {
			t.Fatal(err)
		}
	}
	r.Tell(t, func(s *opsv1alpha1.OperationStatus) {
		now := metav1.Now().Rfc3339Copy()
		s.Phase, s.Reason, s.StartedAt = opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonRollingOut, &now
		s.Plan = &opsv1alpha1.PlanStatus{
			Name: name, Chunks: int32(len(chunks)), Clusters: int32(r.Plan.Len()), Digest: placement.Digest(chunks[0]),
		}
	})
}

// Keep results as the hub does, in the ConfigMaps beside the Operation: those of chunk i of the plan.
func (r *Run) Keep(t testing.TB, i int, results []placement.ClusterResult) {
	t.Helper()
	data, err := placement.EncodeResults(results)
	if err != nil {
		t.Fatal(err)
	}
	chunk := r.chunk(hub.ResultName(r.Operation), opsv1alpha1.PartResult, i, data)
	if err := r.client.Delete(t.Context(), chunk); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	chunk.ResourceVersion = ""
	if err := r.client.Create(t.Context(), chunk); err != nil {
		t.Fatal(err)
	}
}

func (r *Run) chunk(name, part string, i int, data []byte) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: r.Operation.Namespace, Name: name + "-" + strconv.Itoa(i),
			Labels: map[string]string{
				opsv1alpha1.LabelOperation: string(r.Operation.UID), opsv1alpha1.LabelPart: part, appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane,
			},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(r.Operation, opsv1alpha1.GroupVersion.WithKind("Operation"))},
		},
		BinaryData: map[string][]byte{chunkKey: data},
	}
}

// Tell something in the status of the Operation.
func (r *Run) Tell(t testing.TB, change func(*opsv1alpha1.OperationStatus)) {
	t.Helper()
	if err := r.client.Get(t.Context(), client.ObjectKeyFromObject(r.Operation), r.Operation); err != nil {
		t.Fatal(err)
	}
	change(&r.Operation.Status)
	if err := r.client.Status().Update(t.Context(), r.Operation); err != nil {
		t.Fatal(err)
	}
}

// End the run with a phase, and the clusters' counts as a hub would add them up.
func (r *Run) End(t testing.TB, phase opsv1alpha1.OperationPhase, reason, message string, counts opsv1alpha1.Counts) {
	t.Helper()
	r.Tell(t, func(s *opsv1alpha1.OperationStatus) {
		now := metav1.NewTime(time.Now().Add(time.Second)).Rfc3339Copy()
		s.Phase, s.Reason, s.Message, s.FinishedAt = phase, reason, message, &now
		s.Summary = &opsv1alpha1.Summary{Clusters: &counts}
	})
}

// Work is the ManifestWork of a cluster.
func (r *Run) Work(cluster string) types.NamespacedName {
	return types.NamespacedName{Namespace: cluster, Name: opsv1alpha1.RunName(r.Operation.Name, r.Operation.UID)}
}

// each runs a call for all names, some at a time.
func each(ctx context.Context, names []string, call func(context.Context, string) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(writers)
	for _, name := range names {
		g.Go(func() error { return call(ctx, name) })
	}
	return g.Wait()
}
