// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	clusterv1beta2 "open-cluster-management.io/api/cluster/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/demo"
	"vworkspace.io/fleet/e2e/kindfleet"
)

// tenant is the namespace of people's applications, on the hub and on the spokes.
const tenant = demo.Namespace

// within bounds every wait: pods are slow to start on two cores that have other things to do.
const within = 10 * time.Minute

// connect is an administrator's client.
func connect(t *testing.T, c *kindfleet.Cluster) client.Client {
	t.Helper()
	k, err := client.New(c.Config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// create objects that may be there already, from another test.
func create(t *testing.T, c *kindfleet.Cluster, objects ...client.Object) {
	t.Helper()
	k := connect(t, c)
	for _, o := range objects {
		if err := client.IgnoreAlreadyExists(k.Create(t.Context(), o)); err != nil {
			t.Fatalf("create %T %s on %s: %v", o, o.GetName(), c.Name, err)
		}
	}
}

// eventually waits until nothing is missing.
func eventually(t *testing.T, what string, missing func(ctx context.Context) string) {
	t.Helper()
	last := ""
	err := wait.PollUntilContextTimeout(t.Context(), 500*time.Millisecond, within, true, func(ctx context.Context) (bool, error) {
		now := missing(ctx)
		if ctx.Err() == nil { // else it says no more than that time is up
			last = now
		}
		return now == "", nil
	})
	if err != nil {
		t.Fatalf("waited for %s: %v; last seen: %s", what, err, last)
	}
}

// tenantEverywhere makes the tenant's namespace on all clusters, and on the hub a Placement of all spokes.
func tenantEverywhere(t *testing.T) {
	t.Helper()
	create(t, fleet.Hub,
		&clusterv1beta2.ManagedClusterSetBinding{ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: "global"}, Spec: clusterv1beta2.ManagedClusterSetBindingSpec{ClusterSet: "global"}},
		&clusterv1beta1.Placement{ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: "everywhere"}, Spec: clusterv1beta1.PlacementSpec{
			Tolerations: []clusterv1beta1.Toleration{{Operator: clusterv1beta1.TolerationOpExists}},
		}},
	)
	k := connect(t, fleet.Hub)
	eventually(t, "the Placement to choose all spokes", func(ctx context.Context) string {
		var p clusterv1beta1.Placement
		if err := k.Get(ctx, client.ObjectKey{Namespace: tenant, Name: "everywhere"}, &p); err != nil {
			return err.Error()
		}
		if n := p.Status.NumberOfSelectedClusters; int(n) != len(fleet.Spokes) {
			return fmt.Sprintf("it has chosen %d: %+v", n, p.Status.Conditions)
		}
		return ""
	})
	for _, spoke := range fleet.Spokes {
		create(t, spoke, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenant, Labels: map[string]string{
			appsv1alpha1.LabelNamespaceGate: appsv1alpha1.NamespaceGated,
		}}},
			// As whom Jobs run that name nobody: see deploy/spoke/examples/gated-namespace.yaml.
			&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: "vworkspace-operation-runner"}, AutomountServiceAccountToken: new(bool)})
	}
}

// tenantOnHub makes the tenant's namespace there, in which a control plane may ask.
func tenantOnHub(ctx context.Context) error {
	k, err := client.New(fleet.Hub.Config, client.Options{})
	if err != nil {
		return err
	}
	return client.IgnoreAlreadyExists(k.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenant}}))
}

// operate creates an Operation on the hub for all spokes, and waits until it has succeeded on all.
func operate(t *testing.T, op *opsv1alpha1.Operation) {
	t.Helper()
	create(t, fleet.Hub, op)
	succeeds(t, fleet.Hub, op)
	if n := op.Status.Summary.Clusters.Succeeded; int(n) != len(fleet.Spokes) {
		t.Errorf("Operation %s succeeded on %d clusters, want %d", op.Name, n, len(fleet.Spokes))
	}
}

// succeeds waits until an Operation has succeeded.
func succeeds(t *testing.T, c *kindfleet.Cluster, op *opsv1alpha1.Operation) {
	t.Helper()
	k := connect(t, c)
	eventually(t, "Operation "+op.Name+" on "+c.Name+" to succeed", func(ctx context.Context) string {
		if err := k.Get(ctx, client.ObjectKeyFromObject(op), op); err != nil {
			return err.Error()
		}
		s := op.Status
		if s.Phase.Terminal() && s.Phase != opsv1alpha1.PhaseSucceeded {
			t.Fatalf("Operation %s is %s/%s: %s\n%+v", op.Name, s.Phase, s.Reason, s.Message, s.Failures)
		}
		if s.Phase != opsv1alpha1.PhaseSucceeded {
			return fmt.Sprintf("it is %s/%s: %s", s.Phase, s.Reason, s.Message)
		}
		return ""
	})
}

// fleetwide is an Operation on every instance of the tenant, on all spokes.
func fleetwide(name string, typ opsv1alpha1.OperationType, parameters string) *opsv1alpha1.Operation {
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: name},
		Spec: opsv1alpha1.OperationSpec{
			Placement: &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "everywhere"}},
			Selector:  &opsv1alpha1.InstanceSelector{}, Type: typ,
		},
	}
	if parameters != "" {
		op.Spec.Parameters = &runtime.RawExtension{Raw: []byte(parameters)}
	}
	return op
}

// placeholder is an instance without a release, whose types have an engine each.
func placeholder(name string, capabilities map[opsv1alpha1.OperationType]opsv1alpha1.OperationEngine) *appsv1alpha1.ApplicationInstance {
	ai := &appsv1alpha1.ApplicationInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: name, Annotations: map[string]string{}},
		Spec:       appsv1alpha1.ApplicationInstanceSpec{Mode: appsv1alpha1.ModePlaceholder, AppRef: appsv1alpha1.AppRef{CatalogID: "shop"}},
	}
	for typ, engine := range capabilities {
		ai.Annotations[typ.Capability()] = string(engine)
	}
	return ai
}
