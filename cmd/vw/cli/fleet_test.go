// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// joined is a ManagedCluster with a namespace, a Lease and what its agent claims.
func joined(t *testing.T, name string, claims map[string]string) {
	t.Helper()
	cluster := &clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"test": t.Name()}}}
	cluster.Spec.HubAcceptsClient = true
	if err := api.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
		t.Fatal(err)
	}
	if err := api.Create(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	cluster.Status.Conditions = []metav1.Condition{{
		Type: clusterv1.ManagedClusterConditionAvailable, Status: metav1.ConditionTrue, Reason: "ManagedClusterAvailable", LastTransitionTime: *at(time.Hour),
	}}
	for claim, value := range claims {
		cluster.Status.ClusterClaims = append(cluster.Status.ClusterClaims, clusterv1.ManagedClusterClaim{Name: claim, Value: value})
	}
	if err := api.Status().Update(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	if err := api.Create(t.Context(), &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "managed-cluster-lease"},
		Spec:       coordinationv1.LeaseSpec{RenewTime: ptr.To(metav1.NewMicroTime(at(20 * time.Second).Time)), LeaseDurationSeconds: ptr.To[int32](60)},
	}); err != nil {
		t.Fatal(err)
	}
}

func TestClustersOfFleet(t *testing.T) {
	ns := namespace(t)
	a, b := ns+"-a", ns+"-b"
	joined(t, a, map[string]string{"helm.engine.vworkspace.io": "installed", "job.engine.vworkspace.io": "installed", "shop.app.vworkspace.io": "2"})
	joined(t, b, nil)
	op := created(t, ns, "run", fleetSpec(opsv1alpha1.TypeBackup), opsv1alpha1.OperationStatus{Phase: opsv1alpha1.PhaseRunning})
	if err := workWith(t.Context(), op, a, said(opsv1alpha1.PhaseRunning, "", "", nil, nil)); err != nil {
		t.Fatal(err)
	}
	got := vw(t, "clusters", "-l", "test="+t.Name(), "--no-headers")
	rows := fields(got.out)
	if len(rows) != 2 || strings.Join(rows[0][:7], " ") != a+" True 20s yes helm,job shop=2 1" || strings.Join(rows[1][:7], " ") != b+" True 20s no - - 0" {
		t.Errorf("%+v", got)
	}
	got = vw(t, "clusters", a, "-o", "jsonpath={.clusters[0].running} {.clusters[0].apps.shop}")
	if got.out != "1 2" {
		t.Errorf("%+v", got)
	}
	if got := vw(t, "clusters", "no-such"); got.status != ExitError || !strings.Contains(got.errOut, `"no-such" not found`) {
		t.Errorf("%+v", got)
	}
}

// TestClustersWithFewRights: whoever may list ManagedClusters and nothing else sees them, and what is missing.
func TestClustersWithFewRights(t *testing.T) {
	ns := namespace(t)
	joined(t, ns+"-f", nil)
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: ns}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{clusterv1.GroupName}, Resources: []string{"managedclusters"}, Verbs: []string{"list"}},
	}}
	if err := api.Create(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	if err := api.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: ns}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: ns},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, Name: "looker"}},
	}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; { // the authorizer learns of the role by a watch
		got := vw(t, "--as", "looker", "clusters", "-l", "test="+t.Name(), "--no-headers")
		if got.status == ExitOK {
			if want := ns + "-f True - no - - ? -"; strings.Join(strings.Fields(got.out), " ") != want || strings.Count(got.errOut, "Note: you may not list") != 4 {
				t.Errorf("%+v, want %s", got, want)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", got)
		}
	}
}

func TestClustersAreHeld(t *testing.T) {
	ns := namespace(t)
	joined(t, ns+"-w", nil)
	window := &opsv1alpha1.MaintenanceWindow{ObjectMeta: metav1.ObjectMeta{Name: ns}, Spec: opsv1alpha1.Window{
		Schedule: "0 5 * * *", Duration: metav1.Duration{Duration: time.Hour}, // it is 03:04
	}}
	if err := api.Create(t.Context(), window); err != nil {
		t.Fatal(err)
	}
	var cluster clusterv1.ManagedCluster
	cluster.Name = ns + "-w"
	patch := []byte(`{"metadata":{"labels":{"` + opsv1alpha1.LabelMaintenanceWindow + `":"` + ns + `"}}}`)
	if err := api.Patch(t.Context(), &cluster, client.RawPatch(types.MergePatchType, patch)); err != nil {
		t.Fatal(err)
	}
	if got := vw(t, "clusters", cluster.Name); !strings.Contains(got.out, "window "+ns+" opens at 2030-01-02T05:00:00Z") {
		t.Errorf("%+v", got)
	}
}

