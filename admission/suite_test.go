// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"vworkspace.io/fleet/admission"
	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/deploy"
	"vworkspace.io/fleet/e2e/apiserver"
	"vworkspace.io/fleet/e2e/install"
)

// One real API server with what deploy/ installs on a cluster that is hub and spoke, but for the webhook configurations: tests that want to be asked add them.
var (
	restConfig *rest.Config
	admin      client.Client
)

const (
	// patience bounds every wait; it says nothing about how fast anything is.
	patience = 60 * time.Second
	// shops is a tenant's namespace.
	shops = "shops"
)

func TestMain(m *testing.M) { os.Exit(apiserver.Main(m, setUp)) }

func setUp(s *apiserver.Server) (err error) {
	ctx := context.Background()
	restConfig = s.Config
	if err := errors.Join(install.OnHub(ctx, restConfig), install.OnSpoke(ctx, restConfig)); err != nil {
		return fmt.Errorf("install what is in deploy/: %w", err)
	}
	if admin, err = client.New(restConfig, client.Options{Scheme: scheme()}); err != nil {
		return err
	}
	if err := openShops(ctx); err != nil {
		return fmt.Errorf("make the tenant's namespace: %w", err)
	}
	return awaitPolicies(ctx)
}

func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, opsv1alpha1.AddToScheme, appsv1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			panic(err)
		}
	}
	return s
}

// openShops makes a namespace whose people may do everything with Operations and instances there, and nothing elsewhere.
func openShops(ctx context.Context) error {
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: shops}},
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: shops, Name: "keepers"}, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}},
		}},
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: shops, Name: "keepers"},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "keepers"},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "shopkeepers"}}},
	} {
		if err := admin.Create(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// awaitPolicies waits until the API server goes by them, which is a moment after they were made.
func awaitPolicies(ctx context.Context) error {
	return wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		err := admin.Create(ctx, operation(func(op *opsv1alpha1.Operation) { op.Annotations[opsv1alpha1.AnnotationRequestedBy] = "nobody" }), client.DryRunAll)
		return apierrors.IsForbidden(err), nil
	})
}

// as is a client that acts as somebody.
func as(t testing.TB, user string, groups ...string) client.Client {
	t.Helper()
	config := rest.CopyConfig(restConfig)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	c, err := client.New(config, client.Options{Scheme: scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// alice keeps shops.
func alice(t testing.TB) client.Client { return as(t, "alice", "shopkeepers", "staff") }

// operation on the shop, of which no two have the same name.
func operation(change func(*opsv1alpha1.Operation)) *opsv1alpha1.Operation {
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: shops, GenerateName: "op-", Labels: map[string]string{}, Annotations: map[string]string{}},
		Spec: opsv1alpha1.OperationSpec{
			Type: opsv1alpha1.TypeBackup, TargetRef: &opsv1alpha1.TargetRef{APIVersion: "apps.vworkspace.io/v1alpha1", Kind: "ApplicationInstance", Name: "shop"},
		},
	}
	if change != nil {
		change(op)
	}
	return op
}

// side is who is asked: the hub, or the agent of a cluster. What the API server asks is in its folder of deploy/.
type side struct {
	name, namespace, folder string
	as                      func(ctx context.Context, config *rest.Config) (*rest.Config, error)
}

var (
	hubSide   = side{"vworkspace-hub-admission", opsv1alpha1.DefaultHubNamespace, deploy.Hub, install.AsHub}
	agentSide = side{"vworkspace-agent-admission", opsv1alpha1.DefaultAgentNamespace, deploy.Spoke, install.AsAgent}
)

// serve what a side answers, as its ServiceAccount, until the test ends or stop is called. A test may have several.
func serve(t testing.TB, on side, change func(*admission.Options)) (address string, stop func()) {
	t.Helper()
	address, err := install.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	o := admission.Options{BindAddress: address, Name: on.name, Namespace: on.namespace, Instances: []admission.Rule{admission.OfCluster("spoke1")}}
	if change != nil {
		change(&o)
	}
	s, err := admission.New(o)
	if err != nil {
		t.Fatal(err)
	}
	config, err := on.as(t.Context(), restConfig)
	if err != nil {
		t.Fatal(err)
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme(), Metrics: server.Options{BindAddress: "0"}, WebhookServer: s.WebhookServer(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Setup(mgr); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error("the server stopped:", err)
		}
	})
	t.Cleanup(stop)
	return address, stop
}

// agent serves what the agent of cluster spoke1 answers.
func agent(t testing.TB, change func(*admission.Options)) (address string, stop func()) {
	t.Helper()
	return serve(t, agentSide, change)
}

// asked has the API server ask a side at an address until the test ends.
func asked(t testing.TB, on side, address string) {
	t.Helper()
	if err := install.Admission(t.Context(), restConfig, on.folder, address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		named := metav1.ObjectMeta{Name: on.name}
		if err := errors.Join(
			admin.Delete(ctx, &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: named}),
			admin.Delete(ctx, &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: named}),
		); err != nil {
			t.Error(err)
		}
		eventually(t, func() string {
			op := operation(nil)
			if err := admin.Create(ctx, op, client.DryRunAll); err != nil {
				return err.Error()
			}
			if op.Annotations[opsv1alpha1.AnnotationRequestedBy] != "" {
				return "the API server still asks"
			}
			return ""
		})
	})
}

// served has the API server ask an agent, and waits until that works.
func served(t testing.TB, change func(*admission.Options)) (stop func()) {
	t.Helper()
	return servedBy(t, agentSide, change)
}

func servedBy(t testing.TB, on side, change func(*admission.Options)) (stop func()) {
	t.Helper()
	address, stop := serve(t, on, func(o *admission.Options) {
		if change != nil {
			change(o)
		}
		o.Operations = append(o.Operations, refuseProbe)
	})
	asked(t, on, address)
	if err := install.AwaitAdmission(t.Context(), restConfig); err != nil {
		t.Fatal(err)
	}
	// Who stamps is trusted by then; who validates is another configuration, and may not be yet.
	eventually(t, func() string {
		probe := operation(func(op *opsv1alpha1.Operation) { op.GenerateName = probeName })
		if err := admin.Create(context.Background(), probe, client.DryRunAll); err == nil || !strings.Contains(err.Error(), probeName) {
			return fmt.Sprintf("what is to be refused was answered by: %v", err)
		}
		return ""
	})
	return stop
}

const probeName = "refuse-me-"

// refuseProbe shows that somebody is asked.
func refuseProbe(_ context.Context, q admission.Question) field.ErrorList {
	if q.Object.GetGenerateName() != probeName {
		return nil
	}
	return field.ErrorList{field.Forbidden(field.NewPath("metadata", "generateName"), probeName)}
}

// eventually waits until nothing is missing.
func eventually(t testing.TB, missing func() string) {
	t.Helper()
	last := ""
	err := wait.PollUntilContextTimeout(context.Background(), 20*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		last = missing()
		return last == "", nil
	})
	if err != nil {
		t.Fatal("last seen: " + last)
	}
}

// allow binds a ClusterRole to an account until the test ends.
func allow(t testing.TB, role, user string) {
	t.Helper()
	binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}}
	if err := admin.Create(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := admin.Delete(context.Background(), binding); err != nil {
			t.Error(err)
		}
	})
}
