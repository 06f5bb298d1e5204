// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/jsonpath"
	"k8s.io/utils/ptr"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// carry plays Open Cluster Management's work agents, those of all clusters: the finalizer before anything else, server-side apply of a manifest
// that has changed and is not complete, the conditions Applied, Available and Complete, feedback by the JSON paths that a work asks for, and at the
// end Foreground or Orphan. On the far clusters it plays our agent too.
func (p *players) carry(ctx context.Context) error {
	for _, o := range p.w.mirror.all(OnHub, "ManifestWork") {
		work := &workv1.ManifestWork{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, work); err != nil {
			return err
		}
		if isCatalog(work.Name) {
			if p.away.Load() {
				continue // the work agent puts templates back, too; nobody takes them away here
			}
			if err := p.carryCatalog(ctx, work); err != nil && !passing(err) {
				return fmt.Errorf("ManifestWork %s/%s: %w", work.Namespace, work.Name, err)
			}
			continue
		}
		if work.Namespace == near && p.away.Load() {
			if err := p.putBack(ctx, work); err != nil {
				return err
			}
			continue
		}
		if p.loses(work) {
			continue
		}
		if err := p.carryOne(ctx, work); err != nil && !passing(err) {
			return fmt.Errorf("ManifestWork %s/%s: %w", work.Namespace, work.Name, err)
		}
	}
	return nil
}

// heard is a state of a ManifestWork that came to the courier's ears.
type heard struct {
	generation int64
	reminded   string
}

// loses tells whether a change of a work is lost on its way: it is that of one which has been reported on, and the work was not touched since.
func (p *players) loses(work *workv1.ManifestWork) bool {
	now := heard{work.Generation, work.Annotations[opsv1alpha1.AnnotationReminded]}
	p.mu.Lock()
	defer p.mu.Unlock()
	last, known := p.heard[work.UID]
	reported := meta.FindStatusCondition(work.Status.Conditions, workv1.WorkApplied) != nil
	if p.deaf.Load() && known && reported && now.generation != last.generation && now.reminded == last.reminded {
		return true
	}
	p.heard[work.UID] = now
	return false
}

// putBack applies a manifest whose object is missing, as the work agent does every few minutes by what it last knew of the work: that it is not
// complete.
func (p *players) putBack(ctx context.Context, work *workv1.ManifestWork) error {
	manifest := &unstructured.Unstructured{}
	if err := json.Unmarshal(work.Spec.Workload.Manifests[0].Raw, manifest); err != nil {
		return err
	}
	if p.onCluster(manifest) != nil {
		return nil
	}
	apply := client.ApplyConfigurationFromUnstructured(manifest)
	return p.w.Spoke.Apply(ctx, apply, client.FieldOwner("work-agent"), client.ForceOwnership)
}

func (p *players) carryOne(ctx context.Context, work *workv1.ManifestWork) error {
	manifest := &unstructured.Unstructured{}
	if err := json.Unmarshal(work.Spec.Workload.Manifests[0].Raw, manifest); err != nil {
		return err
	}
	if !work.DeletionTimestamp.IsZero() {
		return p.takeBack(ctx, work, manifest)
	}
	if controllerutil.AddFinalizer(work, workv1.ManifestWorkFinalizer) {
		return p.w.Hub.Update(ctx, work)
	}
	live, err := p.deliver(ctx, work, manifest)
	refused := apierrors.IsInvalid(err)
	if err != nil && !refused {
		return err
	}
	before := work.Status.DeepCopy()
	if err := tellOf(work, live, !refused); err != nil {
		return err
	}
	if equality.Semantic.DeepEqual(*before, work.Status) {
		return nil
	}
	return p.tell(ctx, work, before)
}

// tell the hub what is new; before it, when there is an echo, what was told before what is told now: a report that was under way for longer.
func (p *players) tell(ctx context.Context, work *workv1.ManifestWork, now *workv1.ManifestWorkStatus) error {
	if p.echo.Load() {
		p.mu.Lock()
		stale, known := p.told[work.UID]
		p.told[work.UID] = *now
		p.mu.Unlock()
		if known {
			late := work.DeepCopy()
			late.Status = *stale.DeepCopy()
			if err := p.w.Hub.Status().Update(ctx, late); err != nil {
				return err
			}
			work.ResourceVersion = late.ResourceVersion
		}
	}
	return p.w.Hub.Status().Update(ctx, work)
}

// deliver applies a manifest that has changed, and returns what is on the cluster; nil when nothing is. It returns that also when the manifest was refused.
func (p *players) deliver(ctx context.Context, work *workv1.ManifestWork, manifest *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if work.Namespace != near {
		return p.pretend(work, manifest)
	}
	raw := string(work.Spec.Workload.Manifests[0].Raw)
	p.mu.Lock()
	changed := p.applied[work.UID] != raw
	p.mu.Unlock()
	if changed && !meta.IsStatusConditionTrue(work.Status.Conditions, workv1.WorkComplete) {
		apply := client.ApplyConfigurationFromUnstructured(manifest.DeepCopy())
		if err := p.w.Spoke.Apply(ctx, apply, client.FieldOwner("work-agent"), client.ForceOwnership); err != nil {
			return p.onCluster(manifest), err
		}
		p.mu.Lock()
		p.applied[work.UID] = raw
		p.mu.Unlock()
	}
	return p.onCluster(manifest), nil
}

// onCluster is what the near cluster has of a manifest; nil when it has nothing.
func (p *players) onCluster(manifest *unstructured.Unstructured) *unstructured.Unstructured {
	return p.w.mirror.get(OnSpoke, manifest.GetKind(), manifest.GetNamespace(), manifest.GetName())
}