func TestApps(t *testing.T) {
	ns := namespace(t)
	for name, version := range map[string]string{"a": "1.0.0", "b": "1.0.0", "c": "1.1.0"} {
		in := &appsv1alpha1.ApplicationInstance{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: map[string]string{appsv1alpha1.LabelClusterID: "on-" + name}},
			Spec:       appsv1alpha1.ApplicationInstanceSpec{Mode: appsv1alpha1.ModePlaceholder, AppRef: appsv1alpha1.AppRef{CatalogID: "wiki"}},
		}
		if err := api.Create(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		in.Status.LastAppliedChart = &appsv1alpha1.ChartSnapshot{Name: "wiki", Version: version}
		if in.Status.Ready = metav1.ConditionTrue; name == "b" {
			in.Status.Ready, in.Status.ReadyReason = metav1.ConditionFalse, "ReleaseFailed"
		}
		if err := api.Status().Update(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	for args, want := range map[string]string{
		"apps --no-headers -n " + ns:                                      "wiki 1.0.0 2 1 2\nwiki 1.1.0 1 1 1\n",
		"apps --no-headers --by cluster -n " + ns:                         "wiki 1.0.0 on-a 1 1\nwiki 1.0.0 on-b 1 0\nwiki 1.1.0 on-c 1 1\n",
		"apps -o jsonpath={.apps[0].notReady} -n " + ns:                   `["` + ns + `/b: ReleaseFailed"]`,
		"apps --no-headers -l app.vworkspace.io/cluster-id=on-c -n " + ns: "wiki 1.1.0 1 1 1\n",
	} {
		got := vw(t, strings.Split(args, " ")...)
		var lines strings.Builder
		for _, row := range fields(got.out) {
			lines.WriteString(strings.Join(row, " ") + "\n")
		}
		if strings.TrimSpace(lines.String()) != strings.TrimSpace(want) {
			t.Errorf("%s: %+v, want %s", args, got, want)
		}
	}
	if got := vw(t, "apps", "--by", "version"); got.status != ExitError || !strings.Contains(got.errOut, `--by: "version" is not known`) {
		t.Errorf("%+v", got)
	}
}

func TestTemplates(t *testing.T) {
	name := namespace(t)
	template := &opsv1alpha1.OperationTemplate{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: opsv1alpha1.OperationTemplateSpec{
		Description: "Copies it.", Type: opsv1alpha1.TypeBackup, Engine: opsv1alpha1.EngineJob, Approval: &opsv1alpha1.ApprovalPolicy{Required: true, FourEyes: true},
		InputSchema: &runtime.RawExtension{Raw: []byte(`{"type":"object","required":["image","level"],"properties":{
			"image":{"type":"string","description":"What runs."},"level":{"type":"string","enum":["full","part"]},"args":{"type":"array","items":{"type":"string"}}}}`)},
		Defaults: &runtime.RawExtension{Raw: []byte(`{"level":"full"}`)},
	}}
	if err := api.Create(t.Context(), template); err != nil {
		t.Fatal(err)
	}
	if got := vw(t, "templates"); !strings.Contains(strings.Join(strings.Fields(got.out), " "), name+" Backup job by another image [+2]") {
		t.Errorf("%+v", got)
	}
	got := vw(t, "templates", name)
	flat := strings.Join(strings.Fields(got.out), " ")
	for _, want := range []string{
		"image string yes - What runs.", `level string no "full" One of "full", "part".`, "args array of string no -",
		"vw run " + name + " --placement PLACEMENT --set image=IMAGE", "Approval: by another",
	} {
		if !strings.Contains(flat, want) {
			t.Errorf("no %q in\n%s", want, got.out)
		}
	}
	if got := vw(t, "templates", name, "-o", "jsonpath={.parameters[0].name} {.parameters[0].required}"); got.out != "image true" {
		t.Errorf("%+v", got)
	}
	if got := vw(t, "templates", "no-such"); got.status != ExitError || !strings.Contains(got.errOut, "there is no OperationTemplate no-such: vw templates lists what there is") {
		t.Errorf("%+v", got)
	}
}

func TestVersion(t *testing.T) {
	if got := vw(t, "version", "--client", "-o", "jsonpath={.client.version}"); got.out != "v0.0.0-test" {
		t.Errorf("%+v", got)
	}
	ns := namespace(t)
	labels := map[string]string{"app.kubernetes.io/name": "vworkspace-hub", "app.kubernetes.io/part-of": "vworkspace-fleet", "app.kubernetes.io/version": "0.1.0"}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "vworkspace-hub", Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "hub", Image: "r.example/hub:v0.2.1@sha256:" + strings.Repeat("a", 64)}}}},
		},
	}
	if err := api.Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = api.Delete(t.Context(), d) }()
	got := vw(t, "version", "-o", "json")
	var doc versionDocument
	if err := json.Unmarshal([]byte(got.out), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Components) != 1 || doc.Components[0].Version != "v0.2.1" || doc.Kubernetes == "" ||
		len(doc.Notes) != 1 || doc.Notes[0] != "vw v0.0.0-test and v0.2.1 differ in more than the patch: upgrade what is at v0.0.0-test" {
		t.Errorf("%+v", doc)
	}
}
