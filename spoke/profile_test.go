// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// jobOp is an Operation that makes a Job.
func jobOp(t *testing.T, ns, name string) *opsv1alpha1.Operation {
	t.Helper()
	op := on(ns, name, "web", opsv1alpha1.TypeRunCommand)
	op.Spec.Parameters = parameters(t, `{"image": "registry.example.com/tool", "command": ["true"]}`)
	return op
}

// jobOf waits for the Job of a run.
func jobOf(t *testing.T, op *opsv1alpha1.Operation) *batchv1.Job {
	t.Helper()
	j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: op.Namespace, Name: opsv1alpha1.RunName(op.Name, op.UID)}}
	reaches(t, op, opsv1alpha1.PhaseRunning, "")
	eventually(t, func() string {
		if err := k8s.Get(t.Context(), client.ObjectKeyFromObject(j), j); err != nil {
			return err.Error()
		}
		return ""
	})
	return j
}

func profileAccount(ns string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: opsv1alpha1.ProfileAccount("job")}}
}

// narrow is a Role of a person's, bound as the profile's RoleBinding would be.
func narrow(t *testing.T, ns, profile string, rules ...rbacv1.PolicyRule) *rbacv1.Role {
	t.Helper()
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "narrow"}, Rules: rules}
	create(t, role)
	b := profileBinding(ns, profile)
	b.OwnerReferences, b.RoleRef = nil, rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "narrow"}
	create(t, b)
	return role
}

// neverBlocked: nobody saw the run wait.
func neverBlocked(t *testing.T, op *opsv1alpha1.Operation) {
	t.Helper()
	for _, h := range reload(t, op).Status.History {
		if h.Reason == opsv1alpha1.ReasonRbacProfileMissing {
			t.Errorf("%s was blocked meanwhile: %s", op.Name, h.Message)
		}
	}
}

// The agent may not make a Job. It is made as the ServiceAccount of profile job, which the agent puts in place before.
func TestRunWritesAsItsProfile(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", opsv1alpha1.EngineJob)
	for _, verb := range []string{"create", "patch", "update", "delete"} {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: ns, Verb: verb, Group: "batch", Resource: "jobs"}}}
		if err := asAgent(t).Create(t.Context(), review); err != nil || review.Status.Allowed {
			t.Fatalf("the agent itself may %s Jobs (%v): nothing would be shown", verb, err)
		}
	}
	op := jobOp(t, ns, "op")
	create(t, op)
	j := jobOf(t, op)
	neverBlocked(t, op)
	sa, b := reload(t, profileAccount(ns)), reload(t, profileBinding(ns, "job"))
	if sa.AutomountServiceAccountToken == nil || *sa.AutomountServiceAccountToken {
		t.Error("pods get a token of the profile's ServiceAccount")
	}
	for _, o := range []client.Object{sa, b} {
		if refs := o.GetOwnerReferences(); len(refs) != 1 || refs[0].Kind != "ClusterRole" || refs[0].Name != "vworkspace-profile-job" {
			t.Errorf("%T %s belongs to %v, and would not go with its profile", o, o.GetName(), refs)
		}
	}
	completeJob(t, j)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
}

// What a profile lacks is named before the run starts, and the run starts when it is given. A RoleBinding that a person has made is gone by.
func TestProfileLacksVerb(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", opsv1alpha1.EngineJob)
	jobs := func(verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: verbs}
	}
	role := narrow(t, ns, "job", jobs("delete"))
	op := jobOp(t, ns, "op")
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonRbacProfileMissing)
	says(t, op, fmt.Sprintf("profile job (ServiceAccount %[1]s/vworkspace-job) may not create jobs.batch in namespace %[1]s: give Role narrow that verb", ns))
	if op.Status.StartedAt != nil || len(op.Finalizers) > 0 {
		t.Error("the run has started")
	}
	patch(t, role, func() { role.Rules = []rbacv1.PolicyRule{jobs("create", "delete")} })
	jobOf(t, op)
	if b := reload(t, profileBinding(ns, "job")); b.RoleRef.Name != "narrow" {
		t.Errorf("the RoleBinding was changed: %v", b.RoleRef)
	}
}

