// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/expressions"
)

// Check the parameters of an Operation by the template that it follows, as the hub will, and say what is wrong by the options of known parameters. Strings that hold
// expressions are looked at by the hub, which knows what they come to.
func Check(op *opsv1alpha1.Operation, t *opsv1alpha1.OperationTemplate, known []Parameter) error {
	entry, wrong := catalog.Compile(t)
	if len(wrong) > 0 {
		return fmt.Errorf("OperationTemplate %s: %w", t.Name, wrong.ToAggregate())
	}
	var all []error
	for _, e := range entry.Takes(op.Spec.Parameters, expressions.Places(op.Spec.Parameters)...) {
		all = append(all, inWords(e, t, known))
	}
	return errors.Join(all...)
}

func inWords(e *field.Error, t *opsv1alpha1.OperationTemplate, known []Parameter) error {
	within := strings.TrimPrefix(e.Field, "spec.parameters.")
	for _, p := range known {
		if within == p.Name && e.Type == field.ErrorTypeRequired {
			return invalid(p.Flag, "OperationTemplate %s asks for it", t.Name)
		}
		if within == p.Name {
			return invalid(p.Flag, "%s", e.ErrorBody())
		}
	}
	return fmt.Errorf("%w (OperationTemplate %s)", e, t.Name)
}
