// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
)

func (f *fleet) getInstance(ai *appsv1alpha1.ApplicationInstance) *appsv1alpha1.ApplicationInstance {
	f.t.Helper()
	got := &appsv1alpha1.ApplicationInstance{}
	f.must(api.Get(f.ctx, client.ObjectKeyFromObject(ai), got))
	return got
}

func (f *fleet) editInstance(ai *appsv1alpha1.ApplicationInstance, change func(*appsv1alpha1.ApplicationInstance)) {
	f.t.Helper()
	got := f.getInstance(ai)
	before := got.DeepCopy()
	change(got)
	f.must(api.Patch(f.ctx, got, client.MergeFrom(before)))
}

// instanceWork waits until the work carries what the test wants to see; "" only waits for the work.
func (f *fleet) instanceWork(ai *appsv1alpha1.ApplicationInstance, cluster, carries string) *workv1.ManifestWork {
	f.t.Helper()
	w := &workv1.ManifestWork{}
	f.eventually("the instance's work carries "+carries, func() (string, error) {
		if err := api.Get(f.ctx, types.NamespacedName{Namespace: cluster, Name: instanceWorkName(ai)}, w); err != nil {
			return "no work", err
		}
		if raw := string(w.Spec.Workload.Manifests[0].Raw); !strings.Contains(raw, carries) {
			return raw, nil
		}
		return "", nil
	})
	return w
}

// reportInstance writes what the spoke has into the work; it is taken to have the manifest that the work now carries.
func (f *fleet) reportInstance(w *workv1.ManifestWork, s spoke) {
	f.t.Helper()
	f.must(f.tryReportOn(client.ObjectKeyFromObject(w), func(w *workv1.ManifestWork) bool {
		if s.hubGeneration == "" {
			s.hubGeneration = strconv.FormatInt(deliveryOf(w).Manifest, 10)
		}
		fill(w, report{})
		w.Status.ResourceStatus.Manifests[0].StatusFeedbacks.Values = s.values()
		return true
	}))
}

func (f *fleet) awaitCondition(ai *appsv1alpha1.ApplicationInstance, kind string, status metav1.ConditionStatus, reason string) *appsv1alpha1.ApplicationInstance {
	f.t.Helper()
	var got *appsv1alpha1.ApplicationInstance
	f.eventually(fmt.Sprintf("%s shall be %s/%s", kind, status, reason), func() (string, error) {
		got = f.getInstance(ai)
		if c := meta.FindStatusCondition(got.Status.Conditions, kind); c == nil || c.Status != status || c.Reason != reason {
			return fmt.Sprintf("%+v", c), nil
		}
		return "", nil
	})
	return got
}

func TestInstanceIsDeliveredAndMirrored(t *testing.T) {
	f := newFleet(t, 1)
	f.startHub()
	ai := f.instance("web", f.clusters[0])
	w := f.instanceWork(ai, f.clusters[0], `"tier":"web"`)
	raw := string(w.Spec.Workload.Manifests[0].Raw)
	if strings.Contains(raw, "last-applied") || strings.Contains(raw, `"status"`) || !strings.Contains(raw, `"ops.vworkspace.io/backup":"velero"`) {
		t.Error(raw)
	}
	f.awaitCondition(ai, appsv1alpha1.ConditionReady, metav1.ConditionUnknown, appsv1alpha1.ReasonNotYetReported)
	f.reportInstance(w, spoke{ready: "True", reason: "Installed", wanted: "1.0.0", running: "1.0.0", generation: 1, observed: 1})
	got := f.awaitCondition(ai, appsv1alpha1.ConditionReady, metav1.ConditionTrue, appsv1alpha1.ReasonInstalled)
	s := got.Status
	if s.Cluster != f.clusters[0] || s.LastAppliedChart.Version != "1.0.0" || s.ObservedGeneration != got.Generation || s.Ready != metav1.ConditionTrue {
		t.Errorf("%+v", s)
	}
	f.editInstance(ai, func(ai *appsv1alpha1.ApplicationInstance) { ai.Labels["tier"] = "db" })
	f.instanceWork(ai, f.clusters[0], `"tier":"db"`)
	f.must(f.tryReportOn(client.ObjectKeyFromObject(w), func(w *workv1.ManifestWork) bool {
		fill(w, report{applyErr: `namespaces "x" not found`})
		return true
	}))
	got = f.awaitCondition(ai, appsv1alpha1.ConditionReady, metav1.ConditionFalse, appsv1alpha1.ReasonNotApplied)
	if !strings.Contains(got.Status.ReadyMessage, "not found") {
		t.Errorf("%+v", got.Status)
	}
}