// A RoleBinding that binds somebody else is said to, because nothing that is given to its role would help.
func TestProfileBoundToSomebodyElse(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", opsv1alpha1.EngineJob)
	b := profileBinding(ns, "job")
	b.OwnerReferences, b.Subjects[0].Name = nil, "somebody"
	create(t, b)
	op := jobOp(t, ns, "op")
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonRbacProfileMissing)
	says(t, op, "RoleBinding vworkspace-profile-job there, which is not the agent's, does not name that ServiceAccount: name it, or delete the RoleBinding")
	if err := k8s.Delete(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	jobOf(t, op)
}

// Which profiles there are is the cluster's owner's to say.
func TestProfileNotInstalled(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", opsv1alpha1.EngineJob)
	role := reload(t, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "vworkspace-profile-job"}})
	if err := k8s.Delete(t.Context(), role.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	again := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: role.Name, Labels: role.Labels}, Rules: role.Rules}
	defer func() { _ = k8s.Create(t.Context(), again.DeepCopy()) }()
	op := jobOp(t, ns, "op")
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonRbacProfileMissing)
	says(t, op, "profile job is not installed on this cluster: its owner makes ClusterRole vworkspace-profile-job")
	for _, o := range []client.Object{profileAccount(ns), profileBinding(ns, "job")} {
		if err := k8s.Get(t.Context(), client.ObjectKeyFromObject(o), o); err == nil {
			t.Errorf("%T %s was made for a profile that there is not", o, o.GetName())
		}
	}
	create(t, again.DeepCopy())
	jobOf(t, op)
}

// A template may name any profile. The agent can be those only that its ClusterRole names.
func TestProfileOfTemplate(t *testing.T) {
	ns := gatedNamespace(t)
	nightly := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "vworkspace-profile-nightly"}}
	create(t, nightly)
	t.Cleanup(func() { _ = k8s.Delete(context.Background(), nightly) })
	theirs := listed(t, func(s *opsv1alpha1.OperationTemplateSpec) { s.RBACProfile = "Nightly" })
	instanceOf(t, ns, theirs)
	op := following(ns, theirs)
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonRbacProfileMissing)
	says(t, op, "profile nightly is not one that the agent of this cluster may use: its owner adds it to the chart's value profiles.extra")
	patch(t, theirs, func() { theirs.Spec.RBACProfile = "velero" })
	reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonEngineRunning)
	reload(t, profileBinding(ns, "velero"))
	if len(widgetsOf(t, op)) != 1 {
		t.Error("nothing was made with the profile that the template names")
	}
}

// What a person has deleted is there again with the next run.
func TestProfileIsPutInPlaceAgain(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", opsv1alpha1.EngineJob)
	first := jobOp(t, ns, "first")
	create(t, first)
	jobOf(t, first)
	for _, o := range []client.Object{profileAccount(ns), profileBinding(ns, "job")} {
		if err := k8s.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	agentClock.resetAfter(t)
	agentClock.forward(verdictHolds) // what was asked a moment ago is not asked again
	second := jobOp(t, ns, "second")
	create(t, second)
	jobOf(t, second)
	neverBlocked(t, second)
	reload(t, profileAccount(ns))
	reload(t, profileBinding(ns, "job"))
}

// What runs is stopped also when somebody has taken away what its profile stands on.
func TestProfileIsRegainedToCancel(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", stoppableName)
	op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
	create(t, op)
	w := widgetOf(t, op)
	reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonEngineRunning)
	if err := k8s.Delete(t.Context(), profileBinding(ns, "velero")); err != nil {
		t.Fatal(err)
	}
	patch(t, op, func() { op.Spec.Cancel = true })
	collect(t, w)
	reaches(t, op, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled)
	reload(t, profileBinding(ns, "velero"))
}

