// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func TestRunSucceeds(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	op := on(ns, "nightly", "web", opsv1alpha1.TypeBackup)
	create(t, op)

	w := widgetOf(t, op)
	reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonEngineRunning)
	if op.Status.Engine != widgetName || op.Status.StartedAt == nil || len(op.Status.Resources) != 1 || op.Status.Resources[0].UID != w.GetUID() {
		t.Errorf("a running Operation records engine, start and resources: %+v", op.Status)
	}
	if w.GetLabels()[appsv1alpha1.LabelClusterID] != "spoke1" {
		t.Errorf("the engine was not told the cluster: %v", w.GetLabels())
	}
	play(t, w, map[string]any{"phase": "Working", "message": "3/4"})
	eventually(t, func() string {
		if reload(t, op).Status.Progress != "3/4" {
			return "progress is " + op.Status.Progress
		}
		return ""
	})
	play(t, w, map[string]any{"phase": "Done", "degraded": "OneWarning"})
	reaches(t, op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonEngineCompleted)
	if !meta.IsStatusConditionTrue(op.Status.Conditions, opsv1alpha1.ConditionDegraded) {
		t.Error("a degraded success has no Degraded condition")
	}
	var out map[string]string
	if err := json.Unmarshal(op.Status.Outputs.Raw, &out); err != nil || out["odd"] != "<&>" || out["widget"] != w.GetName() {
		t.Errorf("outputs %s: %v", op.Status.Outputs.Raw, err)
	}
	eventually(t, func() string {
		var events eventsv1.EventList
		if err := k8s.List(t.Context(), &events, client.InNamespace(ns)); err != nil {
			return err.Error()
		}
		var reasons []string
		for _, e := range events.Items {
			reasons = append(reasons, e.Reason)
		}
		for _, want := range []string{opsv1alpha1.ReasonEngineStarted, opsv1alpha1.ReasonEngineRunning, opsv1alpha1.ReasonEngineCompleted} {
			if !slices.Contains(reasons, want) {
				return "no Event " + want + " among " + strings.Join(reasons, ", ")
			}
		}
		return ""
	})
}

func TestTerminalIsFinal(t *testing.T) {
	ns := gatedNamespace(t)
	ai := capable(t, ns, "web", widgetName)
	op := on(ns, "once", "web", opsv1alpha1.TypeBackup)
	create(t, op)
	finish(t, op)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	eventually(t, func() string {
		if reload(t, op); len(op.Finalizers) > 0 {
			return "the finalizer of an Operation that ended is still there"
		}
		return ""
	})
	before := op.DeepCopy()

	if err := k8s.Delete(t.Context(), &widgetsOf(t, op)[0]); err != nil {
		t.Fatal(err)
	}
	op.Spec.Cancel = true
	if err := k8s.Update(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	// Another run on the same target proves that the agent has been round since.
	next := on(ns, "next", "web", opsv1alpha1.TypeBackup)
	create(t, next)
	finish(t, next)
	reaches(t, next, opsv1alpha1.PhaseSucceeded, "")
	if err := k8s.Delete(t.Context(), ai); err != nil {
		t.Fatal(err)
	}
	if got := reload(t, op).Status; got.Phase != before.Status.Phase || len(got.History) != len(before.Status.History) || len(widgetsOf(t, op)) != 0 {
		t.Errorf("an Operation that ended was touched: %+v", got)
	}
}

func TestBadInput(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	capable(t, ns, "jobs", opsv1alpha1.EngineJob)
	for name, c := range map[string]struct {
		target string
		typ    opsv1alpha1.OperationType
		engine opsv1alpha1.OperationEngine
		params string
		words  []string
	}{
		"engine-not-built":   {"web", opsv1alpha1.TypeBackup, opsv1alpha1.EngineHelmHookJob, ``, []string{"spec.engine", "helmHookJob", "job", "workflow"}},
		"engine-not-target":  {"missing", opsv1alpha1.TypeBackup, opsv1alpha1.EngineHelmHookJob, ``, []string{"spec.engine"}},
		"unknown-parameter":  {"web", opsv1alpha1.TypeBackup, "", `{"bussy":true}`, []string{"spec.parameters.bussy"}},
		"wrong-type":         {"web", opsv1alpha1.TypeBackup, "", `{"busy":"yes"}`, []string{"spec.parameters.busy"}},
		"type-not-by-engine": {"web", opsv1alpha1.TypeRunbook, "", ``, []string{"spec.type"}},
		"no-image":           {"jobs", opsv1alpha1.TypeRunCommand, "", `{"command":["true"]}`, []string{"spec.parameters.image"}},
		"upgrade-by-job":     {"jobs", opsv1alpha1.TypeUpgrade, opsv1alpha1.EngineJob, `{"image":"x"}`, []string{"spec.type", "job"}},
	} {
		t.Run(name, func(t *testing.T) {
			op := on(ns, name, c.target, c.typ)
			op.Spec.Engine = c.engine
			if c.params != "" {
				op.Spec.Parameters = parameters(t, c.params)
			}
			create(t, op)
			reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed)
			says(t, op, c.words...)
			if !meta.IsStatusConditionFalse(op.Status.Conditions, opsv1alpha1.ConditionAccepted) {
				t.Error("Accepted is not False")
			}
			if len(op.Finalizers) > 0 || op.Status.StartedAt != nil {
				t.Error("a request that makes no sense left a trace")
			}
		})
	}
}

