// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// Subject is an engine, with a run of it that can be planned and has something to do.
type Subject struct {
	// Engine under test.
	Engine engines.Engine
	// Run that has not begun. Its Operation has valid parameters.
	Run engines.Run
	// Live is what exists before the run, apart from the target.
	Live []client.Object
	// Artefacts are the kinds that the engine creates and that outlive the Operation; what it creates besides are runners and go with it.
	Artefacts []string
	// Namespace of the executor, when what the engine creates lives there and not in the run's; an object there cannot be owned by the
	// Operation, so its kind is listed in Artefacts.
	Namespace string
}

// Conform holds an engine to the laws of package engines. The factory makes a new subject for each law, so that none sees what another did.
func Conform(t *testing.T, factory func(t testing.TB) Subject) {
	t.Helper()
	for _, law := range []struct {
		name  string
		holds func(t *testing.T, b *bench)
	}{
		{"the plan is determined by the UID", planIsDetermined},
		{"the plan is the same after it was applied", planSurvivesItself},
		{"another UID creates other objects", plansAreDisjoint},
		{"created objects are the run's own", createdObjectsAreOwned},
		{"steps begin with the plan", stepsBeginWithThePlan},
		{"what would do its work again stays out of Backups", workersStayOutOfBackups},
		{"long names are cut", longNamesFit},
		{"the run is not changed", runIsReadOnly},
		{"a type without parameters is refused", unsupportedTypeIsRefused},
		{"an unknown parameter is refused by its path", unknownParameterIsRefused},
		{"a run that is not applied is not over", notAppliedIsRunning},
		{"a recorded object that is gone is a lost result", goneIsLost},
		{"a recorded object that was replaced is a lost result", replacedIsLost},
		{"what another run did is not believed", foreignIsNotBelieved},
	} {
		t.Run(law.name, func(t *testing.T) { law.holds(t, newBench(t, factory(t))) })
	}
}

// bench is a subject in a cluster of its own.
type bench struct {
	Subject
	*Cluster
}

func newBench(t testing.TB, s Subject) *bench {
	t.Helper()
	live := slices.Clone(s.Live)
	if s.Run.Target != nil {
		live = append(live, s.Run.Target)
	}
	b := &bench{Subject: s, Cluster: NewCluster(t, live...)}
	b.reload(t)
	return b
}

// reload reads the target as it is now.
func (b *bench) reload(t testing.TB) {
	t.Helper()
	if b.Run.Target == nil {
		return
	}
	target := &appsv1alpha1.ApplicationInstance{ObjectMeta: metav1.ObjectMeta{Namespace: b.Run.Target.Namespace, Name: b.Run.Target.Name}}
	if err := b.Reader().Get(t.Context(), client.ObjectKeyFromObject(target), target); err != nil {
		t.Fatal(err)
	}
	b.Run.Target = target
}

func (b *bench) plan(t testing.TB, run engines.Run) []engines.Change {
	t.Helper()
	changes, err := b.Engine.Plan(t.Context(), b.Reader(), run)
	if err != nil {
		t.Fatalf("Plan: %v", err)
	}
	if len(changes) == 0 {
		t.Fatal("Plan has nothing to do: the subject is not a run to test with")
	}
	return changes
}

func (b *bench) observe(t testing.TB, run engines.Run) engines.Outcome {
	t.Helper()
	o, err := b.Engine.Observe(t.Context(), b.Reader(), run)
	if err != nil {
		t.Fatalf("Observe: %v", err)
	}
	if len(o.Message) > opsv1alpha1.MaxMessage {
		t.Errorf("a message has %d bytes, more than %d", len(o.Message), opsv1alpha1.MaxMessage)
	}
	if o.Reason == "" || o.Message == "" {
		t.Errorf("an outcome without reason or message: %+v", o)
	}
	return o
}

// apply applies a plan, and looks at the target again.
func (b *bench) apply(t testing.TB, changes []engines.Change) []opsv1alpha1.ResourceRef {
	t.Helper()
	refs := b.Apply(t, changes)
	b.reload(t)
	return refs
}

// start plans, applies and records.
func (b *bench) start(t testing.TB) {
	t.Helper()
	b.Run.Operation.Status.Resources = b.apply(t, b.plan(t, b.Run))
}

// another is a run of the same Operation under another UID: deleted, and created again under its name.
func (b *bench) another() engines.Run {
	run := b.Run
	run.Operation = run.Operation.DeepCopy()
	run.Operation.UID = "another-" + run.Operation.UID
	run.Operation.Status = opsv1alpha1.OperationStatus{}
	return run
}

