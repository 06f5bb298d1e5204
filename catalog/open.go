// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"regexp"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// conditional are the parts of a schema that hold by what stands elsewhere.
var conditional = regexp.MustCompile(`/(then|else|unevaluated\w+)(/|$)`)

// certain are the errors, of those that have no deeper cause, that stay whatever is filled in at the open places: strings that hold expressions. Where nothing
// is open, these are all. It leaves an error out rather than that it refuses what may become right.
func certain(e *jsonschema.ValidationError, open [][]string) []*jsonschema.ValidationError {
	if len(open) == 0 {
		return leaves(e)
	}
	if conditional.MatchString(e.SchemaURL) {
		return nil
	}
	touched := slices.ContainsFunc(open, func(place []string) bool {
		return len(place) >= len(e.InstanceLocation) && slices.Equal(place[:len(e.InstanceLocation)], e.InstanceLocation)
	})
	switch e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		var out []*jsonschema.ValidationError
		for _, c := range e.Causes {
			out = append(out, certain(c, open)...)
		}
		return out
	case *kind.Required, *kind.AdditionalProperties, *kind.Dependency, *kind.DependentRequired, *kind.PropertyNames, *kind.MinProperties, *kind.MaxProperties,
		*kind.MinItems, *kind.MaxItems:
		return leaves(e) // about what is there, not about what it is
	case *kind.Type:
		if !slices.ContainsFunc(open, func(place []string) bool { return slices.Equal(place, e.InstanceLocation) }) {
			return leaves(e)
		}
		return nil
	}
	if touched {
		return nil
	}
	return leaves(e)
}
