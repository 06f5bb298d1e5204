// SPDX-License-Identifier: Apache-2.0

package vwtest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

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

// tell a cluster: its namespace, and its ManifestWork there.
func (r *Run) tell(ctx context.Context, cluster string) error {
	err := r.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: cluster}})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	work, err := r.manifestWork(cluster)
	if err != nil {
		return err
	}
	return r.client.Create(ctx, work)
}

func (r *Run) takeBack(ctx context.Context, cluster string) error {
	key := r.Work(cluster)
	return client.IgnoreNotFound(r.client.Delete(ctx, &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}))
}

func (r *Run) manifestWork(cluster string) (*workv1.ManifestWork, error) {
	key := r.Work(cluster)
	carried := &opsv1alpha1.Operation{
		TypeMeta:   metav1.TypeMeta{APIVersion: opsv1alpha1.GroupVersion.String(), Kind: "Operation"},
		ObjectMeta: metav1.ObjectMeta{Namespace: opsv1alpha1.DefaultAgentNamespace, Name: key.Name, Labels: map[string]string{opsv1alpha1.LabelRoot: string(r.Operation.UID)}},
		Spec:       opsv1alpha1.OperationSpec{Type: r.Operation.Spec.Type, Selector: r.Operation.Spec.Selector},
	}
	raw, err := json.Marshal(carried)
	if err != nil {
		return nil, err
	}
	work := &workv1.ManifestWork{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.Name,
			Labels:      map[string]string{opsv1alpha1.LabelOperation: string(r.Operation.UID), appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane},
			Annotations: map[string]string{opsv1alpha1.AnnotationOrigin: r.Operation.Namespace + "/" + r.Operation.Name},
		},
		Spec: workv1.ManifestWorkSpec{
			DeleteOption: &workv1.DeleteOption{PropagationPolicy: workv1.DeletePropagationPolicyTypeOrphan},
			ManifestConfigs: []workv1.ManifestConfigOption{{
				ResourceIdentifier: workv1.ResourceIdentifier{
					Group: opsv1alpha1.GroupVersion.Group, Resource: "operations", Namespace: opsv1alpha1.DefaultAgentNamespace, Name: key.Name,
				},
				FeedbackRules: []workv1.FeedbackRule{{Type: workv1.JSONPathsType, JsonPaths: feedbackPaths()}},
			}},
		},
	}
	work.Spec.Workload.Manifests = make([]workv1.Manifest, 1)
	work.Spec.Workload.Manifests[0].Raw = raw
	return work, nil
}

func feedbackPaths() []workv1.JsonPath {
	var paths []workv1.JsonPath
	for _, field := range []string{"phase", "reason", "message", "blocked", "progress", "startedAt", "finishedAt", "observedGeneration"} {
		paths = append(paths, workv1.JsonPath{Name: field, Path: ".status." + field})
	}
	for _, field := range []string{"total", "pending", "blocked", "running", "succeeded", "failed", "cancelled"} {
		paths = append(paths, workv1.JsonPath{Name: "instances." + field, Path: ".status.summary.instances." + field})
	}
	return paths
}

// Report what a cluster says through its work agent. A cluster is known by its full name, or by the one that was given to Seed.
func (r *Run) Report(t testing.TB, cluster string, said placement.ClusterResult) {
	t.Helper()
	if _, planned := placement.NewTally(r.Plan).Result(cluster); !planned {
		cluster = r.Cluster(cluster)
	}
	if err := r.report(t.Context(), cluster, said); err != nil {
		t.Fatal(err)
	}
}

// ReportAll that say the same of themselves; what is said of a cluster comes from say, nothing where its State is empty.
func (r *Run) ReportAll(t testing.TB, say func(i int, cluster string) placement.ClusterResult) {
	t.Helper()
	said := map[string]placement.ClusterResult{}
	for i, cluster := range r.Plan.Clusters() {
		said[cluster] = say(i, cluster)
	}
	err := each(t.Context(), r.Plan.Clusters(), func(ctx context.Context, cluster string) error {
		if said[cluster].State == "" {
			return nil
		}
		return r.report(ctx, cluster, said[cluster])
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (r *Run) report(ctx context.Context, cluster string, said placement.ClusterResult) error {
	work := &workv1.ManifestWork{}
	if err := r.client.Get(ctx, r.Work(cluster), work); err != nil {
		return err
	}
	now := metav1.Now()
	condition := func(kind string) metav1.Condition {
		return metav1.Condition{
			Type: kind, Status: metav1.ConditionTrue, Reason: "AppliedManifestComplete", Message: "Apply manifest complete",
			LastTransitionTime: now, ObservedGeneration: work.Generation,
		}
	}
	work.Status.Conditions = []metav1.Condition{condition(workv1.WorkApplied), condition(workv1.WorkAvailable)}
	work.Status.ResourceStatus.Manifests = []workv1.ManifestCondition{{
		ResourceMeta: workv1.ManifestResourceMeta{
			Group: opsv1alpha1.GroupVersion.Group, Version: opsv1alpha1.GroupVersion.Version, Kind: "Operation", Resource: "operations",
			Namespace: opsv1alpha1.DefaultAgentNamespace, Name: work.Name,
		},
		StatusFeedbacks: workv1.StatusFeedbackResult{Values: feedback(said)},
		Conditions:      []metav1.Condition{condition(workv1.ManifestApplied), condition(workv1.ManifestAvailable), condition("StatusFeedbackSynced")},
	}}
	if err := r.client.Status().Update(ctx, work); err != nil {
		return fmt.Errorf("report of cluster %s: %w", cluster, err)
	}
	return nil
}

func feedback(said placement.ClusterResult) []workv1.FeedbackValue {
	phases := map[placement.State]opsv1alpha1.OperationPhase{
		placement.Pending: opsv1alpha1.PhasePending, placement.Blocked: opsv1alpha1.PhasePending, placement.Running: opsv1alpha1.PhaseRunning,
		placement.Succeeded: opsv1alpha1.PhaseSucceeded, placement.Failed: opsv1alpha1.PhaseFailed, placement.Cancelled: opsv1alpha1.PhaseCancelled,
	}
	var values []workv1.FeedbackValue
	text := func(name, value string) {
		if value != "" {
			values = append(values, workv1.FeedbackValue{Name: name, Value: workv1.FieldValue{Type: workv1.String, String: &value}})
		}
	}
	number := func(name string, value int32) {
		values = append(values, workv1.FeedbackValue{Name: "instances." + name, Value: workv1.FieldValue{Type: workv1.Integer, Integer: ptr.To(int64(value))}})
	}
	text("phase", string(phases[said.State]))
	text("reason", said.Reason)
	text("message", said.Message)
	for name, at := range map[string]time.Time{"startedAt": said.StartedAt, "finishedAt": said.FinishedAt} {
		if !at.IsZero() {
			text(name, at.UTC().Format(time.RFC3339))
		}
	}
	values = append(values, workv1.FeedbackValue{Name: "blocked", Value: workv1.FieldValue{Type: workv1.Boolean, Boolean: ptr.To(said.State == placement.Blocked || said.Waiting)}})
	c := said.Instances
	number("total", c.Total)
	number("pending", c.Pending)
	number("blocked", c.Blocked)
	number("running", c.Running)
	number("succeeded", c.Succeeded)
	number("failed", c.Failed)
	number("cancelled", c.Cancelled)
	return values
}