func TestBlockedThenProceeds(t *testing.T) {
	t.Run("target", func(t *testing.T) {
		ns := gatedNamespace(t)
		op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
		create(t, op)
		says(t, blockedFrom(t, op, opsv1alpha1.ReasonTargetNotFound), "web", "create it")
		ai := placeholder(ns, "web", "shop")
		create(t, ai)
		says(t, blockedFrom(t, op, opsv1alpha1.ReasonCapabilityMissing), "ops.vworkspace.io/backup=ENGINE")
		patch(t, ai, func() { ai.Annotations = map[string]string{"ops.vworkspace.io/backup": string(widgetName)} })
		finish(t, op)
		reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
		if meta.IsStatusConditionTrue(op.Status.Conditions, opsv1alpha1.ConditionBlocked) || op.Status.Blocked {
			t.Error("still blocked")
		}
	})
	t.Run("capability names another engine", func(t *testing.T) {
		ns := gatedNamespace(t)
		capable(t, ns, "web", stoppableName)
		op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
		op.Spec.Engine = widgetName
		create(t, op)
		says(t, blockedFrom(t, op, opsv1alpha1.ReasonCapabilityMissing), string(stoppableName), string(widgetName))
	})
	t.Run("namespace", func(t *testing.T) {
		ns := namespace(t, false)
		capable(t, ns, "web", widgetName)
		op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
		create(t, op)
		says(t, blockedFrom(t, op, opsv1alpha1.ReasonNamespaceNotGated), "managed-by=vworkspace")
		if len(op.Finalizers) > 0 {
			t.Error("an Operation in a namespace that is not open was touched")
		}
		openNamespace(t, ns)
		finish(t, op)
		reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	})
	t.Run("target not ready", func(t *testing.T) {
		ns := gatedNamespace(t)
		ai := adopted(ns, "web", "missing")
		ai.Annotations = map[string]string{"ops.vworkspace.io/backup": string(widgetName), "ops.vworkspace.io/restore": string(widgetName)}
		create(t, ai)
		op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
		create(t, op)
		blockedFrom(t, op, opsv1alpha1.ReasonTargetNotReady)
		says(t, op, "HelmReleaseNotFound")
		mend := on(ns, "mend", "web", opsv1alpha1.TypeRestore)
		create(t, mend)
		finish(t, mend)
		reaches(t, mend, opsv1alpha1.PhaseSucceeded, "")
	})
	t.Run("executor", func(t *testing.T) {
		ns := gatedNamespace(t)
		capable(t, ns, "web", widgetName)
		op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
		op.Spec.Parameters = parameters(t, `{"busy":true}`)
		create(t, op)
		says(t, blockedFrom(t, op, opsv1alpha1.ReasonFieldConflict), "the executor is taken")
	})
	t.Run("approval", func(t *testing.T) {
		ns := gatedNamespace(t)
		capable(t, ns, "web", widgetName)
		op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
		op.Spec.Approvals = &opsv1alpha1.ApprovalsSpec{Required: true}
		create(t, op)
		says(t, blockedFrom(t, op, opsv1alpha1.ReasonAwaitingApproval), "spec.approvals.claim", "spec.approvals.approvedBy")
		patch(t, op, func() { op.Spec.Approvals.Required = false })
		finish(t, op)
		reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	})
}

// An executor whose CRD is installed after the agent has started is found, watched, and driven, without a restart.
func TestEngineInstalledLater(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", lateName)
	op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
	create(t, op)
	says(t, blockedFrom(t, op, opsv1alpha1.ReasonEngineNotInstalled), "Gadget.test.vworkspace.io", "install")
	installCRDs(t, "testdata/gadgets.crd.yaml")
	reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonEngineRunning)
	gadget := testKind("Gadget")
	gadget.SetNamespace(ns)
	gadget.SetName(op.Status.Resources[0].Name)
	play(t, reload(t, gadget), map[string]any{"phase": "Done"})
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")

	// It is gone again, and the agent has not looked yet.
	uninstallGadgets(t)
	again := on(ns, "again", "web", opsv1alpha1.TypeBackup)
	create(t, again)
	says(t, blockedFrom(t, again, opsv1alpha1.ReasonEngineNotInstalled), "Gadget.test.vworkspace.io")
	installCRDs(t, "testdata/gadgets.crd.yaml")
	reaches(t, again, opsv1alpha1.PhaseRunning, "")
}

