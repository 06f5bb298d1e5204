// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/testbed"
)

// helmHookJobRig: a hook that Flux has installed with the release, and Kubernetes' Job controller. The chart's values say how the hook goes.
var helmHookJobRig = rig{
	engine:   opsv1alpha1.EngineHelmHookJob,
	succeeds: func(t testing.TB) *opsv1alpha1.Operation { return reindex(t, nil) },
	fails: func(t testing.TB) *opsv1alpha1.Operation {
		return reindex(t, map[string]any{"hookOutcome": testbed.OutcomeFail})
	},
	failReason: "JobFailedBackoffExceeded",
	hangs:      func(t testing.TB) *opsv1alpha1.Operation { return reindex(t, map[string]any{"hookTakes": "1h"}) },
	slow: func(t testing.TB) (*opsv1alpha1.Operation, func()) {
		return reindex(t, map[string]any{"hookTakes": "6s"}), func() {}
	},
	begun:        opsv1alpha1.ReasonEngineRunning,
	controller:   "kube-controller-manager",
	afterRestart: opsv1alpha1.PhaseSucceeded,
	group:        "helm.toolkit.fluxcd.io",
	stops:        true,
}

// reindex runs one hook by its name.
func reindex(t testing.TB, values map[string]any) *opsv1alpha1.Operation {
	t.Helper()
	allowRecords(t)
	instance := release(t, opsv1alpha1.EngineHelmHookJob, values)
	return hook(t, instance, map[string]any{"hookName": instance + "-reindex"})
}

func hook(t testing.TB, instance string, parameters map[string]any) *opsv1alpha1.Operation {
	t.Helper()
	return operation(t, instance, opsv1alpha1.TypeRunCommand, opsv1alpha1.EngineHelmHookJob, parameters)
}

// allowRecords lets the agent read release records while the test runs, as the reference says.
func allowRecords(t testing.TB) {
	t.Helper()
	role := create(t, &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "vworkspace-release-records-" + unique(t)},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}}},
	})
	create(t, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "system:serviceaccount:vworkspace-agent:vworkspace-agent"}},
	})
}

// TestHelmHookJobEvent: all hooks of an event run one after the other, by their weights; one is a Job, and one a Pod.
func TestHelmHookJobEvent(t *testing.T) {
	allowRecords(t)
	instance := release(t, opsv1alpha1.EngineHelmHookJob, nil)
	op := create(t, hook(t, instance, map[string]any{"event": "test"}))
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "HelmHookJobSucceeded")
	if len(op.Status.Resources) != 2 || output(t, op, "hookName") != instance+"-check" {
		t.Errorf("not both hooks were run, or not in their order: %+v", op.Status.Resources)
	}
	t.Logf("%s; %s", op.Status.Message, op.Status.Progress)
}

// TestHelmHookJobNotFound: who asks for a hook that is not there is told which are.
func TestHelmHookJobNotFound(t *testing.T) {
	allowRecords(t)
	instance := release(t, opsv1alpha1.EngineHelmHookJob, nil)
	op := create(t, hook(t, instance, map[string]any{"hookName": "nonesuch"}))
	reaches(t, op, opsv1alpha1.PhaseFailed, "HookNotFound")
	for _, name := range []string{instance + "-reindex", instance + "-check", instance + "-after-upgrade"} {
		if !strings.Contains(op.Status.Message, name) {
			t.Errorf("hook %s is not named: %s", name, op.Status.Message)
		}
	}
}

// TestHelmHookJobRights: without the right to read release records the Operation waits and says how to give it, and goes on when it is given.
func TestHelmHookJobRights(t *testing.T) {
	instance := release(t, opsv1alpha1.EngineHelmHookJob, nil)
	op := create(t, hook(t, instance, map[string]any{"hookName": instance + "-reindex"}))
	reaches(t, op, opsv1alpha1.PhasePending, "RbacProfileMissing")
	if want := "kubectl create rolebinding"; !op.Status.Blocked || !strings.Contains(op.Status.Message, want) {
		t.Errorf("it does not say how to give the right: %s", op.Status.Message)
	}
	allowRecords(t)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "HelmHookJobSucceeded")
}

// TestHelmHookJobPodSecurity: a hook whose pod is not restricted waits until the namespace's owner allows it, and says how that is done.
func TestHelmHookJobPodSecurity(t *testing.T) {
	allowRecords(t)
	instance := release(t, opsv1alpha1.EngineHelmHookJob, nil)
	op := create(t, hook(t, instance, map[string]any{"hookName": instance + "-after-upgrade"}))
	reaches(t, op, opsv1alpha1.PhasePending, opsv1alpha1.ReasonPodNotRestricted)
	for _, want := range []string{"is not restricted", `container "main" must set securityContext.allowPrivilegeEscalation=false`, opsv1alpha1.LabelHookPodSecurity + "=baseline"} {
		if !strings.Contains(op.Status.Message, want) {
			t.Errorf("it does not say %q: %s", want, op.Status.Message)
		}
	}
	t.Log(op.Status.Message)
	allowBaseline(t)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "HelmHookJobSucceeded")
}

// allowBaseline lets hooks in the namespace be what they are in most charts, while the test runs.
func allowBaseline(t *testing.T) {
	t.Helper()
	label := func(ctx context.Context, value string) error {
		patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%s}}}`, opsv1alpha1.LabelHookPodSecurity, value)
		return k8s.Patch(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, client.RawPatch(types.MergePatchType, []byte(patch)))
	}
	if err := label(t.Context(), strconv.Quote(opsv1alpha1.HookPodSecurityBaseline)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := label(context.Background(), "null"); err != nil {
			t.Error(err)
		}
	})
}
