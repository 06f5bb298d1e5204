// SPDX-License-Identifier: Apache-2.0

package addon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	addonv1alpha1 "open-cluster-management.io/api/addon/v1alpha1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/e2e/testbed"
)

const (
	name      = "vworkspace-agent" // of the add-on, the namespace, the Deployment and its rights
	wantLabel = "agent"            // by which the test's Placement selects
)

// TestAddOn: the agent comes to every cluster that the Placement selects, with its own cluster's name and no right on the hub. A cluster that leaves
// loses the agent and its rights, and keeps what people made, whatever finalizers it holds. Without the add-on, all clusters do. What its template and a
// cluster's config say arrives.
func TestAddOn(t *testing.T) {
	hub := connect(t, fleet.Hub)
	if err := install.OnHub(t.Context(), fleet.Hub.Config()); err != nil {
		t.Fatal(err)
	}
	if err := testbed.ApplyFiles(t.Context(), fleet.Hub.Config(), folder); err != nil {
		t.Fatal(err)
	}
	for _, c := range fleet.Spokes {
		arrives(t, hub, c)
	}
	noRightsOnHub(t, hub)
	upgrades(t, hub)
	configured(t, hub, fleet.Spokes[0])

	stays, leaves := fleet.Spokes[0], fleet.Spokes[1]
	busy := makeBusy(t, connect(t, leaves))
	before := agent(t.Context(), t, connect(t, stays))
	selectOnly(t, hub, stays.Name)
	cleaned(t, hub, leaves)
	kept(t, connect(t, leaves), busy)
	if now := agent(t.Context(), t, connect(t, stays)); now.UID != before.UID || now.Generation != before.Generation {
		t.Errorf("the agent of %s changed when another cluster left", stays.Name)
	}

	deleteFolder(t, hub)
	cleaned(t, hub, stays)
}

// folder is what people apply to the hub.
var folder = filepath.Join("..", "..", "deploy", "addon")

// deleteFolder does what `kubectl delete -f` does: it deletes every object, whichever the others need.
func deleteFolder(t *testing.T, hub client.Client) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", folder, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq("\n"+string(text), "\n---\n") {
			o := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
				t.Fatal(err)
			}
			if err := hub.Delete(t.Context(), o); err != nil {
				t.Fatalf("delete %s %s: %v", o.GetKind(), o.GetName(), err)
			}
		}
	}
}

// upgrades: a new image in the template comes to every cluster.
func upgrades(t *testing.T, hub client.Client) {
	t.Helper()
	const image = "registry.example.com/vworkspace-fleet/spoke:next"
	var template addonv1alpha1.AddOnTemplate
	if err := hub.Get(t.Context(), client.ObjectKey{Name: name}, &template); err != nil {
		t.Fatal(err)
	}
	for i, manifest := range template.Spec.AgentSpec.Workload.Manifests {
		o := &unstructured.Unstructured{}
		if err := o.UnmarshalJSON(manifest.Raw); err != nil {
			t.Fatal(err)
		}
		if o.GetKind() != "Deployment" {
			continue
		}
		containers, _, err := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
		if err != nil || len(containers) != 1 {
			t.Fatalf("containers of the template: %v, %v", containers, err)
		}
		containers[0].(map[string]any)["image"] = image
		if err := unstructured.SetNestedSlice(o.Object, containers, "spec", "template", "spec", "containers"); err != nil {
			t.Fatal(err)
		}
		if template.Spec.AgentSpec.Workload.Manifests[i].Raw, err = o.MarshalJSON(); err != nil {
			t.Fatal(err)
		}
	}
	if err := hub.Update(t.Context(), &template); err != nil {
		t.Fatal(err)
	}
	for _, c := range fleet.Spokes {
		spoke := connect(t, c)
		eventually(t, "the new image to come to "+c.Name, func(ctx context.Context) (bool, string) {
			now := agent(ctx, t, spoke).Spec.Template.Spec.Containers[0].Image
			return now == image, now
		})
	}
}