func TestStartDeadline(t *testing.T) {
	ns := gatedNamespace(t)
	op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
	op.Spec.StartDeadline = seconds(1)
	create(t, op)
	reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonTargetNotFound)
	says(t, op, "not started within 1s", "web")
	if op.Status.StartedAt != nil {
		t.Error("it never started")
	}
}

func TestNameConflict(t *testing.T) {
	ns := gatedNamespace(t)
	op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonTargetNotFound)
	squatter := testKind("Widget")
	squatter.SetNamespace(ns)
	squatter.SetName(opsv1alpha1.RunName(op.Name, op.UID))
	create(t, squatter)
	capable(t, ns, "web", widgetName)
	says(t, reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonNameConflict), squatter.GetName())
}

func TestApplyToWhatExists(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	t.Run("missing", func(t *testing.T) {
		op := on(ns, "missing", "web", opsv1alpha1.TypeRunCommand)
		op.Spec.Parameters = parameters(t, `{"poke":"nobody"}`)
		create(t, op)
		says(t, reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonTargetNotFound), "nobody")
		w := testKind("Widget")
		if err := k8s.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "nobody"}, w); client.IgnoreNotFound(err) != nil || err == nil {
			t.Errorf("server-side apply made an object: %v", err)
		}
	})
	t.Run("there", func(t *testing.T) {
		w := testKind("Widget")
		w.SetNamespace(ns)
		w.SetName("somebody")
		w.Object["spec"] = map[string]any{"size": "1"}
		create(t, w)
		op := on(ns, "there", "web", opsv1alpha1.TypeRunCommand)
		op.Spec.Parameters = parameters(t, `{"poke":"somebody"}`)
		create(t, op)
		reaches(t, op, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonEngineRunning)
		spec := reload(t, w).Object["spec"].(map[string]any)
		if spec["pokedBy"] != string(op.UID) || spec["size"] != "1" {
			t.Errorf("spec is %v", spec)
		}
		// The Widget has no label of the run: it is found by what the run recorded.
		play(t, w, map[string]any{"phase": "Done"})
		reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	})
}

// The API server takes the UID that goes along with an apply as a condition: an object that went after it was read is not made anew.
func TestApplyNeverCreates(t *testing.T) {
	ns := gatedNamespace(t)
	u := testKind("Widget")
	u.SetNamespace(ns)
	u.SetName("ghost")
	u.SetUID("00000000-0000-0000-0000-000000000000")
	err := k8s.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("x"), client.ForceOwnership)
	if err == nil {
		t.Fatal("an object was made")
	}
}

func TestNothingToDo(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	op := on(ns, "op", "web", opsv1alpha1.TypeUpgrade)
	op.Spec.Parameters = parameters(t, `{"nothing":true}`)
	create(t, op)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonNoChange)
}

func TestDryRun(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
	op.Spec.DryRun = true
	create(t, op)
	says(t, reaches(t, op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonDryRun), "would create Widget")
	if n := len(widgetsOf(t, op)); n != 0 {
		t.Errorf("%d Widgets", n)
	}
}

// An Operation that is deleted and created again under its name is another run, with objects of its own.
func TestSameNameAgain(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	first := on(ns, "op", "web", opsv1alpha1.TypeBackup)
	create(t, first)
	finish(t, first)
	reaches(t, first, opsv1alpha1.PhaseSucceeded, "")
	if err := k8s.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	gone(t, first.DeepCopy())
	second := on(ns, "op", "web", opsv1alpha1.TypeBackup)
	create(t, second)
	reaches(t, second, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonEngineRunning)
	if a, b := widgetsOf(t, first)[0], widgetOf(t, second); a.GetName() == b.GetName() {
		t.Errorf("both runs use %s", a.GetName())
	}
}

func TestTTL(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	op := on(ns, "op", "web", opsv1alpha1.TypeBackup)
	op.Spec.TTLSecondsAfterFinished = ptr.To(int32(1))
	create(t, op)
	finish(t, op)
	gone(t, op)
}

// The job engine, end to end but for the Job controller, which this test plays; with the longest name that an Operation can have, and
// with the public API's own example.
func TestJob(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "nextcloud", opsv1alpha1.EngineJob)
	op := on(ns, strings.Repeat("n", 253), "nextcloud", opsv1alpha1.TypeRunCommand)
	op.Spec.Engine = opsv1alpha1.EngineJob
	op.Spec.Parameters = parameters(t, `{"image":"nextcloud:30","command":["php","occ","status"]}`)
	op.Spec.Approvals = &opsv1alpha1.ApprovalsSpec{}
	create(t, op)
	jobs := &batchv1.JobList{}
	eventually(t, func() string {
		if err := k8s.List(t.Context(), jobs, client.InNamespace(ns)); err != nil || len(jobs.Items) != 1 {
			return fmt.Sprintf("%d Jobs, %v", len(jobs.Items), err)
		}
		return ""
	})
	j := &jobs.Items[0]
	if !metav1.IsControlledBy(j, op) {
		t.Error("the Job does not go with the Operation")
	}
	completeJob(t, j)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
}
