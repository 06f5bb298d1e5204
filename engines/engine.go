// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Engine adapts one executor.
type Engine interface {
	// Name is the value of spec.engine that picks this engine.
	Name() opsv1alpha1.OperationEngine

	// Parameters is a pointer to a new struct that spec.parameters is decoded into for Operations of a type, nil when the engine does
	// nothing of that type. The struct is what people read: the reference and the JSON Schemas are generated from its fields, their doc
	// comments and their jsonschema tags.
	Parameters(t opsv1alpha1.OperationType) any

	// Kinds are the executor's objects that decide how a run stands. They are watched as soon as their CRD is served; until
	// then the spoke reports EngineNotInstalled. Only those with the label ops.vworkspace.io/operation are seen, but for Flux's.
	Kinds() []client.Object

	// Plan says what shall exist for a run. The same run always plans the same, and another run's objects never have the same names.
	// An empty plan is a run with nothing to do: Observe says why. Apply the changes in their order.
	//
	// r must return metadata.managedFields: an engine that changes other people's objects reads there whose the fields are.
	//
	// Errors: *InvalidError when the request can never work (it names the field), *BlockedError when somebody has to act first,
	// anything else is retried.
	Plan(ctx context.Context, r client.Reader, run Run) ([]Change, error)

	// Observe says where a run stands, after its plan was applied. It trusts only objects of this run (label
	// ops.vworkspace.io/operation, and the UID in run.Operation.Status.Resources): an object that was replaced is a lost result.
	// An error is retried; it never ends a run.
	//
	// A cache that lags behind the run's own writes looks like a lost result. Before ResultLost is believed, and made final, Observe must
	// have said it of an uncached r.
	Observe(ctx context.Context, r client.Reader, run Run) (Outcome, error)
}

// Canceler is an Engine whose executor can stop a run. The others run on until they end, and the spoke says so.
type Canceler interface {
	// Cancel says what stops the run. The run is Cancelled once Observe no longer says Running.
	Cancel(ctx context.Context, r client.Reader, run Run) (Cancellation, error)
}

// Chooser is an Engine that does not need all of its Kinds for every run.
type Chooser interface {
	// Needs are the kinds that an Operation cannot run without, of those that a cluster may not serve. Kinds are then only what is watched when it
	// is served. The Operation may be invalid.
	Needs(op *opsv1alpha1.Operation) []client.Object
}

// Stepper is an Engine whose plan does not show all that a run creates: it takes further steps once those before have ended (Outcome.Next).
type Stepper interface {
	// Steps are the objects of all steps in their order, the plan's included. They are not created from here: a run is judged by them before it
	// starts. Errors are those of Plan.
	Steps(ctx context.Context, r client.Reader, run Run) ([]client.Object, error)
}

// Reverser is an Engine that can put back what runs of it did.
type Reverser interface {
	// Reverse says by which parameters a run puts back what earlier ones did to one target: all of them, the oldest first, each of which has ended. Nil when they
	// changed nothing that can be put back. The error says that it cannot be told, and why.
	Reverse(earlier []opsv1alpha1.Operation) (*runtime.RawExtension, error)
	// Overtaken says that the target of a run is not what the earlier ones have made of it, nor what it was before, so that nothing of theirs is left to be put
	// back; empty when it is. An error is retried.
	Overtaken(ctx context.Context, r client.Reader, run Run, earlier []opsv1alpha1.Operation) (string, error)
}

// Cancellation is what stops a run.
type Cancellation struct {
	// Delete these objects, with everything that belongs to them: in the foreground, so that the run is seen to run until that has
	// stopped. Where metadata.uid is set, delete that object only (a precondition), not another one of its name; where
	// metadata.resourceVersion is set too, only as it was then, and in the background: Cancel is asked again when it has changed.
	Delete []client.Object
	// Apply these changes.
	Apply []Change
	// Message says what was, and what was not, undone.
	Message string
}
