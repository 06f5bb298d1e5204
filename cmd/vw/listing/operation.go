// SPDX-License-Identifier: Apache-2.0

package listing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/light"
)

// Operations is where Operations are.
var Operations = light.Kind{GroupVersionResource: opsv1alpha1.GroupVersion.WithResource("operations"), Kind: "Operation", Namespaced: true}

// Operation is what is shown of one in a row.
type Operation struct {
	Metadata struct {
		Name              string            `json:"name"`
		Namespace         string            `json:"namespace"`
		UID               string            `json:"uid"`
		ResourceVersion   string            `json:"resourceVersion"`
		Annotations       map[string]string `json:"annotations"`
		CreationTimestamp metav1.Time       `json:"creationTimestamp"`
	} `json:"metadata"`
	Spec struct {
		Type        opsv1alpha1.OperationType   `json:"type"`
		Engine      opsv1alpha1.OperationEngine `json:"engine"`
		TemplateRef opsv1alpha1.TemplateRef     `json:"templateRef"`
	} `json:"spec"`
	Status struct {
		Phase      opsv1alpha1.OperationPhase  `json:"phase"`
		Reason     string                      `json:"reason"`
		Message    string                      `json:"message"`
		Blocked    bool                        `json:"blocked"`
		Progress   string                      `json:"progress"`
		Engine     opsv1alpha1.OperationEngine `json:"engine"`
		StartedAt  *metav1.Time                `json:"startedAt"`
		FinishedAt *metav1.Time                `json:"finishedAt"`
		Template   struct {
			Name string `json:"name"`
		} `json:"template"`
		Summary opsv1alpha1.Summary `json:"summary"`
		Rollout struct {
			Group string `json:"group"`
		} `json:"rollout"`
	} `json:"status"`
}

// Template that it follows, or the engine while that is all that is known.
func (o *Operation) Template() string {
	return cmp.Or(o.Status.Template.Name, o.Spec.TemplateRef.Name, string(o.Status.Engine), string(o.Spec.Engine))
}

// Phase of it: Pending while nobody has looked at it yet.
func (o *Operation) Phase() opsv1alpha1.OperationPhase {
	return cmp.Or(o.Status.Phase, opsv1alpha1.PhasePending)
}

// State by which it is filtered: its phase in small letters, and blocked while something is in the way.
func (o *Operation) State() string {
	if o.Status.Blocked && !o.Phase().Terminal() {
		return "blocked"
	}
	return stateNames[o.Phase()]
}

var stateNames = map[opsv1alpha1.OperationPhase]string{
	opsv1alpha1.PhasePending: "pending", opsv1alpha1.PhaseRunning: "running", opsv1alpha1.PhaseSucceeded: "succeeded",
	opsv1alpha1.PhaseFailed: "failed", opsv1alpha1.PhaseCancelled: "cancelled",
}

// Progress is how many of its clusters, or instances, have ended, and how many of them failed.
func (o *Operation) Progress() string {
	counts := o.Status.Summary.Clusters
	if counts == nil {
		counts = o.Status.Summary.Instances
	}
	if counts == nil {
		return o.Status.Progress
	}
	return progress(*counts)
}

func progress(c opsv1alpha1.Counts) string {
	if c.Total == 0 {
		return ""
	}
	text := fmt.Sprintf("%d/%d", c.Done(), c.Total)
	if c.Failed > 0 {
		text += fmt.Sprintf(" (%d failed)", c.Failed)
	}
	return text
}

// Took is how long it has run, so far or in all; 0 when it has not begun.
func (o *Operation) Took(now time.Time) time.Duration {
	return took(o.Status.StartedAt, o.Status.FinishedAt, now)
}

func took(started, finished *metav1.Time, now time.Time) time.Duration {
	if started == nil || started.IsZero() {
		return 0
	}
	if finished != nil && !finished.IsZero() {
		now = finished.Time
	}
	return max(now.Sub(started.Time), 0)
}

// RequestedBy is who asked for it.
func (o *Operation) RequestedBy() string {
	return cmp.Or(o.Metadata.Annotations[opsv1alpha1.AnnotationOnBehalfOf], o.Metadata.Annotations[opsv1alpha1.AnnotationRequestedBy])
}

// Orders by which Operations can be sorted.
func Orders() []string { return []string{"age", "duration", "name", "phase"} }

// Sort Operations by one of Orders. age has the newest last, duration the longest last.
func Sort(operations []Operation, by string, now time.Time) error {
	byName := func(a, b *Operation) int {
		return cmp.Or(cmp.Compare(a.Metadata.Namespace, b.Metadata.Namespace), cmp.Compare(a.Metadata.Name, b.Metadata.Name))
	}
	var compare func(a, b *Operation) int
	switch by {
	case "age":
		compare = func(a, b *Operation) int {
			return a.Metadata.CreationTimestamp.Compare(b.Metadata.CreationTimestamp.Time)
		}
	case "duration":
		compare = func(a, b *Operation) int { return cmp.Compare(a.Took(now), b.Took(now)) }
	case "phase":
		compare = func(a, b *Operation) int { return cmp.Compare(a.Phase(), b.Phase()) }
	case "name":
		compare = byName
	default:
		return fmt.Errorf("--sort-by: %q is not known: it is one of %s", by, strings.Join(Orders(), ", "))
	}
	slices.SortStableFunc(operations, func(a, b Operation) int { return cmp.Or(compare(&a, &b), byName(&a, &b)) })
	return nil
}
