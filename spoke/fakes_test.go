// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// widgetEngine drives a made-up executor whose object is a Widget; tests play the executor by setting the Widget's status. It takes the name of
// an engine that this release does not ship, as the API knows a fixed list of names. It cannot cancel.
type widgetEngine struct{}

// stoppableEngine is the same and can cancel.
type stoppableEngine struct{ widgetEngine }

// lateEngine is like it, with a kind whose CRD is not there at first.
type lateEngine struct{}

const (
	widgetName    = opsv1alpha1.EngineWorkflow
	stoppableName = opsv1alpha1.EngineVelero
	lateName      = opsv1alpha1.EngineHelm
)

func testKind(kind string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: "test.vworkspace.io", Version: "v1", Kind: kind})
	return u
}

type widgetParameters struct {
	// Busy blocks the plan.
	Busy bool `json:"busy,omitempty"`
	// BlockedBy blocks the plan while there is a Widget of this name.
	BlockedBy string `json:"blockedBy,omitempty"`
	// Nothing plans nothing.
	Nothing bool `json:"nothing,omitempty"`
	// Steps is how many Widgets are made, one after the other; 1 by default.
	Steps int `json:"steps,omitempty"`
	// Back is what a run that puts another one back goes back to.
	Back string `json:"back,omitempty"`
	// Poke applies a field to the Widget of this name instead of creating one.
	Poke string `json:"poke,omitempty"`
}

func (widgetEngine) Name() opsv1alpha1.OperationEngine    { return widgetName }
func (stoppableEngine) Name() opsv1alpha1.OperationEngine { return stoppableName }
func (lateEngine) Name() opsv1alpha1.OperationEngine      { return lateName }

func (widgetEngine) Parameters(opsv1alpha1.OperationType) any { return &widgetParameters{} }
func (lateEngine) Parameters(opsv1alpha1.OperationType) any   { return &widgetParameters{} }

func (widgetEngine) Kinds() []client.Object { return []client.Object{testKind("Widget")} }
func (lateEngine) Kinds() []client.Object   { return []client.Object{testKind("Gadget")} }

func (widgetEngine) Plan(ctx context.Context, r client.Reader, run engines.Run) ([]engines.Change, error) {
	var p widgetParameters
	if err := engines.DecodeParameters(run.Operation, &p); err == nil && p.BlockedBy != "" {
		err := r.Get(ctx, client.ObjectKey{Namespace: run.Namespace(), Name: p.BlockedBy}, testKind("Widget"))
		if err == nil {
			return nil, &engines.BlockedError{Reason: opsv1alpha1.ReasonFieldConflict, Message: "the executor is taken"}
		}
	}
	return planKind("Widget", run)
}

func (lateEngine) Plan(_ context.Context, _ client.Reader, run engines.Run) ([]engines.Change, error) {
	return planKind("Gadget", run)
}

func planKind(kind string, run engines.Run) ([]engines.Change, error) {
	if run.Operation.Spec.Type == opsv1alpha1.TypeRunbook {
		return nil, engines.Invalid(field.Invalid(field.NewPath("spec", "type"), run.Operation.Spec.Type, "this engine runs no Runbook"))
	}
	var p widgetParameters
	if err := engines.DecodeParameters(run.Operation, &p); err != nil {
		return nil, err
	}
	u := testKind(kind)
	u.SetNamespace(run.Namespace())
	switch {
	case p.Busy:
		return nil, &engines.BlockedError{Reason: opsv1alpha1.ReasonFieldConflict, Message: "the executor is taken"}
	case p.Nothing:
		return nil, nil
	case p.Poke != "":
		u.SetName(p.Poke)
		u.Object["spec"] = map[string]any{"pokedBy": string(run.UID())}
		return []engines.Change{engines.Apply(u)}, nil
	}
	u.SetName(run.Name())
	u.SetLabels(run.Labels())
	return []engines.Change{engines.Create(u)}, nil
}

func (widgetEngine) Observe(ctx context.Context, r client.Reader, run engines.Run) (engines.Outcome, error) {
	return observeKind(ctx, "Widget", r, run)
}

func (lateEngine) Observe(ctx context.Context, r client.Reader, run engines.Run) (engines.Outcome, error) {
	return observeKind(ctx, "Gadget", r, run)
}

