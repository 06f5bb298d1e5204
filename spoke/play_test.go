// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
)

// patch changes an object that others write too.
func patch(t *testing.T, obj client.Object, change func()) {
	t.Helper()
	eventually(t, func() string {
		base := reload(t, obj).DeepCopyObject().(client.Object)
		change()
		if err := k8s.Patch(t.Context(), obj, client.MergeFrom(base)); err != nil {
			return err.Error()
		}
		return ""
	})
}

func openNamespace(t *testing.T, name string) {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	patch(t, ns, func() { ns.Labels[appsv1alpha1.LabelNamespaceGate] = appsv1alpha1.NamespaceGated })
}

// collect plays the garbage collector: it waits until the object is being deleted in the foreground, and lets it go.
func collect(t *testing.T, u *unstructured.Unstructured) {
	t.Helper()
	eventually(t, func() string {
		if reload(t, u); u.GetDeletionTimestamp() == nil {
			return "nobody has deleted " + u.GetName()
		}
		return ""
	})
	base := u.DeepCopy()
	u.SetFinalizers(nil)
	if err := k8s.Patch(t.Context(), u, client.MergeFrom(base)); err != nil {
		t.Fatal(err)
	}
}

// completeJob plays the Job controller.
func completeJob(t *testing.T, j *batchv1.Job) {
	t.Helper()
	now := metav1.Now()
	j.Status.StartTime, j.Status.CompletionTime, j.Status.Succeeded = &now, &now, 1
	for _, kind := range []batchv1.JobConditionType{batchv1.JobSuccessCriteriaMet, batchv1.JobComplete} {
		j.Status.Conditions = append(j.Status.Conditions, batchv1.JobCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: now, LastProbeTime: now})
	}
	if err := k8s.Status().Update(t.Context(), j); err != nil {
		t.Fatal(err)
	}
}

func installCRDs(t *testing.T, paths ...string) {
	t.Helper()
	if _, err := envtest.InstallCRDs(restConfig, envtest.CRDInstallOptions{Paths: paths, ErrorIfPathMissing: true, MaxTime: within}); err != nil {
		t.Fatal(err)
	}
}

// uninstallGadgets returns when the API server no longer says that it serves them.
func uninstallGadgets(t *testing.T) {
	t.Helper()
	options := envtest.CRDInstallOptions{Paths: []string{"testdata/gadgets.crd.yaml"}, ErrorIfPathMissing: true}
	if err := envtest.UninstallCRDs(restConfig, options); err != nil {
		t.Fatal(err)
	}
	d, err := discovery.NewDiscoveryClientForConfig(restConfig)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		list, err := d.ServerResourcesForGroupVersion("test.vworkspace.io/v1")
		if err != nil {
			return err.Error()
		}
		for _, r := range list.APIResources {
			if r.Kind == "Gadget" {
				return "Gadgets are still served"
			}
		}
		return ""
	})
}

func adopted(namespace, name, release string) *appsv1alpha1.ApplicationInstance {
	return &appsv1alpha1.ApplicationInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: appsv1alpha1.ApplicationInstanceSpec{
			Mode: appsv1alpha1.ModeAdopted, AppRef: appsv1alpha1.AppRef{CatalogID: "shop"},
			Release: &appsv1alpha1.ReleaseSpec{Name: release, Namespace: namespace},
		},
	}
}
