// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"context"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	hubNamespace   = "vworkspace-hub"
	agentNamespace = "vworkspace-agent"
	// instancesCRD is one of our CRDs, and removed is what the chart before this one did not have in it.
	instancesCRD = "applicationinstances.apps.vworkspace.io"
	removed      = "    shortNames:\n    - appinst\n    - ai\n"
)

// helm is Helm in a namespace.
func helm(t *testing.T, namespace string) *action.Configuration {
	t.Helper()
	flags := genericclioptions.NewConfigFlags(false)
	flags.KubeConfig, flags.Namespace = &kubeconfig, &namespace
	c := &action.Configuration{}
	if err := c.Init(flags, namespace, "secret", t.Logf); err != nil {
		t.Fatal(err)
	}
	return c
}

func load(t *testing.T, name string) *chart.Chart {
	t.Helper()
	c, err := loader.LoadDir(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func install(t *testing.T, c *chart.Chart, namespace string, values map[string]any) error {
	t.Helper()
	run := action.NewInstall(helm(t, namespace))
	run.ReleaseName, run.Namespace, run.CreateNamespace = c.Name(), namespace, true
	_, err := run.RunWithContext(t.Context(), c, values)
	return err
}

func upgrade(t *testing.T, c *chart.Chart, namespace string, values map[string]any) {
	t.Helper()
	run := action.NewUpgrade(helm(t, namespace))
	run.Namespace = namespace
	if _, err := run.RunWithContext(t.Context(), c.Name(), c, values); err != nil {
		t.Fatalf("upgrade %s: %v", c.Name(), err)
	}
}

func uninstall(t *testing.T, c *chart.Chart, namespace string) {
	t.Helper()
	if _, err := action.NewUninstall(helm(t, namespace)).Run(c.Name()); err != nil {
		t.Fatalf("uninstall %s: %v", c.Name(), err)
	}
}

// before is the hub chart as it was before its CRDs changed.
func before(t *testing.T) *chart.Chart {
	t.Helper()
	c := load(t, "hub")
	for _, f := range c.Files {
		if strings.Contains(f.Name, "crds/apps.") {
			text := strings.Replace(string(f.Data), removed, "", 1)
			if text == string(f.Data) {
				t.Fatalf("%s does not hold %q", f.Name, removed)
			}
			f.Data = []byte(text)
		}
	}
	return c
}

// TestInstallUpgradeUninstall: both charts on one cluster, a hub that is its own spoke. Upgrading brings new CRDs, and what is left in the end is the
// CRDs, the namespaces that Helm makes and never takes away, and what people made.
func TestInstallUpgradeUninstall(t *testing.T) {
	settled(t)
	there := snapshot(t)
	spoke := smallest(t, "spoke")
	withoutAPIs := map[string]any{"image": spoke["image"], "crds": map[string]any{"install": false}, "policies": map[string]any{"install": false}}

	if err := install(t, before(t), hubNamespace, smallest(t, "hub")); err != nil {
		t.Fatalf("install hub: %v", err)
	}
	if err := install(t, load(t, "spoke"), agentNamespace, spoke); err == nil || !strings.Contains(err.Error(), "invalid ownership metadata") {
		t.Fatalf("a second chart took the CRDs of the first: %v", err)
	}
	if err := install(t, load(t, "spoke"), agentNamespace, withoutAPIs); err != nil {
		t.Fatalf("install spoke: %v", err)
	}
	if names := shortNames(t); len(names) != 0 {
		t.Fatalf("short names %v before the upgrade, want none", names)
	}
	upgrade(t, load(t, "hub"), hubNamespace, smallest(t, "hub"))
	withoutAPIs["policy"] = map[string]any{"busy": "month-end closing"}
	upgrade(t, load(t, "spoke"), agentNamespace, withoutAPIs)
	var policy opsv1alpha1.AgentPolicy
	if err := api(t).Get(t.Context(), client.ObjectKey{Name: opsv1alpha1.AgentPolicyName}, &policy); err != nil || policy.Spec.Busy == "" {
		t.Errorf("the policy is not there: %v", err)
	}
	if names := shortNames(t); len(names) != 2 {
		t.Errorf("short names %v after the upgrade: the CRD is the old one", names)
	}
	made := &appsv1alpha1.ApplicationInstance{ObjectMeta: metav1.ObjectMeta{Name: "sentinel", Namespace: "default"},
		Spec: appsv1alpha1.ApplicationInstanceSpec{Mode: appsv1alpha1.ModePlaceholder, AppRef: appsv1alpha1.AppRef{CatalogID: "shop"}}}
	if err := api(t).Create(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	uninstall(t, load(t, "hub"), hubNamespace)
	uninstall(t, load(t, "spoke"), agentNamespace)

	want := map[string]bool{
		"CustomResourceDefinition " + instancesCRD:                      true,
		"CustomResourceDefinition operations.ops.vworkspace.io":         true,
		"CustomResourceDefinition agentpolicies.ops.vworkspace.io":      true,
		"CustomResourceDefinition operationtemplates.ops.vworkspace.io": true,
		"CustomResourceDefinition freezes.ops.vworkspace.io":            true,
		"CustomResourceDefinition controlplanes.ops.vworkspace.io":      true,
		"CustomResourceDefinition auditsinks.ops.vworkspace.io":         true,
		"CustomResourceDefinition maintenancewindows.ops.vworkspace.io": true,
		"Namespace " + hubNamespace:                                     true,
		"Namespace " + agentNamespace:                                   true,
		"ApplicationInstance default/sentinel":                          true,
	}
	for object := range snapshot(t) {
		if !there[object] && !want[object] {
			t.Errorf("%s is left", object)
		}
		delete(want, object)
	}
	for object := range want {
		t.Errorf("%s is gone", object)
	}
	// The CRDs that were kept do not stand in the way of the same release.
	if err := install(t, load(t, "hub"), hubNamespace, smallest(t, "hub")); err != nil {
		t.Errorf("install hub again: %v", err)
	}
	uninstall(t, load(t, "hub"), hubNamespace)
}

// settled waits until the API server has made what it makes for itself in the moments after it is ready: its Service, with an address, and a ConfigMap.
func settled(t *testing.T) {
	t.Helper()
	for _, own := range []client.Object{
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "kubernetes"}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: "kube-apiserver-legacy-service-account-token-tracking"}},
	} {
		if err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
			err := api(t).Get(ctx, client.ObjectKeyFromObject(own), own)
			return err == nil, client.IgnoreNotFound(err)
		}); err != nil {
			t.Fatalf("wait for the API server's %T %s: %v", own, own.GetName(), err)
		}
	}
}

func api(t *testing.T) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1alpha1.AddToScheme, opsv1alpha1.AddToScheme, apiextensionsv1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(restConfig, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func shortNames(t *testing.T) []string {
	t.Helper()
	var crd apiextensionsv1.CustomResourceDefinition
	if err := api(t).Get(t.Context(), client.ObjectKey{Name: instancesCRD}, &crd); err != nil {
		t.Fatal(err)
	}
	return crd.Spec.Names.ShortNames
}
