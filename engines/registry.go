// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"fmt"
	"slices"
	"strings"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Registry is the list of engines that a spoke can run. It is explicit: who reads the line that builds it knows every engine there is.
type Registry struct {
	engines map[opsv1alpha1.OperationEngine]Engine
}

// NewRegistry holds the given engines. Two engines of one name are a programming error: it panics.
func NewRegistry(engines ...Engine) *Registry {
	r := &Registry{engines: make(map[opsv1alpha1.OperationEngine]Engine, len(engines))}
	for _, e := range engines {
		if _, taken := r.engines[e.Name()]; taken {
			panic(fmt.Sprintf("engines: two engines are called %q", e.Name()))
		}
		r.engines[e.Name()] = e
	}
	return r
}

// Get returns the engine of that name. The error, for an unknown one, names those that are there.
func (r *Registry) Get(name opsv1alpha1.OperationEngine) (Engine, error) {
	if e, ok := r.engines[name]; ok {
		return e, nil
	}
	names := make([]string, 0, len(r.engines))
	for _, n := range r.Names() {
		names = append(names, string(n))
	}
	return nil, fmt.Errorf("engine %q is not part of this agent: set spec.engine to one of %s", name, strings.Join(names, ", "))
}

// Names of the engines, sorted.
func (r *Registry) Names() []opsv1alpha1.OperationEngine {
	names := make([]opsv1alpha1.OperationEngine, 0, len(r.engines))
	for n := range r.engines {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
