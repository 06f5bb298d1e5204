// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/testbed"
)

// The agent's rights hold for every namespace. That it makes nothing in one that is not open is also the API server's to see to
// (deploy/policies/gate.yaml), whatever becomes of the agent.
func TestGatePolicy(t *testing.T) {
	if err := testbed.ApplyFiles(t.Context(), restConfig, filepath.Join("..", "deploy", "policies", "gate.yaml")); err != nil {
		t.Fatal(err)
	}
	agent := asAgent(t)
	open, shut := gatedNamespace(t), namespace(t, false)
	for _, ns := range []string{open, shut} {
		bindProfile(t, ns, "job")
		bindProfile(t, ns, "volsync")
	}
	// A policy is in force a moment after it was made.
	eventually(t, func() string {
		err := asProfile(t, shut, "job").Create(t.Context(), gateJob(shut), client.DryRunAll)
		if !apierrors.IsForbidden(err) {
			return fmt.Sprintf("the agent may still make a Job where nothing is open: %v", err)
		}
		if !strings.Contains(err.Error(), "namespace "+shut+" is not open to vWorkspace: label it managed-by=vworkspace") {
			return err.Error()
		}
		return ""
	})
	made := map[string]func(namespace string) client.Object{
		"Job": func(ns string) client.Object { return gateJob(ns) },
		"HelmRelease": func(ns string) client.Object {
			return &helmv2.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}, Spec: helmv2.HelmReleaseSpec{
				Interval: metav1.Duration{Duration: 1e9}, ChartRef: &helmv2.CrossNamespaceSourceReference{Kind: "OCIRepository", Name: "web"}}}
		},
		"PersistentVolumeClaim": func(ns string) client.Object {
			return &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "data"}, Spec: corev1.PersistentVolumeClaimSpec{
				AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}}}}
		},
	}
	for kind, object := range made {
		by := func(ns string) client.Client {
			return map[string]client.Client{"Job": asProfile(t, ns, "job"), "PersistentVolumeClaim": asProfile(t, ns, "volsync"), "HelmRelease": agent}[kind]
		}
		if err := by(open).Create(t.Context(), object(open), client.DryRunAll); err != nil {
			t.Errorf("%s where it is open: %v", kind, err)
		}
		if err := by(shut).Create(t.Context(), object(shut), client.DryRunAll); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "is not open") {
			t.Errorf("%s where nothing is open: %v", kind, err)
		}
		if err := k8s.Create(t.Context(), object(shut), client.DryRunAll); err != nil {
			t.Errorf("%s by somebody else: %v", kind, err)
		}
	}
	// An Operation does nothing, and is refused in words of its own.
	if err := agent.Create(t.Context(), on(shut, "op", "web", opsv1alpha1.TypeBackup), client.DryRunAll); err != nil {
		t.Errorf("an Operation: %v", err)
	}
	stillCares(t, agent, open)
}

// stillCares: what is there when a namespace is closed can still be changed and taken away.
func stillCares(t *testing.T, agent client.Client, ns string) {
	t.Helper()
	hr := &helmv2.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}, Spec: helmv2.HelmReleaseSpec{
		Interval: metav1.Duration{Duration: 1e9}, Suspend: true, ChartRef: &helmv2.CrossNamespaceSourceReference{Kind: "OCIRepository", Name: "web"}}}
	create(t, hr)
	closed := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}
	patch(t, closed, func() { delete(closed.Labels, appsv1alpha1.LabelNamespaceGate) })
	eventually(t, func() string {
		if err := asProfile(t, ns, "job").Create(t.Context(), gateJob(ns), client.DryRunAll); !apierrors.IsForbidden(err) {
			return "the namespace still counts as open"
		}
		return ""
	})
	resumed := hr.DeepCopy()
	resumed.Spec.Suspend = false
	if err := agent.Patch(t.Context(), resumed, client.MergeFrom(hr)); err != nil {
		t.Errorf("resume: %v", err)
	}
	if err := agent.Delete(t.Context(), resumed); err != nil {
		t.Errorf("delete: %v", err)
	}
}

func gateJob(ns string) *batchv1.Job {
	return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "run"}, Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{
		Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "c", Image: "registry.example.com/c"}}}}}}
}
