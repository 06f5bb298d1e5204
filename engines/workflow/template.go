// SPDX-License-Identifier: Apache-2.0

package workflow

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/engines"
)

// template is a WorkflowTemplate or a ClusterWorkflowTemplate.
type template struct {
	// what it is, for people.
	what string
	spec *wfv1.WorkflowSpec
}

// readTemplate finds the template that p names.
func readTemplate(ctx context.Context, r client.Reader, namespace string, p *Parameters) (*template, error) {
	var obj interface {
		client.Object
		wfv1.WorkflowSpecHolder
	} = &wfv1.WorkflowTemplate{}
	key := client.ObjectKey{Namespace: namespace, Name: p.template()}
	what := fmt.Sprintf("WorkflowTemplate %s", key)
	if p.ClusterScope {
		obj, key = &wfv1.ClusterWorkflowTemplate{}, client.ObjectKey{Name: p.template()}
		what = fmt.Sprintf("ClusterWorkflowTemplate %s", key.Name)
	}
	err := r.Get(ctx, key, obj)
	if apierrors.IsNotFound(err) {
		return nil, &engines.BlockedError{Reason: ReasonTemplateNotFound, Message: what + " does not exist: install it, or name another one in a new Operation"}
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return &template{what: what, spec: obj.GetWorkflowSpec()}, nil
}

// serviceAccount of the workflow. A template that names its own was written for that one.
func (t *template) serviceAccount(p *Parameters) string {
	switch {
	case p.ServiceAccountName != "":
		return p.ServiceAccountName
	case t.spec.ServiceAccountName != "":
		// Left out: Argo takes the template's, and one that is restricted to templates refuses another.
		return ""
	default:
		return engines.DefaultServiceAccount
	}
}

// check finds what Argo would refuse for what the template says, so that a mistake is told by the Operation's own field names.
func (t *template) check(p *Parameters, given map[string]string, at *field.Path) field.ErrorList {
	declared := map[string]wfv1.Parameter{}
	for _, d := range t.spec.Arguments.Parameters {
		declared[d.Name] = d
	}
	var errs field.ErrorList
	for _, name := range slices.Sorted(maps.Keys(p.Parameters)) {
		if _, ok := declared[name]; !ok {
			errs = append(errs, field.Forbidden(at.Child("parameters").Key(name), "unknown argument: "+t.what+" declares "+list(declared)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		d, at := declared[name], at.Child("parameters").Key(name)
		value, ok := given[name]
		switch {
		case ok && len(d.Enum) > 0 && !slices.Contains(d.Enum, wfv1.AnyString(value)):
			errs = append(errs, field.NotSupported(at, wfv1.AnyString(value), d.Enum))
		case !ok && needed(d):
			errs = append(errs, field.Required(at, t.what+" declares this argument without a value"))
		}
	}
	return append(errs, t.checkEntrypoint(p, at)...)
}

// needed tells whether a declared argument has to be given. Its default does not count: Argo takes that for the inputs of a step only.
func needed(d wfv1.Parameter) bool {
	return d.Value == nil && (d.ValueFrom == nil || len(d.Enum) > 0)
}

func (t *template) checkEntrypoint(p *Parameters, at *field.Path) field.ErrorList {
	names := make([]string, 0, len(t.spec.Templates))
	for i := range t.spec.Templates {
		names = append(names, t.spec.Templates[i].Name)
	}
	switch {
	case p.Entrypoint == "" && t.spec.Entrypoint == "":
		return field.ErrorList{field.Required(at.Child("entrypoint"), t.what+" has none of its own: name one of "+strings.Join(names, ", "))}
	case p.Entrypoint != "" && !slices.Contains(names, p.Entrypoint):
		return field.ErrorList{field.NotSupported(at.Child("entrypoint"), p.Entrypoint, names)}
	}
	return nil
}

func list(declared map[string]wfv1.Parameter) string {
	if len(declared) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(declared)), ", ")
}
