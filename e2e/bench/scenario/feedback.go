// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/watch"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// labelFeedback is on the works that are the benchmark's own; its value is how the work agent is told of what becomes of them.
const labelFeedback = "bench.vworkspace.io/feedback"

// byFeedback measures the transport alone: from a Job's end on the spoke to the ManifestWork that says so, for works that are fed back by poll and for the
// same works by watch. The works are the benchmark's own, made after one of the hub's, which pays no heed to them.
//
// What is polled comes first, on a spoke where no Operation has been: the work agent has one watch for all Operations of a namespace, and as soon as any work
// asks for it, it tells of all of them.
func (r *road) byFeedback(ctx context.Context, model *workv1.ManifestWork, times int) (poll, watched []float64, err error) {
	measure := func(how workv1.FeedbackScrapeType) (out []float64, err error) {
		for i := range times + 1 {
			took, err := r.delivery(ctx, model, how)
			if err != nil {
				return nil, fmt.Errorf("feedback by %s: %w", how, err)
			}
			if i > 0 { // the first pays for informers and connections
				out = append(out, took.Seconds())
			}
		}
		slices.Sort(out)
		return out, nil
	}
	if poll, err = measure(workv1.FeedbackPollType); err != nil {
		return nil, nil, err
	}
	watched, err = measure(workv1.FeedbackWatchType)
	return poll, watched, err
}

// delivery of one work, and how long after its Job's end it says so.
func (r *road) delivery(ctx context.Context, model *workv1.ManifestWork, how workv1.FeedbackScrapeType) (back time.Duration, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("not within 2m"))
	defer cancel()
	work, err := copyOf(model, how, r.cluster, r.shop, time.Now())
	if err != nil {
		return 0, err
	}
	works, err := r.hub.Watch(ctx, &workv1.ManifestWorkList{}, client.InNamespace(work.Namespace), client.MatchingLabels(work.Labels))
	if err != nil {
		return 0, err
	}
	defer works.Stop()
	_, back, err = r.follow(ctx, work, func() error {
		return await(ctx, works, "the work's feedback", func(e watch.Event) bool {
			w, ok := e.Object.(*workv1.ManifestWork)
			return ok && w.UID == work.UID && phaseOf(w) == string(opsv1alpha1.PhaseSucceeded)
		})
	})
	return back, errors.Join(err, client.IgnoreNotFound(r.hub.Delete(ctx, work)))
}

// copyOf a work of the hub's, for another cluster and instance. Its Operation has a name and a root of its own, so that the spoke takes it for a new one,
// and time to arrive.
func copyOf(model *workv1.ManifestWork, how workv1.FeedbackScrapeType, cluster, instance string, now time.Time) (*workv1.ManifestWork, error) {
	root := string(uuid.NewUUID())
	name := "feedback-" + root
	op := &unstructured.Unstructured{}
	if err := json.Unmarshal(model.Spec.Workload.Manifests[0].Raw, op); err != nil {
		return nil, fmt.Errorf("read the Operation in ManifestWork %s: %w", model.Name, err)
	}
	op.SetName(name)
	labels, annotations := op.GetLabels(), op.GetAnnotations()
	labels[opsv1alpha1.LabelRoot], labels[appsv1alpha1.LabelClusterID] = root, cluster
	annotations[opsv1alpha1.AnnotationStartBefore] = now.Add(time.Hour).UTC().Format(time.RFC3339)
	op.SetLabels(labels)
	op.SetAnnotations(annotations)
	if err := unstructured.SetNestedStringSlice(op.Object, []string{instance}, "spec", "selector", "names"); err != nil {
		return nil, err
	}
	raw, err := op.MarshalJSON()
	if err != nil {
		return nil, err
	}
	// Without our labels, or the hub would look after it.
	work := &workv1.ManifestWork{
		ObjectMeta: metav1.ObjectMeta{Namespace: cluster, Name: name, Labels: map[string]string{labelFeedback: string(how)}},
		Spec:       *model.Spec.DeepCopy(),
	}
	work.Spec.Workload.Manifests = make([]workv1.Manifest, 1)
	work.Spec.Workload.Manifests[0].Raw = raw
	config := &work.Spec.ManifestConfigs[0]
	config.ResourceIdentifier.Name, config.FeedbackScrapeType = name, how
	return work, nil
}

// phaseOf the Operation in a work, as far as the work agent has said.
func phaseOf(work *workv1.ManifestWork) string {
	for _, m := range work.Status.ResourceStatus.Manifests {
		for _, v := range m.StatusFeedbacks.Values {
			if v.Name == "phase" && v.Value.String != nil {
				return *v.Value.String
			}
		}
	}
	return ""
}