func planIsDetermined(t *testing.T, b *bench) {
	first := sayChanges(t, b.scheme, b.plan(t, b.Run))
	if diff := gocmp.Diff(first, sayChanges(t, b.scheme, b.plan(t, b.Run))); diff != "" {
		t.Errorf("two plans of one run (-first +second):\n%s", diff)
	}
}

func planSurvivesItself(t *testing.T, b *bench) {
	first := b.plan(t, b.Run)
	b.apply(t, first)
	if diff := gocmp.Diff(sayChanges(t, b.scheme, first), sayChanges(t, b.scheme, b.plan(t, b.Run))); diff != "" {
		t.Errorf("the plan before and after a crash (-before +after):\n%s", diff)
	}
}

func plansAreDisjoint(t *testing.T, b *bench) {
	names := map[string]bool{}
	for _, c := range b.plan(t, b.Run) {
		if c.Verb == engines.VerbCreate {
			names[kindOf(t, b.scheme, c.Object)+"/"+c.Object.GetName()] = true
		}
	}
	for _, c := range b.plan(t, b.another()) {
		if name := kindOf(t, b.scheme, c.Object) + "/" + c.Object.GetName(); c.Verb == engines.VerbCreate && names[name] {
			t.Errorf("two runs create %s", name)
		}
	}
}

func createdObjectsAreOwned(t *testing.T, b *bench) {
	for _, c := range b.plan(t, b.Run) {
		name := kindOf(t, b.scheme, c.Object) + "/" + c.Object.GetName()
		if want := cmp.Or(b.Namespace, b.Run.Namespace()); c.Object.GetNamespace() != want {
			t.Errorf("%s is in namespace %q, want %q", name, c.Object.GetNamespace(), want)
		}
		if c.Verb != engines.VerbCreate {
			continue
		}
		for key, want := range b.Run.Labels() {
			if got := c.Object.GetLabels()[key]; got != want {
				t.Errorf("%s has label %s=%q, want %q", name, key, got, want)
			}
		}
		owned := slices.ContainsFunc(c.Object.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return o.UID == b.Run.UID() })
		if artefact := slices.Contains(b.Artefacts, kindOf(t, b.scheme, c.Object)); owned == artefact {
			t.Errorf("%s: owned by the Operation = %v, artefact = %v; runners are owned, and artefacts outlive the Operation", name, owned, artefact)
		}
	}
}

// stepsBeginWithThePlan: a run is judged by its steps before it starts, so they must not be others than those that it takes.
func stepsBeginWithThePlan(t *testing.T, b *bench) {
	stepper, ok := b.Engine.(engines.Stepper)
	if !ok {
		return
	}
	steps, err := stepper.Steps(t.Context(), b.Reader(), b.Run)
	if err != nil {
		t.Fatalf("Steps: %v", err)
	}
	var all []engines.Change
	for _, obj := range steps {
		all = append(all, engines.Create(obj))
	}
	plan := sayChanges(t, b.scheme, b.plan(t, b.Run))
	if len(all) < len(plan) {
		t.Fatalf("%d steps, and a plan of %d", len(all), len(plan))
	}
	if diff := gocmp.Diff(plan, sayChanges(t, b.scheme, all)[:len(plan)]); diff != "" {
		t.Errorf("the first steps are not the plan (-plan +steps):\n%s", diff)
	}
}

// workers do their work again when they come back without their status, whether they are the run's runners or an artefact.
var workers = []string{"Job", "Workflow", "ReplicationSource", "ReplicationDestination"}

func workersStayOutOfBackups(t *testing.T, b *bench) {
	for _, c := range b.plan(t, b.Run) {
		kind := kindOf(t, b.scheme, c.Object)
		works := slices.Contains(workers, kind) || len(c.Object.GetOwnerReferences()) > 0
		if c.Verb == engines.VerbCreate && works && c.Object.GetLabels()["velero.io/exclude-from-backup"] != "true" {
			t.Errorf("%s %s would come back with Velero's next Restore and do its work again: give it the run's RunnerLabels", kind, c.Object.GetName())
		}
	}
}

func longNamesFit(t *testing.T, b *bench) {
	b.Run.Operation.Name = strings.Repeat("a.b-", 63) + "z"
	if len(b.Run.Operation.Name) != 253 {
		t.Fatalf("the longest name has %d characters", len(b.Run.Operation.Name))
	}
	for _, c := range b.plan(t, b.Run) {
		if c.Verb != engines.VerbCreate {
			continue
		}
		if errs := validation.IsDNS1123Label(c.Object.GetName()); len(errs) > 0 {
			t.Errorf("name %q: %s", c.Object.GetName(), strings.Join(errs, "; "))
		}
	}
	b.start(t)
	b.observe(t, b.Run)
}

