// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/e2e/demo"
	"vworkspace.io/fleet/e2e/testbed"
)

// restored are the kinds of which nothing stays that a page has made, in the order in which it goes.
var restored = []schema.GroupVersionKind{
	{Group: "ops.vworkspace.io", Version: "v1alpha1", Kind: "ControlPlane"},
	{Group: "ops.vworkspace.io", Version: "v1alpha1", Kind: "AuditSink"},
	{Group: "ops.vworkspace.io", Version: "v1alpha1", Kind: "Freeze"},
	{Group: "batch", Version: "v1", Kind: "CronJob"},
	{Group: "ops.vworkspace.io", Version: "v1alpha1", Kind: "Operation"},
	{Group: "apps.vworkspace.io", Version: "v1alpha1", Kind: "ApplicationInstance"},
	{Group: "ops.vworkspace.io", Version: "v1alpha1", Kind: "OperationTemplate"},
	{Group: "ops.vworkspace.io", Version: "v1alpha1", Kind: "MaintenanceWindow"},
	{Group: "ops.vworkspace.io", Version: "v1alpha1", Kind: "AgentPolicy"},
	{Group: "cluster.open-cluster-management.io", Version: "v1beta1", Kind: "Placement"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "Role"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"},
	{Version: "v1", Kind: "Secret"},
	{Version: "v1", Kind: "Namespace"},
}

// labelled are the kinds whose labels are as they were, after a page.
var labelled = []schema.GroupVersionKind{
	{Version: "v1", Kind: "Namespace"},
	{Group: "cluster.open-cluster-management.io", Version: "v1", Kind: "ManagedCluster"},
}

// untouched is what was there before a page, on every cluster.
type untouched map[string]map[schema.GroupVersionKind]map[client.ObjectKey]metav1.PartialObjectMetadata

func look(t *testing.T) untouched {
	t.Helper()
	out := untouched{}
	for _, c := range everyCluster() {
		out[c.Name] = map[schema.GroupVersionKind]map[client.ObjectKey]metav1.PartialObjectMetadata{}
		for _, kind := range append(slices.Clone(restored), labelled...) {
			out[c.Name][kind] = all(t, connect(t, c), kind)
		}
	}
	return out
}

func connect(t *testing.T, c *testbed.Cluster) client.Client {
	t.Helper()
	cl, err := client.New(c.Config(), client.Options{Scheme: demo.Scheme()})
	must(t, err)
	return cl
}

// all objects of a kind; none where it is not served.
func all(t *testing.T, cl client.Client, kind schema.GroupVersionKind) map[client.ObjectKey]metav1.PartialObjectMetadata {
	t.Helper()
	out := map[client.ObjectKey]metav1.PartialObjectMetadata{}
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := cl.List(context.WithoutCancel(t.Context()), list); err != nil {
		if !meta.IsNoMatchError(err) && !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
		return out
	}
	for _, o := range list.Items {
		o.SetGroupVersionKind(kind)
		out[client.ObjectKeyFromObject(&o)] = o
	}
	return out
}

// restore what was there before a page: on the hub first, because what the hub has brought to a cluster goes with it.
func (u untouched) restore(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	for _, c := range everyCluster() {
		cl := connect(t, c)
		for _, kind := range restored {
			for key, made := range all(t, cl, kind) {
				if _, was := u[c.Name][kind][key]; was || ofControllers(kind, key) {
					continue
				}
				if err := gone(ctx, cl, &made); err != nil {
					t.Errorf("tidy up: delete %s %s on %s: %v", kind.Kind, key, c.Name, err)
				}
			}
		}
		for _, kind := range labelled {
			for key, now := range all(t, cl, kind) {
				was, there := u[c.Name][kind][key]
				if !there || maps.Equal(was.Labels, now.Labels) {
					continue
				}
				before := now.DeepCopy()
				now.Labels = was.Labels
				if err := cl.Patch(ctx, &now, client.MergeFrom(before)); err != nil {
					t.Errorf("tidy up: labels of %s %s on %s: %v", kind.Kind, key, c.Name, err)
				}
			}
		}
	}
}

// ofControllers is what they make and take away by themselves.
func ofControllers(kind schema.GroupVersionKind, key client.ObjectKey) bool {
	return kind.Kind == "RoleBinding" && strings.HasPrefix(key.Name, "vworkspace-profile-") || kind.Kind == "Secret" && strings.HasPrefix(key.Name, "sh.helm.release.")
}

// gone when it returns without an error.
func gone(ctx context.Context, cl client.Client, o *metav1.PartialObjectMetadata) error {
	if err := cl.Delete(ctx, o); err != nil {
		return client.IgnoreNotFound(err)
	}
	return wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		err := cl.Get(ctx, client.ObjectKeyFromObject(o), o.DeepCopy())
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
}
