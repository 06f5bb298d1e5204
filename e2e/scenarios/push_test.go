// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/demo"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/e2e/testbed"
)

// asOdoo is a client with a token of the ServiceAccount of control planes: what an Odoo has that writes to the hub's API itself.
func asOdoo(t *testing.T) client.WithWatch {
	t.Helper()
	config, err := testbed.As(t.Context(), fleet.Fleet.Hub.Config(), install.HubNamespace, opsv1alpha1.DefaultControlPlaneAccount)
	if err != nil {
		t.Fatal(err)
	}
	odoo, err := client.NewWithWatch(config, client.Options{Scheme: demo.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return odoo
}

// TestPush: an Odoo that reaches the hub's API deploys an application, asks for an Operation on it and one on the fleet, sees by a watch how they end, and deletes the
// application, by a token of the account of control planes; and that account may do nothing else.
func TestPush(t *testing.T) {
	odoo := asOdoo(t)
	wiki := &appsv1alpha1.ApplicationInstance{
		TypeMeta: metav1.TypeMeta{APIVersion: appsv1alpha1.GroupVersion.String(), Kind: "ApplicationInstance"},
		ObjectMeta: metav1.ObjectMeta{
			Name: "wiki", Namespace: demo.Namespace, Labels: map[string]string{appsv1alpha1.LabelClusterID: "spoke1"},
			Annotations: map[string]string{opsv1alpha1.TypeRunCommand.Capability(): string(opsv1alpha1.EngineJob)},
		},
		Spec: appsv1alpha1.ApplicationInstanceSpec{Mode: appsv1alpha1.ModePlaceholder, AppRef: appsv1alpha1.AppRef{CatalogID: "wiki"}},
	}
	for range 2 { // the same once more changes nothing
		if err := odoo.Patch(t.Context(), wiki.DeepCopy(), client.Apply, client.FieldOwner("vworkspace-odoo")); err != nil { //nolint:staticcheck // an Odoo has no apply configurations either
			t.Fatal(err)
		}
	}
	eventually(t, "the wiki to be Ready", func(ctx context.Context) (bool, string) {
		got := &appsv1alpha1.ApplicationInstance{}
		err := odoo.Get(ctx, client.ObjectKeyFromObject(wiki), got)
		return err == nil && got.Status.Ready == metav1.ConditionTrue, fmt.Sprintf("%v %+v", err, got.Status.Conditions)
	})
	onWiki := fleetOperation("on-wiki", func(s *opsv1alpha1.OperationSpec) {
		s.Placement, s.Selector = nil, nil
		s.TargetRef = &opsv1alpha1.TargetRef{APIVersion: appsv1alpha1.GroupVersion.String(), Kind: "ApplicationInstance", Name: wiki.Name}
	}, command(0))
	everywhere := fleetOperation("pushed", func(s *opsv1alpha1.OperationSpec) {
		s.Selector.LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "shop"}}
	}, command(0))
	for _, op := range []*opsv1alpha1.Operation{onWiki, everywhere} {
		if err := odoo.Create(t.Context(), op); err != nil {
			t.Fatal(err)
		}
		if by := op.Annotations[opsv1alpha1.AnnotationRequestedBy]; !strings.HasSuffix(by, ":"+opsv1alpha1.DefaultControlPlaneAccount) {
			t.Errorf("%s was asked for by %q", op.Name, by)
		}
		if end := watched(t, odoo, op); end.Status.Phase != opsv1alpha1.PhaseSucceeded {
			t.Errorf("%s: %s/%s: %s", op.Name, end.Status.Phase, end.Status.Reason, end.Status.Message)
		}
	}
	for _, o := range []client.Object{onWiki, everywhere, wiki} {
		if err := odoo.Delete(t.Context(), o); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "the wiki to be gone", func(ctx context.Context) (bool, string) {
		err := odoo.Get(ctx, client.ObjectKeyFromObject(wiki), &appsv1alpha1.ApplicationInstance{})
		return apierrors.IsNotFound(err), fmt.Sprint(err)
	})
}

// watched is how an Operation ended, by a watch alone.
func watched(t *testing.T, odoo client.WithWatch, op *opsv1alpha1.Operation) *opsv1alpha1.Operation {
	t.Helper()
	w, err := odoo.Watch(t.Context(), &opsv1alpha1.OperationList{}, client.InNamespace(op.Namespace))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	for late := time.After(patience); ; {
		select {
		case e := <-w.ResultChan():
			if now, ok := e.Object.(*opsv1alpha1.Operation); ok && now.UID == op.UID && now.Status.Phase.Terminal() {
				return now
			}
		case <-late:
			t.Fatalf("Operation %s has not ended", op.Name)
		}
	}
}

// TestPushIsNarrow: what the account of control planes may not do, the API server refuses.
func TestPushIsNarrow(t *testing.T) {
	odoo := asOdoo(t)
	elsewhere := fleetOperation("elsewhere", nil, command(0))
	elsewhere.Namespace = metav1.NamespaceDefault
	secrets := &corev1.SecretList{}
	status := fleetOperation("status", nil, command(0))
	create(t, status)
	ended(t, status, opsv1alpha1.PhaseSucceeded)
	before := status.DeepCopy()
	status.Status.Message = "all is well"
	for what, err := range map[string]error{
		"an Operation in a namespace that is not open to it": odoo.Create(t.Context(), elsewhere),
		"a ManifestWork":           odoo.Create(t.Context(), &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Namespace: "spoke1", Name: "mine"}}),
		"the status":               odoo.Status().Patch(t.Context(), status, client.MergeFrom(before)),
		"the hub's Secrets":        odoo.List(t.Context(), secrets, client.InNamespace(install.HubNamespace)),
		"a ControlPlane":           odoo.Create(t.Context(), &opsv1alpha1.ControlPlane{ObjectMeta: metav1.ObjectMeta{Name: "mine"}, Spec: opsv1alpha1.ControlPlaneSpec{Endpoint: "https://odoo.example.com"}}),
		"what was delivered by it": odoo.Create(t.Context(), delivered()),
	} {
		if !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// delivered passes for what a hub has delivered.
func delivered() *opsv1alpha1.Operation {
	op := fleetOperation("delivered", nil, command(0))
	op.Labels = map[string]string{opsv1alpha1.LabelRoot: "8c9e5a3d-2e9c-4c8a-9c0a-1e3a4b5c6d7e"}
	return op
}
