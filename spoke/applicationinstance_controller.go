// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"errors"
	"fmt"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	mcreconcile "sigs.k8s.io/multicluster-runtime/pkg/reconcile"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// instanceFieldManager owns what an instance is made into.
const instanceFieldManager = "vworkspace-agent"

// progressInterval is how often a release that is not done is looked at when no watch says anything. One that was made and is deleted while the watch is
// broken, as when Flux's CRDs go and come again, was never there for the watch.
const progressInterval = 30 * time.Second

// instanceReconciler keeps HelmReleases as ApplicationInstances want them, and says how they are.
type instanceReconciler struct {
	sites *sites
	clock clock.PassiveClock
}

// instanceVisit is one look at one ApplicationInstance.
type instanceVisit struct {
	*site
	ai     *appsv1alpha1.ApplicationInstance
	before appsv1alpha1.ApplicationInstanceStatus
	now    metav1.Time
	again  time.Duration
	// applied: something was changed in this visit, so the cache speaks of what was before.
	applied bool
}

// Reconcile fetches, acts, and writes the status once at the end, also when something failed.
func (r *instanceReconciler) Reconcile(ctx context.Context, req mcreconcile.Request) (ctrl.Result, error) {
	s, err := r.sites.get(req.ClusterName)
	if err != nil {
		return ctrl.Result{}, err
	}
	var ai appsv1alpha1.ApplicationInstance
	if err := s.Get(ctx, req.NamespacedName, &ai); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	v := &instanceVisit{site: s, ai: &ai, before: *ai.Status.DeepCopy(), now: metav1.NewTime(r.clock.Now().Truncate(time.Second))}
	err = errors.Join(v.step(ctx), v.write(ctx))
	if onlyConflict(err) {
		return ctrl.Result{RequeueAfter: conflictInterval}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: v.again}, nil
}

func (v *instanceVisit) step(ctx context.Context) error {
	if !v.ai.DeletionTimestamp.IsZero() {
		return v.remove(ctx)
	}
	gated, err := v.gated(ctx, v.ai.Namespace)
	if err != nil {
		return fmt.Errorf("read the namespace: %w", err)
	}
	rel := v.ai.Spec.Release
	switch {
	case !gated:
		v.block(appsv1alpha1.ReasonNamespaceNotGated, fmt.Sprintf("namespace %s is not open to vWorkspace: label it %s=%s",
			v.ai.Namespace, appsv1alpha1.LabelNamespaceGate, appsv1alpha1.NamespaceGated))
		return nil
	case v.ai.Spec.Mode == appsv1alpha1.ModePlaceholder:
		v.conclude(finding{ready: metav1.ConditionTrue, reason: appsv1alpha1.ReasonPlaceholder, message: "there is no release to be ready"})
		return nil
	case rel.Namespace != v.ai.Namespace:
		v.block(appsv1alpha1.ReasonNamespaceMismatch, fmt.Sprintf("spec.release.namespace is %s, and must be the instance's own namespace %s: create it again there",
			rel.Namespace, v.ai.Namespace))
		return nil
	}
	absent, err := v.absentFlux(ctx)
	if err != nil {
		return err
	}
	if absent != "" {
		v.block(appsv1alpha1.ReasonEngineNotInstalled, fmt.Sprintf("this cluster does not serve Flux's %s: install Flux's helm-controller and source-controller", absent))
		return nil
	}
	if v.ai.Spec.Mode == appsv1alpha1.ModeAdopted {
		return v.adopt(ctx)
	}
	return v.manage(ctx)
}

// adopt mirrors a HelmRelease that somebody else owns.
func (v *instanceVisit) adopt(ctx context.Context) error {
	hr, err := v.helmRelease(ctx)
	if err != nil {
		return err
	}
	if hr == nil {
		v.conclude(finding{ready: metav1.ConditionFalse, reason: appsv1alpha1.ReasonHelmReleaseNotFound,
			message: fmt.Sprintf("HelmRelease %s does not exist in namespace %s", v.ai.Spec.Release.Name, v.ai.Namespace)})
		return nil
	}
	v.mirror(hr, "", "")
	return nil
}

