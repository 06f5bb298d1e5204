// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"errors"
	"fmt"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// restorable is an adopted instance with its HelmRelease, which a person applied with or without spec.suspend.
func restorable(t *testing.T, namespace string, suspend bool) *helmv2.HelmRelease {
	t.Helper()
	hr := &helmv2.HelmRelease{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "theirs"},
		Spec: helmv2.HelmReleaseSpec{Suspend: suspend, Chart: &helmv2.HelmChartTemplate{Spec: helmv2.HelmChartTemplateSpec{
			Chart: "shop", SourceRef: helmv2.CrossNamespaceObjectReference{Kind: sourcev1.HelmRepositoryKind, Name: "charts"},
		}}},
	}
	if err := k8s.Create(t.Context(), hr, client.FieldOwner("a-person")); err != nil {
		t.Fatal(err)
	}
	ai := adopted(namespace, "web", "theirs")
	ai.Annotations = map[string]string{opsv1alpha1.TypeRestore.Capability(): string(stoppableName), opsv1alpha1.TypeBackup.Capability(): string(stoppableName)}
	create(t, ai)
	return hr
}

func suspendedIs(t *testing.T, hr *helmv2.HelmRelease, want bool) {
	t.Helper()
	eventually(t, func() string {
		if reload(t, hr); hr.Spec.Suspend != want {
			return fmt.Sprintf("spec.suspend is %v", hr.Spec.Suspend)
		}
		return ""
	})
}

// TestRestoreSuspendsTheRelease: before the engine starts until after the run has ended, however it ends.
func TestRestoreSuspendsTheRelease(t *testing.T) {
	for name, c := range map[string]struct {
		end   func(t *testing.T, op *opsv1alpha1.Operation)
		phase opsv1alpha1.OperationPhase
	}{
		"succeeds": {finish, opsv1alpha1.PhaseSucceeded},
		"fails": {func(t *testing.T, op *opsv1alpha1.Operation) {
			play(t, widgetOf(t, op), map[string]any{"phase": "Broken", "message": "no such backup"})
		}, opsv1alpha1.PhaseFailed},
		"is cancelled": {func(t *testing.T, op *opsv1alpha1.Operation) {
			patch(t, op, func() { op.Spec.Cancel = true })
			collect(t, widgetOf(t, op))
		}, opsv1alpha1.PhaseCancelled},
		"loses its result": {func(t *testing.T, op *opsv1alpha1.Operation) {
			if err := k8s.Delete(t.Context(), widgetOf(t, op)); err != nil {
				t.Fatal(err)
			}
		}, opsv1alpha1.PhaseFailed},
		"cannot write its end at first": {func(t *testing.T, op *opsv1alpha1.Operation) {
			refused := 0
			faults.inject(t, op.Namespace, func(verb string, _ client.Object) error {
				if refused++; verb == "status" && refused < 4 {
					return errors.New("the agent died")
				}
				return nil
			})
			finish(t, op)
		}, opsv1alpha1.PhaseSucceeded},
	} {
		t.Run(name, func(t *testing.T) {
			ns := gatedNamespace(t)
			hr := restorable(t, ns, false)
			op := on(ns, "back", "web", opsv1alpha1.TypeRestore)
			create(t, op)
			widgetOf(t, op)
			if reload(t, hr); !hr.Spec.Suspend {
				t.Fatal("the engine was started before the release was suspended")
			}
			c.end(t, op)
			reaches(t, op, c.phase, "")
			faults.heal(ns)
			if reload(t, hr); hr.Spec.Suspend {
				t.Error("the run has ended, and the release is still suspended")
			}
			if p := op.Status.Preparations; len(p) != 1 || p[0].State != opsv1alpha1.PreparationUndone || p[0].Object == nil || p[0].Object.Name != "theirs" {
				t.Errorf("preparations: %+v", p)
			}
			if op.Status.Verdict != nil {
				t.Errorf("a verdict is left after the end: %+v", op.Status.Verdict)
			}
		})
	}
}