func TestVersionIsTakenOverFromTheSpoke(t *testing.T) {
	f := newFleet(t, 1)
	f.startHub()
	ai := f.instance("web", f.clusters[0])
	w := f.instanceWork(ai, f.clusters[0], `"version":"1.0.0"`)
	f.reportInstance(w, spoke{ready: "True", reason: "Installed", wanted: "1.1.0", running: "1.1.0", upgradedFrom: "1.0.0", generation: 2, observed: 2})
	f.eventually("the hub wants what the spoke runs, and has noted it", func() (string, error) {
		got := f.getInstance(ai)
		if got.Spec.Chart.Version != "1.1.0" {
			return got.Spec.Chart.Version, nil
		}
		return differs(fmt.Sprint(got.Status.ObservedGeneration), fmt.Sprint(got.Generation)), nil
	})
	now := f.instanceWork(ai, f.clusters[0], "")
	if now.Generation != w.Generation {
		t.Error("taking over a version sent something: the work agent applies everything then, also values that the Upgrade had changed")
	}
	// An edit on the hub carries the new version along.
	f.editInstance(ai, func(ai *appsv1alpha1.ApplicationInstance) { ai.Labels["tier"] = "db" })
	w = f.instanceWork(ai, f.clusters[0], `"tier":"db"`)
	if !strings.Contains(string(w.Spec.Workload.Manifests[0].Raw), `"version":"1.1.0"`) {
		t.Error("an edit on the hub takes the upgrade back")
	}
	// Going back is an order like any other, and the old report does not undo it.
	f.editInstance(ai, func(ai *appsv1alpha1.ApplicationInstance) { ai.Spec.Chart.Version = "1.0.0" })
	w = f.instanceWork(ai, f.clusters[0], `"version":"1.0.0"`)
	f.reportInstance(w, spoke{hubGeneration: "1", ready: "True", reason: "Stale", wanted: "1.1.0", running: "1.1.0", upgradedFrom: "1.0.0", generation: 2, observed: 2})
	got := f.awaitCondition(ai, appsv1alpha1.ConditionReady, metav1.ConditionTrue, "Stale")
	if got.Spec.Chart.Version != "1.0.0" || got.Status.ObservedGeneration == got.Generation {
		t.Errorf("%+v", got)
	}
}

func TestInstanceOfAnUnknownCluster(t *testing.T) {
	f := newFleet(t, 0)
	f.startHub()
	late := f.ns + "-late"
	ai := f.instance("web", late)
	f.awaitCondition(ai, appsv1alpha1.ConditionBlocked, metav1.ConditionTrue, appsv1alpha1.ReasonClusterNotFound)
	f.must(f.addCluster(late))
	f.instanceWork(ai, late, "")
	f.eventually("it is not blocked any more", func() (string, error) {
		if meta.IsStatusConditionTrue(f.getInstance(ai).Status.Conditions, appsv1alpha1.ConditionBlocked) {
			return "it is", nil
		}
		return "", nil
	})
}

