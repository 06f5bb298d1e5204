// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/utils/ptr"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// at is a moment some time before the tests' now.
func at(before time.Duration) *metav1.Time {
	return ptr.To(metav1.NewTime(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC).Add(-before)))
}

// created is an Operation with a status, as a controller would have left it.
func created(t testing.TB, ns, name string, spec opsv1alpha1.OperationSpec, status opsv1alpha1.OperationStatus) *opsv1alpha1.Operation {
	t.Helper()
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: ns}, Spec: spec}
	if err := api.Create(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	op.Status = status
	if err := api.Status().Update(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	return op
}

// planned stores a plan of an Operation as the hub does.
func planned(t testing.TB, op *opsv1alpha1.Operation, groups ...placement.Group) {
	t.Helper()
	plan := placement.Plan{Spec: opsv1alpha1.OperationSpec{Type: op.Spec.Type, Selector: op.Spec.Selector}, Groups: groups}
	chunks, err := placement.EncodePlan(plan)
	if err != nil {
		t.Fatal(err)
	}
	name := opsv1alpha1.RunName(op.Name, op.UID, opsv1alpha1.PartPlan)
	for i, chunk := range chunks {
		err := api.Create(t.Context(), &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: name + "-" + strconv.Itoa(i), Namespace: op.Namespace, Labels: map[string]string{
				opsv1alpha1.LabelOperation: string(op.UID), opsv1alpha1.LabelPart: opsv1alpha1.PartPlan,
			}},
			Immutable: ptr.To(true), BinaryData: map[string][]byte{"data.json.gz": chunk},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	op.Status.Plan = &opsv1alpha1.PlanStatus{Name: name, Chunks: int32(len(chunks)), Clusters: int32(plan.Len()), Digest: placement.Digest(chunks[0])}
	if err := api.Status().Update(t.Context(), op); err != nil {
		t.Fatal(err)
	}
}

// said is what a cluster's work agent reports of an Operation.
func said(phase opsv1alpha1.OperationPhase, reason, message string, started, finished *metav1.Time) []workv1.FeedbackValue {
	values := []workv1.FeedbackValue{}
	add := func(name, value string) {
		if value != "" {
			values = append(values, workv1.FeedbackValue{Name: name, Value: workv1.FieldValue{Type: workv1.String, String: &value}})
		}
	}
	count := func(name string, n int64) {
		values = append(values, workv1.FeedbackValue{Name: "instances." + name, Value: workv1.FieldValue{Type: workv1.Integer, Integer: &n}})
	}
	add("phase", string(phase))
	add("reason", reason)
	add("message", message)
	for name, t := range map[string]*metav1.Time{"startedAt": started, "finishedAt": finished} {
		if t != nil {
			add(name, t.UTC().Format(time.RFC3339))
		}
	}
	count("total", 2)
	if phase == opsv1alpha1.PhaseFailed {
		count("failed", 1)
	}
	count("succeeded", 1)
	return values
}

// workWith is the ManifestWork of a cluster, with what came back; the cluster's namespace is made.
func workWith(ctx context.Context, op *opsv1alpha1.Operation, cluster string, values []workv1.FeedbackValue) error {
	err := api.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: cluster}})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	work := &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{
		Name: opsv1alpha1.RunName(op.Name, op.UID), Namespace: cluster, Labels: map[string]string{opsv1alpha1.LabelOperation: string(op.UID)},
	}}
	work.Spec.Workload.Manifests = []workv1.Manifest{{}}
	work.Spec.Workload.Manifests[0].Raw = fmt.Appendf(nil, `{"apiVersion":"ops.vworkspace.io/v1alpha1","kind":"Operation","metadata":{"name":%q,"namespace":"vworkspace-agent"}}`, work.Name)
	if err := api.Create(ctx, work); err != nil {
		return err
	}
	work.Status.ResourceStatus.Manifests = []workv1.ManifestCondition{{
		Conditions: []metav1.Condition{{
			Type: workv1.ManifestApplied, Status: metav1.ConditionTrue, Reason: "AppliedManifestComplete", LastTransitionTime: *at(time.Minute),
		}},
		StatusFeedbacks: workv1.StatusFeedbackResult{Values: values},
	}}
	return api.Status().Update(ctx, work)
}

// everywhereDelivered makes the ManifestWorks of many clusters at once.
func everywhereDelivered(t testing.TB, op *opsv1alpha1.Operation, clusters []string, values func(i int) []workv1.FeedbackValue) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(16)
	for i, cluster := range clusters {
		group.Go(func() error { return workWith(ctx, op, cluster, values(i)) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// group of a plan.
func group(clusters ...string) placement.Group { return placement.Group{Clusters: clusters} }
