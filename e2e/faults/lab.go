// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/e2e/testbed"
	"vworkspace.io/fleet/spoke"
)

const (
	// apps is the namespace of a tenant: of the instances on the spoke, and of the Operations on the hub that reach them.
	apps = "apps"
	// near is the cluster that has an API server and an agent; far are played by the courier alone.
	near = "spoke1"
)

var far = []string{"far1", "far2"}

// Lab is a hub and a spoke: two real API servers without any controller. One World at a time lives in it.
type Lab struct {
	fleet *testbed.Fleet
	// Hub and Spoke are an administrator's clients, which no fault touches.
	Hub, Spoke client.WithWatch
	// HubConfig and SpokeConfig are an administrator's.
	HubConfig, SpokeConfig *rest.Config
	// asHub and asAgent are the components'.
	asHub, asAgent *rest.Config
}

// NewLab starts the API servers; progress may be nil.
func NewLab(ctx context.Context, progress io.Writer) (*Lab, error) {
	fleet, err := testbed.Up(ctx, testbed.Options{Bare: true, Clusters: 1, Progress: progress})
	if err != nil {
		return nil, err
	}
	l := &Lab{fleet: fleet, HubConfig: fleet.Hub.Config(), SpokeConfig: fleet.Spokes[0].Config()}
	if err := l.furnish(ctx); err != nil {
		return nil, errors.Join(err, fleet.Down())
	}
	return l, nil
}

// Close stops the API servers.
func (l *Lab) Close() error { return l.fleet.Down() }

func (l *Lab) furnish(ctx context.Context) (err error) {
	if err := l.connect(); err != nil {
		return err
	}
	if err := l.Spoke.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "velero"}}); err != nil {
		return err
	}
	if err := errors.Join(install.OnHub(ctx, l.HubConfig), install.OnSpokeAlone(ctx, l.SpokeConfig)); err != nil {
		return err
	}
	if l.asHub, err = install.AsHub(ctx, l.HubConfig); err != nil {
		return err
	}
	if l.asAgent, err = install.AsAgent(ctx, l.SpokeConfig); err != nil {
		return err
	}
	for _, name := range namespaces[OnHub] {
		// The hub's own came with it.
		if err := client.IgnoreAlreadyExists(l.Hub.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})); err != nil {
			return err
		}
	}
	if err := l.Hub.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: apps, Name: opsv1alpha1.DefaultControlPlaneAccount},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: opsv1alpha1.DefaultControlPlaneAccount},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: install.HubNamespace, Name: opsv1alpha1.DefaultControlPlaneAccount}},
	}); err != nil {
		return err
	}
	for _, name := range append([]string{near}, far...) {
		if err := l.join(ctx, name); err != nil {
			return err
		}
	}
	gated := map[string]string{appsv1alpha1.LabelNamespaceGate: appsv1alpha1.NamespaceGated}
	// The agent may read the release records of the instances, as the reference of engine helmHookJob says, and ask the played application to sleep.
	grants := "vworkspace-grants"
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: apps, Labels: gated}},
		&rbacv1.Role{
			ObjectMeta: metav1.ObjectMeta{Namespace: apps, Name: grants},
			Rules: []rbacv1.PolicyRule{
				{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}},
				{APIGroups: []string{""}, Resources: []string{"services/proxy"}, ResourceNames: []string{sleepService}, Verbs: []string{"create"}},
			},
		},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: apps, Name: grants},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: grants},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: opsv1alpha1.DefaultAgentNamespace, Name: "vworkspace-agent"}},
		},
	} {
		if err := l.Spoke.Create(ctx, o); err != nil {
			return fmt.Errorf("furnish the spoke: %w", err)
		}
	}
	return nil
}

// connect as an administrator.
func (l *Lab) connect() error {
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	if l.Hub, err = client.NewWithWatch(l.HubConfig, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	if l.Spoke, err = client.NewWithWatch(l.SpokeConfig, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	return nil
}

// revision of an API server, now; empty when it cannot be asked.
func (l *Lab) revision(ctx context.Context, api API) string {
	list := &corev1.ConfigMapList{}
	if err := l.client(api).List(ctx, list, client.Limit(1)); err != nil {
		return ""
	}
	return list.ResourceVersion
}

// join makes an available ManagedCluster.
func (l *Lab) join(ctx context.Context, name string) error {
	c := &clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := l.Hub.Create(ctx, c); err != nil {
		return err
	}
	meta.SetStatusCondition(&c.Status.Conditions, metav1.Condition{
		Type: clusterv1.ManagedClusterConditionAvailable, Status: metav1.ConditionTrue, Reason: "ManagedClusterAvailable",
	})
	return l.Hub.Status().Update(ctx, c)
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	err := spoke.AddToScheme(scheme)
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, workv1.Install, clusterv1.Install, clusterv1beta1.Install} {
		err = errors.Join(err, add(scheme))
	}
	return scheme, err
}
