// SPDX-License-Identifier: Apache-2.0

package engines

import "sigs.k8s.io/controller-runtime/pkg/client"

// Verb says how a Change is put in place.
type Verb string

const (
	// VerbCreate makes an object that belongs to the run. When the name is taken, the object there must carry the run's UID in the
	// label ops.vworkspace.io/operation: then it is this run's own, from before a crash. Anything else is a NameConflict.
	VerbCreate Verb = "Create"
	// VerbApply sets the given fields, and only those, on an object that exists, by server-side apply with the field manager
	// vworkspace-operation. The engine has checked who owns the fields.
	VerbApply Verb = "Apply"
)

// Change is one object to put in place.
type Change struct {
	// Verb says how.
	Verb Verb
	// Object says what. For VerbApply it holds the identity and the fields to set, nothing else; use an unstructured object, so that no
	// zero value of a typed field is applied along.
	Object client.Object
}

// Create makes obj for the run.
func Create(obj client.Object) Change { return Change{Verb: VerbCreate, Object: obj} }

// Apply sets obj's fields on an object that exists.
func Apply(obj client.Object) Change { return Change{Verb: VerbApply, Object: obj} }
