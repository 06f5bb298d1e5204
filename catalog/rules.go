// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"sync"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/expressions"
)

// maxCost of one rule, in CEL's units: some ten milliseconds. A rule that costs more does not hold.
const maxCost = 1_000_000

// rule is a compiled TemplateRule.
type rule struct {
	program cel.Program
	message string
}

// environment of all rules.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	object := cel.MapType(cel.StringType, cel.DynType)
	return cel.NewEnv(append(expressions.Library(), cel.Variable("instance", object), cel.Variable("parameters", object))...)
})

func compileRule(r opsv1alpha1.TemplateRule) (rule, error) {
	env, err := environment()
	if err != nil {
		return rule{}, err
	}
	ast, issues := env.Compile(r.Expression)
	if issues.Err() != nil {
		return rule{}, fmt.Errorf("does not compile: %w", issues.Err())
	}
	if !ast.OutputType().IsExactType(cel.BoolType) {
		return rule{}, fmt.Errorf("must yield true or false, not %s", ast.OutputType())
	}
	program, err := env.Program(ast, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(1000))
	if err != nil {
		return rule{}, err
	}
	return rule{program, r.Message}, nil
}

// Broken says which of a template's rules does not hold for an instance and filled parameters, in the rule's own words; empty when all hold. A rule
// that cannot be evaluated does not hold.
func (e *Entry) Broken(instance *appsv1alpha1.ApplicationInstance, parameters *runtime.RawExtension) string {
	if len(e.rules) == 0 {
		return ""
	}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(instance)
	if err != nil {
		return fmt.Sprintf("the instance cannot be read: %v", err)
	}
	values := map[string]any{}
	if parameters != nil && len(parameters.Raw) > 0 {
		if err := utiljson.Unmarshal(parameters.Raw, &values); err != nil {
			return "the parameters cannot be read"
		}
	}
	for i, r := range e.rules {
		out, _, err := r.program.Eval(map[string]any{"instance": object, "parameters": values})
		switch {
		case err != nil:
			return fmt.Sprintf("%s (spec.preconditions.rules[%d] of OperationTemplate %s cannot be evaluated: %v)", r.message, i, e.Template.Name, err)
		case out.Value() != true:
			return r.message
		}
	}
	return ""
}
