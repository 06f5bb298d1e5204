// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines/helmrecord"
)

// recordOf is Helm's record of a revision whose Chart.yaml has one annotation.
func recordOf(t *testing.T, namespace, name, annotation, value string) *corev1.Secret {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(`{"name":"web","version":2,"config":{"password":"hunter2"},"chart":{"metadata":{"name":"web","annotations":{"` + annotation + `":"` + value + `"}}}}`)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Type: helmrecord.SecretType,
		Data: map[string][]byte{helmrecord.SecretKey: []byte(base64.StdEncoding.EncodeToString(packed.Bytes()))}}
}

// TestChartAdvertises: where an instance lets it, its chart says which engine does what, as soon as it is deployed and may be read; and not before, nor otherwise.
func TestChartAdvertises(t *testing.T) {
	ns := gatedNamespace(t)
	ai := adopted(ns, "web", "theirs")
	ai.Annotations = map[string]string{opsv1alpha1.TypeBackup.Capability(): string(opsv1alpha1.EngineVelero), appsv1alpha1.AnnotationChartCapabilities: "yes"}
	create(t, ai)
	op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonCapabilityMissing)
	says(t, op, `annotation apps.vworkspace.io/chart-capabilities must be true or false, and is "yes"`)
	patch(t, ai, func() { ai.Annotations[appsv1alpha1.AnnotationChartCapabilities] = "true" })
	says(t, op, "there is no HelmRelease theirs")

	hr := &helmv2.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "theirs"}, Spec: helmv2.HelmReleaseSpec{
		Interval: metav1.Duration{Duration: 1e9}, ChartRef: &helmv2.CrossNamespaceSourceReference{Kind: "OCIRepository", Name: "theirs"}}}
	create(t, hr)
	says(t, op, "no revision of HelmRelease theirs is deployed")
	install(t, hr, "5.0.0")
	deployed := reload(t, hr).Status.History
	if len(deployed) != 1 {
		t.Fatalf("the history is %+v", deployed)
	}
	secret := recordOf(t, ns, helmrecord.SecretOf(deployed[0]), opsv1alpha1.TypeBackup.Capability(), string(widgetName))
	blockedFrom(t, op, opsv1alpha1.ReasonRbacProfileMissing)
	says(t, op, "the agent may not read Secret "+ns+"/"+secret.Name, "kubectl create role vworkspace-release-records -n "+ns+" --verb=get --resource=secrets")
	role := metav1.ObjectMeta{Namespace: ns, Name: "vworkspace-release-records"}
	create(t, &rbacv1.Role{ObjectMeta: role, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}}}})
	create(t, &rbacv1.RoleBinding{
		ObjectMeta: role, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "system:serviceaccount:vworkspace-agent:vworkspace-agent"}},
	})
	says(t, op, "does not hold it: see `helm history -n "+ns+"`")
	create(t, secret)
	finish(t, op)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")

	silent := adopted(ns, "silent", "theirs")
	silent.Annotations = map[string]string{appsv1alpha1.AnnotationChartCapabilities: "false"}
	create(t, silent)
	other := on(ns, "other", "silent", opsv1alpha1.TypeBackup)
	create(t, other)
	blockedFrom(t, other, opsv1alpha1.ReasonCapabilityMissing)
	says(t, other, "ApplicationInstance silent does not advertise Backup")
}

// TestChartOfNoRelease: nothing can say anything, and the message says which annotation is to go.
func TestChartOfNoRelease(t *testing.T) {
	ns := gatedNamespace(t)
	ai := capable(t, ns, "web", widgetName)
	patch(t, ai, func() { ai.Annotations[appsv1alpha1.AnnotationChartCapabilities] = "true" })
	op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonTargetNotReady)
	says(t, op, "(annotation apps.vworkspace.io/chart-capabilities), and it has no release: remove that annotation")
}