// takeBack ends a work: with what it delivered, or without.
func (p *players) takeBack(ctx context.Context, work *workv1.ManifestWork, manifest *unstructured.Unstructured) error {
	orphan := work.Spec.DeleteOption != nil && work.Spec.DeleteOption.PropagationPolicy == workv1.DeletePropagationPolicyTypeOrphan
	if work.Namespace == near && !orphan {
		err := p.w.Spoke.Delete(ctx, manifest.DeepCopy())
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		if !apierrors.IsNotFound(err) {
			return nil // it goes; look again
		}
	}
	if controllerutil.RemoveFinalizer(work, workv1.ManifestWorkFinalizer) {
		return p.w.Hub.Update(ctx, work)
	}
	return nil
}

// pretend is an Operation as our agent on a far cluster would have it: one instance, which runs and then has succeeded.
func (p *players) pretend(work *workv1.ManifestWork, manifest *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	live := manifest.DeepCopy()
	now := time.Now().UTC().Format(time.RFC3339)
	status := map[string]any{"phase": string(opsv1alpha1.PhaseRunning), "reason": opsv1alpha1.ReasonExpanded, "message": "at work", "startedAt": now}
	instances := map[string]any{"total": int64(1), "running": int64(1)}
	cancel, _, _ := unstructured.NestedBool(live.Object, "spec", "cancel")
	if m := work.Status.ResourceStatus.Manifests; len(m) > 0 && len(m[0].StatusFeedbacks.Values) > 0 { // it is known to run
		if meta.IsStatusConditionTrue(work.Status.Conditions, workv1.WorkComplete) {
			return nil, nil // nothing is news any more
		}
		end := func(phase opsv1alpha1.OperationPhase, reason, count string) {
			status["phase"], status["reason"], status["message"], status["finishedAt"] = string(phase), reason, "it has ended", now
			instances = map[string]any{"total": int64(1), count: int64(1)}
		}
		switch {
		case cancel:
			end(opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled, "cancelled")
		case p.hold.any() || p.idle.any():
			return nil, nil
		case p.fail.has(work.Namespace) && !putsBack(live):
			end(opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed, "failed")
		default:
			end(opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded, "succeeded")
		}
	}
	status["summary"] = map[string]any{"instances": instances}
	live.Object["status"] = status
	return live, nil
}

// putsBack tells whether an Operation puts back what another one has changed.
func putsBack(op *unstructured.Unstructured) bool {
	of, _, _ := unstructured.NestedMap(op.Object, "spec", "rollbackOf")
	return of != nil
}

// tellOf writes into a work's status what is on its cluster; nothing that is new when live is nil and it has told before.
func tellOf(work *workv1.ManifestWork, live *unstructured.Unstructured, applied bool) error {
	first := len(work.Status.ResourceStatus.Manifests) == 0
	if first {
		work.Status.ResourceStatus.Manifests = make([]workv1.ManifestCondition, 1)
	}
	m := &work.Status.ResourceStatus.Manifests[0]
	m.ResourceMeta = workv1.ManifestResourceMeta{Group: "ops.vworkspace.io", Resource: "operations"}
	set := func(kind string, status bool, reason string) {
		for _, conditions := range []*[]metav1.Condition{&work.Status.Conditions, &m.Conditions} {
			c := metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: reason, ObservedGeneration: work.Generation}
			if status {
				c.Status = metav1.ConditionTrue
			}
			meta.SetStatusCondition(conditions, c)
		}
	}
	if applied {
		set(workv1.WorkApplied, true, "AppliedManifestComplete")
	} else {
		set(workv1.WorkApplied, false, "AppliedManifestFailed")
	}
	if work.Namespace == near || live != nil {
		set(workv1.WorkAvailable, live != nil, "ResourceAvailable")
	}
	if live == nil {
		return nil
	}
	phase, _, _ := unstructured.NestedString(live.Object, "status", "phase")
	config := work.Spec.ManifestConfigs[0]
	if slices.ContainsFunc(config.ConditionRules, func(r workv1.ConditionRule) bool { return r.Condition == workv1.ManifestComplete }) &&
		opsv1alpha1.OperationPhase(phase).Terminal() {
		set(workv1.WorkComplete, true, workv1.ConditionRuleEvaluated)
	}
	var values []workv1.FeedbackValue
	for _, rule := range config.FeedbackRules {
		for _, path := range rule.JsonPaths {
			value, err := valueAt(live, path.Path)
			if err != nil {
				return err
			}
			if value != nil {
				values = append(values, workv1.FeedbackValue{Name: path.Name, Value: *value})
			}
		}
	}
	m.StatusFeedbacks.Values = values
	return nil
}

// valueAt a JSON path; nil when there is none.
func valueAt(o *unstructured.Unstructured, path string) (*workv1.FieldValue, error) {
	j := jsonpath.New("feedback").AllowMissingKeys(true)
	if err := j.Parse("{" + path + "}"); err != nil {
		return nil, err
	}
	results, err := j.FindResults(o.Object)
	if err != nil || len(results) == 0 || len(results[0]) == 0 {
		return nil, err
	}
	switch v := results[0][0].Interface().(type) {
	case string:
		return &workv1.FieldValue{Type: workv1.String, String: ptr.To(v)}, nil
	case bool:
		return &workv1.FieldValue{Type: workv1.Boolean, Boolean: ptr.To(v)}, nil
	case int64:
		return &workv1.FieldValue{Type: workv1.Integer, Integer: ptr.To(v)}, nil
	default:
		return nil, nil
	}
}