// A profile that may not delete cannot cancel, and the Operation says why.
func TestProfileMayNotCancel(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", stoppableName)
	narrow(t, ns, "velero", rbacv1.PolicyRule{APIGroups: []string{"test.vworkspace.io"}, Resources: []string{"widgets"}, Verbs: []string{"create"}})
	op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
	op.Spec.Timeout = seconds(1)
	create(t, op)
	w := widgetOf(t, op)
	agentClock.resetAfter(t)
	eventually(t, func() string {
		agentClock.forward(10 * time.Second)
		if err := touch(t, op); err != nil {
			return err.Error()
		}
		if reload(t, op); !op.Status.Phase.Terminal() {
			return fmt.Sprintf("%s: %s", op.Status.Phase, op.Status.Message)
		}
		return ""
	})
	reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonTimeout)
	says(t, op, "could not be stopped, and may run on", "vworkspace-velero", "cannot delete resource")
	reload(t, w)
}

// An agent that dies while it puts a profile in place takes it up again.
func TestProfileCrashConverges(t *testing.T) {
	died := errors.New("the agent died here")
	for _, verb := range []string{"create", "after create"} {
		for _, kind := range []client.Object{&corev1.ServiceAccount{}, &rbacv1.RoleBinding{}} {
			t.Run(fmt.Sprintf("%s %T", verb, kind), func(t *testing.T) {
				ns := gatedNamespace(t)
				capable(t, ns, "web", opsv1alpha1.EngineJob)
				deaths := 0
				faults.inject(t, ns, func(did string, obj client.Object) error {
					if deaths < 2 && did == verb && fmt.Sprintf("%T", obj) == fmt.Sprintf("%T", kind) {
						deaths++
						return died
					}
					return nil
				})
				defer faults.heal(ns)
				op := jobOp(t, ns, "op")
				create(t, op)
				jobOf(t, op)
				if deaths == 0 {
					t.Error("the agent never died")
				}
				reload(t, profileAccount(ns))
				reload(t, profileBinding(ns, "job"))
			})
		}
	}
}

// A dry run makes nothing, and what it can tell it tells.
func TestProfileDryRun(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", opsv1alpha1.EngineJob)
	op := jobOp(t, ns, "op")
	op.Spec.DryRun = true
	create(t, op)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonDryRun)
	for _, o := range []client.Object{profileAccount(ns), profileBinding(ns, "job")} {
		if err := k8s.Get(t.Context(), client.ObjectKeyFromObject(o), o); err == nil {
			t.Errorf("%T %s was made by a dry run", o, o.GetName())
		}
	}
	narrow(t, ns, "job")
	agentClock.resetAfter(t)
	agentClock.forward(verdictHolds)
	refused := jobOp(t, ns, "refused")
	refused.Spec.DryRun = true
	create(t, refused)
	blockedFrom(t, refused, opsv1alpha1.ReasonRbacProfileMissing)
}

// TestVerdictsHold for a moment, and only for the question that was asked.
func TestVerdictsHold(t *testing.T) {
	v, now := newVerdicts(), time.Now()
	no := blocked("No", "no")
	v.keep("a", no, now)
	v.keep("b", nil, now)
	for _, c := range []struct {
		question string
		at       time.Time
		known    bool
	}{
		{"a", now, true}, {"b", now.Add(verdictHolds - 1), true}, {"a", now.Add(verdictHolds), false}, {"c", now, false},
		{"a", now.Add(-time.Nanosecond), false}, // a clock that was set back
	} {
		if _, known := v.recall(c.question, c.at); known != c.known {
			t.Errorf("%s after %s: known is %v", c.question, c.at.Sub(now), known)
		}
	}
	if b, _ := v.recall("a", now); b != no {
		t.Error("another answer than was given")
	}
	for i := range 2 * maxVerdicts {
		v.keep(fmt.Sprint(i), nil, now)
	}
	if len(v.kept) > maxVerdicts {
		t.Errorf("%d are kept", len(v.kept))
	}
}