// configured: an AddOnDeploymentConfig says on which nodes of one cluster the agent runs. Such a config must name the agent's namespace.
func configured(t *testing.T, hub client.Client, c *testbed.Cluster) {
	t.Helper()
	config := &addonv1alpha1.AddOnDeploymentConfig{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.Name, Name: "edge"},
		Spec: addonv1alpha1.AddOnDeploymentConfigSpec{
			AgentInstallNamespace: name, NodePlacement: &addonv1alpha1.NodePlacement{NodeSelector: map[string]string{"tier": "edge"}},
		},
	}
	if err := hub.Create(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the add-on of "+c.Name+" to take its config", func(ctx context.Context) (bool, string) {
		var addon addonv1alpha1.ManagedClusterAddOn
		if err := hub.Get(ctx, client.ObjectKey{Namespace: c.Name, Name: name}, &addon); err != nil {
			return false, err.Error()
		}
		addon.Spec.Configs = []addonv1alpha1.AddOnConfig{{
			ConfigGroupResource: addonv1alpha1.ConfigGroupResource{Group: addonv1alpha1.GroupName, Resource: "addondeploymentconfigs"},
			ConfigReferent:      addonv1alpha1.ConfigReferent{Namespace: config.Namespace, Name: config.Name},
		}}
		if err := hub.Update(ctx, &addon); err != nil {
			return false, err.Error()
		}
		return true, ""
	})
	spoke := connect(t, c)
	eventually(t, "the agent of "+c.Name+" to run where its config says", func(ctx context.Context) (bool, string) {
		on := agent(ctx, t, spoke).Spec.Template.Spec.NodeSelector
		return on["tier"] == "edge", fmt.Sprint(on)
	})
}

// arrives waits until the add-on is Available on a cluster, and looks at what is there.
func arrives(t *testing.T, hub client.Client, c *testbed.Cluster) {
	t.Helper()
	eventually(t, "the add-on to be Available on "+c.Name, func(ctx context.Context) (bool, string) {
		var addon addonv1alpha1.ManagedClusterAddOn
		if err := hub.Get(ctx, client.ObjectKey{Namespace: c.Name, Name: name}, &addon); err != nil {
			return false, err.Error()
		}
		return meta.IsStatusConditionTrue(addon.Status.Conditions, addonv1alpha1.ManagedClusterAddOnConditionAvailable), fmt.Sprintf("%+v", addon.Status.Conditions)
	})
	spoke := connect(t, c)
	if args := agent(t.Context(), t, spoke).Spec.Template.Spec.Containers[0].Args; !slices.Contains(args, "--cluster="+c.Name) {
		t.Errorf("the agent of %s runs with %v", c.Name, args)
	}
	for _, crd := range []string{"operations.ops.vworkspace.io", "operationtemplates.ops.vworkspace.io", "applicationinstances.apps.vworkspace.io"} {
		if err := spoke.Get(t.Context(), client.ObjectKey{Name: crd}, &apiextensionsv1.CustomResourceDefinition{}); err != nil {
			t.Error(err)
		}
	}
	for _, role := range []string{name, "vworkspace-instances", "vworkspace-catalog", "vworkspace-work-agent"} {
		if err := spoke.Get(t.Context(), client.ObjectKey{Name: role}, &rbacv1.ClusterRole{}); err != nil {
			t.Error(err)
		}
	}
}

func agent(ctx context.Context, t *testing.T, spoke client.Client) *appsv1.Deployment {
	t.Helper()
	var d appsv1.Deployment
	if err := spoke.Get(ctx, client.ObjectKey{Namespace: name, Name: name}, &d); err != nil {
		t.Fatal(err)
	}
	return &d
}

