// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// feedback is what a work agent reports of the one manifest in one of our ManifestWorks.
type feedback struct {
	values     []workv1.FeedbackValue
	conditions []metav1.Condition
}

func feedbackOf(work *workv1.ManifestWork) feedback {
	if len(work.Status.ResourceStatus.Manifests) == 0 {
		return feedback{}
	}
	m := &work.Status.ResourceStatus.Manifests[0]
	return feedback{values: m.StatusFeedbacks.Values, conditions: m.Conditions}
}

// Bounds on what a cluster may say. It is believed about itself, and whoever owns it may say what he likes; it must not spoil what is said of others.
const (
	// maxReason bytes of a reason.
	maxReason = 128
	// maxInstances that one cluster may have of a kind: 20,000 clusters of that many still add up within 32 bits.
	maxInstances = 100_000
)

func (f feedback) value(name string) *workv1.FieldValue {
	for i := range f.values {
		if f.values[i].Name == name {
			return &f.values[i].Value
		}
	}
	return nil
}

func (f feedback) string(name string) string {
	if v := f.value(name); v != nil && v.String != nil {
		return *v.String
	}
	return ""
}

func (f feedback) int(name string) int64 {
	if v := f.value(name); v != nil && v.Integer != nil {
		return *v.Integer
	}
	return 0
}

// instances that the cluster counts.
func (f feedback) instances() opsv1alpha1.Counts {
	count := func(name string) int32 { return int32(min(max(f.int(feedbackInstances+name), 0), maxInstances)) }
	return opsv1alpha1.Counts{
		Total: count("total"), Pending: count("pending"), Blocked: count("blocked"), Running: count("running"),
		Succeeded: count("succeeded"), Failed: count("failed"), Cancelled: count("cancelled"),
	}
}

func (f feedback) bool(name string) bool {
	v := f.value(name)
	return v != nil && v.Boolean != nil && *v.Boolean
}

// time of a field; zero when it is absent or no time.
func (f feedback) time(name string) time.Time {
	t, err := time.Parse(time.RFC3339, f.string(name))
	if err != nil {
		return time.Time{}
	}
	return t
}

// condition of the manifest.
func (f feedback) condition(kind string) *metav1.Condition {
	return meta.FindStatusCondition(f.conditions, kind)
}

// applyError is why the agent could not apply the manifest, or empty.
func (f feedback) applyError() string {
	if c := f.condition(workv1.ManifestApplied); c != nil && c.Status == metav1.ConditionFalse {
		if c.Message == "" {
			return c.Reason
		}
		return c.Message
	}
	return ""
}

// applied tells whether the agent has applied the manifest in this generation of the work.
func applied(work *workv1.ManifestWork) bool {
	c := meta.FindStatusCondition(work.Status.Conditions, workv1.WorkApplied)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == work.Generation
}