func TestRestoreOfADeletedOperation(t *testing.T) {
	ns := gatedNamespace(t)
	hr := restorable(t, ns, false)
	op := on(ns, "back", "web", opsv1alpha1.TypeRestore)
	create(t, op)
	w := widgetOf(t, op)
	suspendedIs(t, hr, true)
	if err := k8s.Delete(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	collect(t, w)
	gone(t, op)
	if reload(t, hr); hr.Spec.Suspend {
		t.Error("the Operation is gone, and the release is still suspended")
	}
}

// TestRestoreKeepsASuspension: what a person suspended stays suspended.
func TestRestoreKeepsASuspension(t *testing.T) {
	ns := gatedNamespace(t)
	hr := restorable(t, ns, true)
	op := on(ns, "back", "web", opsv1alpha1.TypeRestore)
	create(t, op)
	finish(t, op)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	if reload(t, hr); !hr.Spec.Suspend {
		t.Error("a release that a person had suspended was resumed")
	}
}

// TestRestoreOfSomebodyElsesField: who says suspend: false is not overruled.
func TestRestoreOfSomebodyElsesField(t *testing.T) {
	ns := gatedNamespace(t)
	hr := restorable(t, ns, false)
	raw := fmt.Sprintf(`{"apiVersion":"helm.toolkit.fluxcd.io/v2","kind":"HelmRelease","metadata":{"name":%q,"namespace":%q},"spec":{"suspend":false}}`, hr.Name, ns)
	if err := k8s.Patch(t.Context(), reload(t, hr), client.RawPatch("application/apply-patch+yaml", []byte(raw)), client.FieldOwner("gitops")); err != nil {
		t.Fatal(err)
	}
	op := on(ns, "back", "web", opsv1alpha1.TypeRestore)
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonFieldConflict)
	says(t, op, "gitops", ".spec.suspend")
	if n := len(widgetsOf(t, op)); n != 0 {
		t.Errorf("%d Widgets were made", n)
	}
}

func TestBackupSuspendsNothing(t *testing.T) {
	ns := gatedNamespace(t)
	hr := restorable(t, ns, false)
	patch(t, hr, func() { hr.Labels = map[string]string{"seen": "yes"} })
	op := on(ns, "copy", "web", opsv1alpha1.TypeBackup)
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonTargetNotReady)
	if reload(t, hr); hr.Spec.Suspend || len(op.Status.Preparations) > 0 {
		t.Errorf("a Backup suspends: %+v", op.Status.Preparations)
	}
}

// TestLateSuspension: a suspension that arrives when the release has changed since changes nothing, and is tried again on what is there now.
func TestLateSuspension(t *testing.T) {
	ns := gatedNamespace(t)
	hr := restorable(t, ns, false)
	arrived := faults.late(t, ns, 2, func() error { return touch(t, hr.DeepCopy()) }) // the first is a dry run
	op := on(ns, "back", "web", opsv1alpha1.TypeRestore)
	create(t, op)
	suspendedIs(t, hr, true)
	if arrived() {
		t.Error("the suspension that was late was applied")
	}
	finish(t, op)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	suspendedIs(t, hr, false)
}

// TestVetoOfSuspending: a Restore that has to suspend its release needs the profile by which that is done, too, and the cluster's owner has a say in that.
func TestVetoOfSuspending(t *testing.T) {
	ns := gatedNamespace(t)
	hr := restorable(t, ns, false)
	restrict(t, opsv1alpha1.AgentPolicySpec{RBACProfiles: []string{"velero"}})
	op := on(ns, "back", "web", opsv1alpha1.TypeRestore)
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonLocalVeto)
	says(t, op, "this Operation needs helm, and spec.rbacProfiles of the AgentPolicy default of this cluster allows velero only")
	suspendedIs(t, hr, false)
	restrict(t, opsv1alpha1.AgentPolicySpec{RBACProfiles: []string{"velero", "Helm"}})
	widgetOf(t, op)
	suspendedIs(t, hr, true)
	finish(t, op)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
}