// manage makes the HelmRelease as the instance wants it, and mirrors it.
func (v *instanceVisit) manage(ctx context.Context) error {
	source, hr, err := release(v.ai)
	if err != nil {
		v.block(appsv1alpha1.ReasonNotApplied, err.Error())
		return nil
	}
	if err := v.setFinalizer(ctx, true); err != nil {
		return err
	}
	refused, err := v.put(ctx, source)
	if err == nil && refused == nil {
		refused, err = v.put(ctx, hr)
	}
	if err != nil {
		return err
	}
	if refused != nil {
		v.block(refused.reason, refused.message)
		// No watch tells when the API server would take it.
		since := meta.FindStatusCondition(v.ai.Status.Conditions, appsv1alpha1.ConditionBlocked).LastTransitionTime
		v.again = blockedPause(v.now.Sub(since.Time))
		return nil
	}
	if err := v.dropOtherSource(ctx, source.GetKind()); err != nil {
		return err
	}
	made, err := v.helmRelease(ctx)
	if err != nil {
		return err
	}
	if made == nil {
		return apierrors.NewConflict(helmv2.GroupVersion.WithResource("helmreleases").GroupResource(), hr.GetName(), errors.New("it went while it was applied"))
	}
	complaint, err := v.sourceComplaint(ctx)
	if err != nil {
		return err
	}
	v.mirror(made, v.ai.Spec.Chart.Version, complaint)
	return nil
}

func (v *instanceVisit) mirror(hr *helmv2.HelmRelease, wanted, sourceFailure string) {
	v.ai.Status.HelmReleaseRef = &appsv1alpha1.HelmReleaseRef{Name: hr.Name, Namespace: hr.Namespace}
	v.ai.Status.LastAppliedChart = lastApplied(v.ai, hr)
	f := examine(hr, wanted, sourceFailure)
	v.conclude(f)
	if v.applied || f.changing {
		v.again = progressInterval
	}
}

// conclude puts a finding into the conditions. What does not hold is absent, as kstatus wants it.
func (v *instanceVisit) conclude(f finding) {
	v.set(appsv1alpha1.ConditionReady, f.ready, f.reason, f.message)
	v.mark(appsv1alpha1.ConditionReconciling, f.changing, f)
	v.mark(appsv1alpha1.ConditionDegraded, f.degraded, f)
	v.mark(appsv1alpha1.ConditionBlocked, f.blocked, f)
}

// block says that nothing is done until somebody acts.
func (v *instanceVisit) block(reason, message string) {
	v.conclude(finding{ready: metav1.ConditionFalse, reason: reason, message: message, blocked: true})
}

func (v *instanceVisit) mark(kind string, holds bool, f finding) {
	if !holds {
		meta.RemoveStatusCondition(&v.ai.Status.Conditions, kind)
		return
	}
	v.set(kind, metav1.ConditionTrue, f.reason, f.message)
}

func (v *instanceVisit) set(kind string, status metav1.ConditionStatus, reason, message string) {
	message = opsv1alpha1.Truncate(message, opsv1alpha1.MaxMessage)
	meta.SetStatusCondition(&v.ai.Status.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: v.ai.Generation, LastTransitionTime: v.now,
	})
	if kind == appsv1alpha1.ConditionReady {
		v.ai.Status.Ready, v.ai.Status.ReadyReason, v.ai.Status.ReadyMessage = status, reason, message
	}
}

// write puts the status in place if it differs from what is there.
func (v *instanceVisit) write(ctx context.Context) error {
	if len(v.ai.Status.Conditions) == 0 {
		return nil
	}
	v.ai.Status.ObservedGeneration = v.ai.Generation
	if equality.Semantic.DeepEqual(v.before, v.ai.Status) {
		return nil
	}
	v.ai.Status.LastReconcileTime = &v.now
	if err := v.Status().Update(ctx, v.ai); err != nil {
		return fmt.Errorf("write the status of ApplicationInstance %s/%s: %w", v.ai.Namespace, v.ai.Name, err)
	}
	return nil
}

// setFinalizer puts the finalizer there or takes it away, under optimistic lock, and keeps the status in hand.
func (v *instanceVisit) setFinalizer(ctx context.Context, want bool) error {
	changed := v.ai.DeepCopy()
	set := controllerutil.RemoveFinalizer
	if want {
		set = controllerutil.AddFinalizer
	}
	if !set(changed, appsv1alpha1.ApplicationInstanceFinalizer) {
		return nil
	}
	if err := v.Patch(ctx, changed, client.MergeFromWithOptions(v.ai, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("write the finalizers of ApplicationInstance %s/%s: %w", v.ai.Namespace, v.ai.Name, err)
	}
	v.ai.ObjectMeta = changed.ObjectMeta
	return nil
}

// absentFlux is the first of Flux's kinds that the cluster does not serve, or "".
func (s *site) absentFlux(ctx context.Context) (string, error) {
	for kind, obj := range fluxKinds() {
		served, err := s.kinds.served(ctx, obj)
		if err != nil || !served {
			return kind, err
		}
	}
	return "", nil
}

// fluxKinds are what an instance is made into.
func fluxKinds() map[string]client.Object {
	return map[string]client.Object{
		helmv2.HelmReleaseKind:      &helmv2.HelmRelease{},
		sourcev1.HelmRepositoryKind: &sourcev1.HelmRepository{},
		sourcev1.OCIRepositoryKind:  &sourcev1.OCIRepository{},
	}
}