// noRightsOnHub: nothing on the hub is bound to the add-on.
func noRightsOnHub(t *testing.T, hub client.Client) {
	t.Helper()
	var roles rbacv1.RoleBindingList
	var clusterRoles rbacv1.ClusterRoleBindingList
	for _, list := range []client.ObjectList{&roles, &clusterRoles} {
		if err := hub.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	check := func(binding string, subjects []rbacv1.Subject) {
		for _, s := range subjects {
			if strings.Contains(s.Name, "addon:"+name) {
				t.Errorf("%s gives the add-on rights on the hub", binding)
			}
		}
	}
	for _, b := range roles.Items {
		check(b.Namespace+"/"+b.Name, b.Subjects)
	}
	for _, b := range clusterRoles.Items {
		check(b.Name, b.Subjects)
	}
}

// makeBusy leaves on a cluster what a working agent would: an Operation that runs and an instance, both held by finalizers.
func makeBusy(t *testing.T, spoke client.Client) []client.Object {
	t.Helper()
	objects := []client.Object{
		&opsv1alpha1.Operation{
			ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "runs", Finalizers: []string{opsv1alpha1.OperationFinalizer}},
			Spec:       opsv1alpha1.OperationSpec{Type: opsv1alpha1.TypeRunCommand, Engine: opsv1alpha1.EngineJob, Selector: &opsv1alpha1.InstanceSelector{}},
		},
		&appsv1alpha1.ApplicationInstance{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop", Finalizers: []string{appsv1alpha1.ApplicationInstanceFinalizer}},
			Spec:       appsv1alpha1.ApplicationInstanceSpec{Mode: appsv1alpha1.ModePlaceholder, AppRef: appsv1alpha1.AppRef{CatalogID: "shop"}},
		},
	}
	for _, o := range objects {
		if err := spoke.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	return objects
}

// selectOnly makes the Placement select one cluster, by a label.
func selectOnly(t *testing.T, hub client.Client, cluster string) {
	t.Helper()
	mc := &clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: cluster}}
	label := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"metadata":{"labels":{%q:"yes"}}}`, wantLabel))
	if err := hub.Patch(t.Context(), mc, label); err != nil {
		t.Fatal(err)
	}
	var placement clusterv1beta1.Placement
	if err := hub.Get(t.Context(), client.ObjectKey{Namespace: install.HubNamespace, Name: "vworkspace-agents"}, &placement); err != nil {
		t.Fatal(err)
	}
	before := placement.DeepCopy()
	placement.Spec.Predicates = []clusterv1beta1.ClusterPredicate{{RequiredClusterSelector: clusterv1beta1.ClusterSelector{
		LabelSelector: metav1.LabelSelector{MatchLabels: map[string]string{wantLabel: "yes"}}}}}
	if err := hub.Patch(t.Context(), &placement, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

// cleaned waits until the add-on is gone from a cluster: the agent, its rights and executors, and on the hub the add-on itself.
func cleaned(t *testing.T, hub client.Client, c *testbed.Cluster) {
	t.Helper()
	spoke := connect(t, c)
	gone := func(cl client.Client, o client.Object, namespace, name string) {
		eventually(t, fmt.Sprintf("%T %s to be gone from %s", o, name, c.Name), func(ctx context.Context) (bool, string) {
			err := cl.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, o)
			return apierrors.IsNotFound(err), fmt.Sprint(err)
		})
	}
	gone(hub, &addonv1alpha1.ManagedClusterAddOn{}, c.Name, name)
	gone(spoke, &appsv1.Deployment{}, name, name)
	gone(spoke, &corev1.ServiceAccount{}, name, name)
	gone(spoke, &corev1.ServiceAccount{}, name, "vworkspace-operations")
	gone(spoke, &corev1.ServiceAccount{}, name, "vworkspace-catalog")
	for _, role := range []string{name, "vworkspace-instances", "vworkspace-catalog", "vworkspace-work-agent"} {
		gone(spoke, &rbacv1.ClusterRole{}, "", role)
	}
	gone(spoke, &rbacv1.ClusterRoleBinding{}, "", name)
}

// kept: what people and the agent made is there as it was, and nobody is about to delete it.
func kept(t *testing.T, spoke client.Client, objects []client.Object) {
	t.Helper()
	objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}},
		&apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "operations.ops.vworkspace.io"}},
		&apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "operationtemplates.ops.vworkspace.io"}},
		&apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "applicationinstances.apps.vworkspace.io"}})
	for _, o := range objects {
		if err := spoke.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			t.Error(err)
		} else if o.GetDeletionTimestamp() != nil {
			t.Errorf("%T %s is about to go", o, o.GetName())
		}
	}
}