func runIsReadOnly(t *testing.T, b *bench) {
	check := func(what string) {
		operation, target := b.Run.Operation.DeepCopy(), b.Run.Target.DeepCopy()
		if what == "Plan" {
			b.plan(t, b.Run)
		} else {
			b.observe(t, b.Run)
		}
		if diff := gocmp.Diff(operation, b.Run.Operation) + gocmp.Diff(target, b.Run.Target); diff != "" {
			t.Errorf("%s changed the run (-before +after):\n%s", what, diff)
		}
	}
	check("Plan")
	b.start(t)
	check("Observe")
}

func unsupportedTypeIsRefused(t *testing.T, b *bench) {
	for _, typ := range opsv1alpha1.OperationTypes() {
		run := b.Run
		run.Operation = run.Operation.DeepCopy()
		run.Operation.Spec.Type = typ
		_, err := b.Engine.Plan(t.Context(), b.Reader(), run)
		var invalid *engines.InvalidError
		refused := errors.As(err, &invalid) && invalid.Errs[0].Field == "spec.type"
		if supported := b.Engine.Parameters(typ) != nil; refused == supported {
			t.Errorf("%s: Parameters says supported = %v, and Plan says %v", typ, supported, err)
		}
	}
}

func unknownParameterIsRefused(t *testing.T, b *bench) {
	raw := strings.TrimSpace(string(b.Run.Operation.Spec.Parameters.Raw))
	rest := strings.TrimPrefix(raw, "{")
	if rest != "}" {
		rest = "," + rest
	}
	b.Run.Operation.Spec.Parameters = &runtime.RawExtension{Raw: []byte(`{"noSuchParameter":true` + rest)}
	_, err := b.Engine.Plan(t.Context(), b.Reader(), b.Run)
	var invalid *engines.InvalidError
	if !errors.As(err, &invalid) || invalid.Errs[0].Field != "spec.parameters.noSuchParameter" {
		t.Errorf("got %v, want an InvalidError for spec.parameters.noSuchParameter", err)
	}
}

func notAppliedIsRunning(t *testing.T, b *bench) {
	if o := b.observe(t, b.Run); o.State != engines.StateRunning {
		t.Errorf("a run that has not been applied is %s (%s: %s)", o.State, o.Reason, o.Message)
	}
}

func goneIsLost(t *testing.T, b *bench) {
	changes := b.plan(t, b.Run)
	for i, c := range changes {
		alone := newBench(t, b.Subject)
		alone.Run.Operation = alone.Run.Operation.DeepCopy()
		alone.start(t)
		if err := alone.client.Delete(t.Context(), untyped(t, b.scheme, changes[i].Object)); err != nil {
			t.Fatal(err)
		}
		alone.wantLost(t, kindOf(t, b.scheme, c.Object)+" gone")
	}
}

func replacedIsLost(t *testing.T, b *bench) {
	b.start(t)
	for i := range b.Run.Operation.Status.Resources {
		ref := &b.Run.Operation.Status.Resources[i]
		was := ref.UID
		ref.UID = "one-that-was-there-before"
		b.wantLost(t, ref.Kind+" replaced")
		ref.UID = was
	}
}

func (b *bench) wantLost(t testing.TB, what string) {
	t.Helper()
	if o := b.observe(t, b.Run); o.State != engines.StateFailed || o.Reason != opsv1alpha1.ReasonResultLost {
		t.Errorf("%s: got %s (%s: %s), want Failed (%s)", what, o.State, o.Reason, o.Message, opsv1alpha1.ReasonResultLost)
	}
}

func foreignIsNotBelieved(t *testing.T, b *bench) {
	other := b.another()
	b.apply(t, b.plan(t, other))
	if o := b.observe(t, b.Run); o.State != engines.StateRunning {
		t.Errorf("after another run was applied, a run that was not is %s (%s: %s)", o.State, o.Reason, o.Message)
	}
	// Under the very names of this run, but with another run's label.
	for i, c := range b.plan(t, b.Run) {
		if c.Verb != engines.VerbCreate {
			continue
		}
		obj := untyped(t, b.scheme, c.Object)
		labels := obj.GetLabels()
		labels[opsv1alpha1.LabelOperation] = string(other.UID())
		obj.SetLabels(labels)
		obj.SetUID(types.UID(fmt.Sprintf("foreign-%d", i)))
		if err := b.client.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
	}
	if o := b.observe(t, b.Run); o.State != engines.StateRunning {
		t.Errorf("another run's object under this run's name makes it %s (%s: %s)", o.State, o.Reason, o.Message)
	}
}