func observeKind(ctx context.Context, kind string, r client.Reader, run engines.Run) (engines.Outcome, error) {
	if !run.Applied() {
		return engines.Succeeded(opsv1alpha1.ReasonNoChange, "there was nothing to do"), nil
	}
	made := run.Operation.Status.Resources
	ref := made[len(made)-1]
	u := testKind(kind)
	err := r.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, u)
	if apierrors.IsNotFound(err) || err == nil && u.GetUID() != ref.UID {
		return engines.Lost(kind, ref.Name), nil
	}
	if err != nil {
		return engines.Outcome{}, err
	}
	phase, _, _ := unstructured.NestedString(u.Object, "status", "phase")
	message, _, _ := unstructured.NestedString(u.Object, "status", "message")
	var out engines.Outcome
	switch phase {
	case "Done":
		if next := nextStep(kind, run); next != nil {
			out = engines.Running(opsv1alpha1.ReasonEngineRunning, "on to the next Widget")
			out.Next = next
			break
		}
		out = engines.Succeeded(opsv1alpha1.ReasonEngineCompleted, "done")
		out.Degraded, _, _ = unstructured.NestedString(u.Object, "status", "degraded")
		out.Outputs = map[string]string{"widget": ref.Name, "odd": "<&>"}
	case "Unreadable":
		return engines.Outcome{}, errors.New(message)
	case "Broken":
		out = engines.Failed("WidgetBroken", "%s", message)
	case "Held":
		out = engines.Running("WidgetHeld", "%s", message)
		out.Waiting = opsv1alpha1.ReasonAwaitingResume
	case "Queued":
		out = engines.Running("WidgetQueued", "%s", message)
		out.Untimed = true
	case "Forgotten":
		out = engines.Running("WidgetForgotten", "%s", message)
		reminder := testKind("Widget")
		reminder.SetNamespace(ref.Namespace)
		reminder.SetName(ref.Name)
		reminder.SetAnnotations(map[string]string{remindedAnnotation: message})
		out.Remind = []engines.Change{engines.Apply(reminder)}
	default:
		out = engines.Running(opsv1alpha1.ReasonEngineRunning, "the Widget is at it")
	}
	sayVersions(&out, u)
	if began, _, _ := unstructured.NestedString(u.Object, "status", "began"); began != "" {
		out.Began, _ = time.Parse(time.RFC3339, began)
	}
	out.Progress = message
	return out, nil
}

// sayVersions that a test has let the Widget go from and to.
func sayVersions(out *engines.Outcome, u *unstructured.Unstructured) {
	for _, name := range []string{"from", "to"} {
		version, _, _ := unstructured.NestedString(u.Object, "status", name)
		if version == "" {
			continue
		}
		if out.Outputs == nil {
			out.Outputs = map[string]string{}
		}
		out.Outputs[name] = version
	}
}

// nextStep is the Widget after those that are recorded, if the run wants more.
func nextStep(kind string, run engines.Run) []engines.Change {
	var p widgetParameters
	if err := engines.DecodeParameters(run.Operation, &p); err != nil || len(run.Operation.Status.Resources) >= p.Steps {
		return nil
	}
	u := testKind(kind)
	u.SetNamespace(run.Namespace())
	u.SetName(run.Name(fmt.Sprint(len(run.Operation.Status.Resources))))
	u.SetLabels(run.Labels())
	return []engines.Change{engines.Create(u)}
}

// remindedAnnotation is on a Widget that the executor was reminded of.
const remindedAnnotation = "test.vworkspace.io/reminded"

// versionAnnotation is on an instance what its chart version is on a real one.
const versionAnnotation = "test.vworkspace.io/version"

func (widgetEngine) Reverse(earlier []opsv1alpha1.Operation) (*runtime.RawExtension, error) {
	from, to := outputs(earlier[0].Status.Outputs)["from"], outputs(earlier[len(earlier)-1].Status.Outputs)["to"]
	switch from {
	case to:
		return nil, nil
	case "lost":
		return nil, errors.New("nobody knows what it was before")
	}
	return &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"back":%q}`, from)}, nil
}

func (widgetEngine) Overtaken(ctx context.Context, r client.Reader, run engines.Run, earlier []opsv1alpha1.Operation) (string, error) {
	live := &appsv1alpha1.ApplicationInstance{}
	if err := r.Get(ctx, client.ObjectKeyFromObject(run.Target), live); err != nil {
		return "", err
	}
	if now := live.Annotations[versionAnnotation]; now != outputs(earlier[len(earlier)-1].Status.Outputs)["to"] {
		return fmt.Sprintf("%s is %s by now", live.Name, now), nil
	}
	return "", nil
}

func (stoppableEngine) Cancel(_ context.Context, _ client.Reader, run engines.Run) (engines.Cancellation, error) {
	u := testKind("Widget")
	u.SetNamespace(run.Namespace())
	u.SetName(run.Name())
	return engines.Cancellation{Delete: []client.Object{u}, Message: "the Widget was deleted"}, nil
}

// widgetOf waits for the Widget of a run and returns it.
func widgetOf(t *testing.T, op *opsv1alpha1.Operation) *unstructured.Unstructured {
	t.Helper()
	var found *unstructured.Unstructured
	eventually(t, func() string {
		list := widgetsOf(t, op)
		if len(list) != 1 {
			return fmt.Sprintf("%s has %d Widgets", op.Name, len(list))
		}
		found = &list[0]
		return ""
	})
	return found
}

func widgetsOf(t *testing.T, op *opsv1alpha1.Operation) []unstructured.Unstructured {
	t.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: "test.vworkspace.io", Version: "v1", Kind: "WidgetList"})
	if err := k8s.List(t.Context(), list, client.MatchingLabels{opsv1alpha1.LabelOperation: string(op.UID)}); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// play sets the status of a Widget, as its executor would.
func play(t *testing.T, u *unstructured.Unstructured, status map[string]any) {
	t.Helper()
	u.Object["status"] = status
	if err := k8s.Status().Update(t.Context(), u); err != nil {
		t.Fatal(err)
	}
}

// finish lets the run's Widget succeed.
func finish(t *testing.T, op *opsv1alpha1.Operation) {
	t.Helper()
	play(t, widgetOf(t, op), map[string]any{"phase": "Done"})
}
