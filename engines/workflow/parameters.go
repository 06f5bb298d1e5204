// SPDX-License-Identifier: Apache-2.0

package workflow

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// Parameters of the engine: spec.parameters of an Operation with engine workflow.
type Parameters struct {
	// WorkflowTemplate is the name of the WorkflowTemplate to run, in the Operation's namespace. Required, unless template is set.
	WorkflowTemplate string `json:"workflowTemplate,omitempty"`
	// Template is the same as workflowTemplate, by its short name; the two must not differ. Required, unless workflowTemplate is set.
	Template string `json:"template,omitempty"`
	// ClusterScope takes a ClusterWorkflowTemplate instead of a WorkflowTemplate. Default false.
	ClusterScope bool `json:"clusterScope,omitempty"`
	// Parameters are the workflow's arguments by name. Values are strings; numbers and booleans are taken as well, written as Argo writes them. The
	// template must declare them, and every argument that it declares without a value must be here. Not the place for secrets. The arguments
	// targetName and targetNamespace, those of the Operation's target, are always passed, unless they are set here.
	// Default: no others.
	Parameters map[string]any `json:"parameters,omitempty"`
	// Entrypoint is the name of the template inside the WorkflowTemplate to begin with. Default: the WorkflowTemplate's own.
	Entrypoint string `json:"entrypoint,omitempty"`
	// ServiceAccountName of the pods. Default: the WorkflowTemplate's own, and vworkspace-operation-runner when it has none.
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// TimeoutSeconds bounds the workflow from its start on, by Argo itself; 1 or more. Default: the WorkflowTemplate's own bound, if any; spec.timeout
	// bounds the run as well.
	TimeoutSeconds *int64 `json:"timeoutSeconds,omitempty" jsonschema:"minimum=1"`
	// Cancel is how the workflow is stopped when the Operation is cancelled or runs out of time. Terminate kills its pods and runs nothing more; Stop
	// kills them too, and runs the exit handlers. Default Terminate.
	Cancel string `json:"cancel,omitempty" jsonschema:"enum=Terminate,enum=Stop"`
}

// decode reads and checks what op asks for. The error is an *engines.InvalidError that lists everything that is wrong.
func decode(op *opsv1alpha1.Operation) (*Parameters, error) {
	if err := engines.Supports(Engine{}, op.Spec.Type); err != nil {
		return nil, err
	}
	p := &Parameters{}
	if err := engines.DecodeParameters(op, p); err != nil {
		return nil, err
	}
	if err := engines.Invalid(p.validate(engines.ParametersPath())...); err != nil {
		return nil, err
	}
	return p, nil
}

// template is the one of the two aliases that was set.
func (p *Parameters) template() string {
	if p.WorkflowTemplate != "" {
		return p.WorkflowTemplate
	}
	return p.Template
}

// shutdown is the strategy with its default.
func (p *Parameters) shutdown() wfv1.ShutdownStrategy {
	if p.Cancel == "" {
		return wfv1.ShutdownStrategyTerminate
	}
	return wfv1.ShutdownStrategy(p.Cancel)
}

// validate finds what can be told without the template.
func (p *Parameters) validate(at *field.Path) field.ErrorList {
	errs := p.validateTemplate(at)
	for _, name := range slices.Sorted(maps.Keys(p.Parameters)) {
		if _, ok := write(p.Parameters[name]); !ok {
			errs = append(errs, field.TypeInvalid(at.Child("parameters").Key(name), field.OmitValueType{},
				"must be a string, a number, or true or false; write a list or an object as JSON in a string"))
		}
	}
	if name := p.ServiceAccountName; name != "" {
		for _, msg := range apivalidation.ValidateServiceAccountName(name, false) {
			errs = append(errs, field.Invalid(at.Child("serviceAccountName"), name, msg))
		}
	}
	if s := p.TimeoutSeconds; s != nil && *s <= 0 {
		errs = append(errs, field.Invalid(at.Child("timeoutSeconds"), *s, "must be at least 1 second; leave it out for no bound"))
	}
	known := []wfv1.ShutdownStrategy{wfv1.ShutdownStrategyTerminate, wfv1.ShutdownStrategyStop}
	if !slices.Contains(known, p.shutdown()) {
		errs = append(errs, field.NotSupported(at.Child("cancel"), wfv1.ShutdownStrategy(p.Cancel), known))
	}
	return errs
}

func (p *Parameters) validateTemplate(at *field.Path) field.ErrorList {
	at, name := at.Child("workflowTemplate"), p.template()
	if name == "" {
		return field.ErrorList{field.Required(at, "name the WorkflowTemplate to run, in the Operation's namespace")}
	}
	if p.WorkflowTemplate == "" {
		at = engines.ParametersPath().Child("template")
	}
	var errs field.ErrorList
	for _, msg := range validation.IsDNS1123Subdomain(name) {
		errs = append(errs, field.Invalid(at, name, msg))
	}
	if p.Template != "" && p.Template != name {
		errs = append(errs, field.Invalid(engines.ParametersPath().Child("template"), p.Template,
			fmt.Sprintf("means the same as workflowTemplate, which is %s: leave one of them out", name)))
	}
	return errs
}

// write is an argument's value as Argo writes it, and false when Argo has no way to.
func write(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	default:
		return "", false
	}
}