func TestInstanceStaysWhereItIs(t *testing.T) {
	f := newFleet(t, 2)
	f.startHub()
	ai := f.instance("web", f.clusters[0])
	w := f.instanceWork(ai, f.clusters[0], "")
	f.awaitCondition(ai, appsv1alpha1.ConditionReady, metav1.ConditionUnknown, appsv1alpha1.ReasonNotYetReported)
	f.editInstance(ai, func(ai *appsv1alpha1.ApplicationInstance) { ai.Labels[appsv1alpha1.LabelClusterID] = f.clusters[1] })
	f.awaitCondition(ai, appsv1alpha1.ConditionBlocked, metav1.ConditionTrue, appsv1alpha1.ReasonClusterChanged)
	if now := f.instanceWork(ai, f.clusters[0], ""); now.ResourceVersion != w.ResourceVersion {
		t.Error("something was sent")
	}
	err := api.Get(f.ctx, types.NamespacedName{Namespace: f.clusters[1], Name: w.Name}, &workv1.ManifestWork{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("it was moved: %v", err)
	}
}

func TestInstanceIsRemovedFromItsCluster(t *testing.T) {
	f := newFleet(t, 2)
	f.startHub()
	ai, lost := f.instance("web", f.clusters[0]), f.instance("lost", f.clusters[1])
	for c, i := range map[string]*appsv1alpha1.ApplicationInstance{f.clusters[0]: ai, f.clusters[1]: lost} {
		f.reportInstance(f.instanceWork(i, c, ""), spoke{ready: "True", reason: "Installed", wanted: "1.0.0", running: "1.0.0"})
		f.awaitCondition(i, appsv1alpha1.ConditionReady, metav1.ConditionTrue, "Installed")
		f.must(api.Delete(f.ctx, i.DeepCopy()))
	}
	f.awaitCondition(ai, appsv1alpha1.ConditionDeleting, metav1.ConditionTrue, appsv1alpha1.ReasonDeleting)
	w := f.instanceWork(ai, f.clusters[0], "")
	if w.DeletionTimestamp.IsZero() || w.Spec.DeleteOption.PropagationPolicy != workv1.DeletePropagationPolicyTypeForeground {
		t.Errorf("%+v", w)
	}
	f.agentDeletes(w)
	f.awaitGone(ai.DeepCopy())
	// The other cluster will never answer again.
	f.awaitCondition(lost, appsv1alpha1.ConditionDeleting, metav1.ConditionTrue, appsv1alpha1.ReasonDeleting)
	f.must(api.Delete(f.ctx, &clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: f.clusters[1]}}))
	f.awaitGone(lost.DeepCopy())
}

// A hub that comes up at an API server that lags behind sees an instance that was taken back and is gone. It does not deliver it again.
func TestInstanceOfThePastIsNotDelivered(t *testing.T) {
	f := newFleet(t, 1)
	stop := f.startHub()
	ai := f.instance("web", f.clusters[0])
	w := f.instanceWork(ai, f.clusters[0], "")
	f.awaitCondition(ai, appsv1alpha1.ConditionReady, metav1.ConditionUnknown, appsv1alpha1.ReasonNotYetReported)
	past := f.getInstance(ai)
	f.must(api.Delete(f.ctx, ai))
	f.awaitGone(ai)
	stop()

	inner, err := client.NewWithWatch(hubConfig, client.Options{Scheme: NewScheme()})
	f.must(err)
	lagging := interceptor.NewClient(inner, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			if ai, is := o.(*appsv1alpha1.ApplicationInstance); is {
				past.DeepCopyInto(ai)
				return nil
			}
			return c.Get(ctx, key, o, options...)
		},
	})
	r := &InstanceReconciler{Client: lagging, Live: api, Options: f.options.complete()}
	if result, err := r.Reconcile(f.ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(ai)}); err != nil || result.RequeueAfter == 0 {
		t.Errorf("%+v, %v; want that it looks again", result, err)
	}
	if err := api.Get(f.ctx, client.ObjectKeyFromObject(w), &workv1.ManifestWork{}); !apierrors.IsNotFound(err) {
		t.Errorf("it was delivered again: %v", err)
	}
}
