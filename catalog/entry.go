// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"errors"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// Entry is a template that makes sense.
type Entry struct {
	// Template as it was compiled. Do not change it.
	Template *opsv1alpha1.OperationTemplate
	// Digest of its spec.
	Digest string

	schema  *jsonschema.Schema
	rules   []rule
	window  *placement.Window
	target  labels.Selector
	release labels.Selector
}

// Compile a template, or say everything that is wrong with it, by field.
func Compile(t *opsv1alpha1.OperationTemplate) (*Entry, field.ErrorList) {
	e := &Entry{Template: t}
	var errs field.ErrorList
	note := func(at *field.Path, err error) {
		if err != nil {
			errs = append(errs, field.Invalid(at, field.OmitValueType{}, err.Error()))
		}
	}
	spec, at := &t.Spec, field.NewPath("spec")
	var err error
	e.Digest, err = Digest(spec)
	note(at, err)
	e.schema, err = compileSchema(spec.InputSchema)
	note(at.Child("inputSchema"), err)
	e.window, err = placement.NewWindow(spec.MaintenanceWindow)
	note(at.Child("maintenanceWindow"), err)
	errs = append(errs, e.compileTarget(at.Child("targetSelector"))...)
	errs = append(errs, e.compilePreconditions(at.Child("preconditions"))...)
	if _, wrong := decode(spec.Defaults); wrong != nil {
		errs = append(errs, field.Invalid(at.Child("defaults"), field.OmitValueType{}, wrong.Detail))
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return e, nil
}

func (e *Entry) compileTarget(at *field.Path) field.ErrorList {
	s := e.Template.Spec.TargetSelector
	if s == nil {
		return nil
	}
	var errs field.ErrorList
	compile := func(s *metav1.LabelSelector, at *field.Path) labels.Selector {
		if s == nil {
			return labels.Everything()
		}
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			errs = append(errs, field.Invalid(at, field.OmitValueType{}, err.Error()))
		}
		return selector
	}
	e.target = compile(s.LabelSelector, at.Child("labelSelector"))
	if s.HelmRelease != nil {
		e.release = compile(s.HelmRelease.LabelSelector, at.Child("helmRelease", "labelSelector"))
	}
	return errs
}

func (e *Entry) compilePreconditions(at *field.Path) field.ErrorList {
	p := e.Template.Spec.Preconditions
	if p == nil {
		return nil
	}
	var errs field.ErrorList
	for i, r := range p.Rules {
		compiled, err := compileRule(r)
		if err != nil {
			errs = append(errs, field.Invalid(at.Child("rules").Index(i).Child("expression"), field.OmitValueType{}, err.Error()))
		}
		e.rules = append(e.rules, compiled)
	}
	for i, text := range p.KindsServed {
		if _, err := ParseKind(text); err != nil {
			errs = append(errs, field.Invalid(at.Child("kindsServed").Index(i), text, err.Error()))
		}
	}
	return errs
}

// ParseKind reads KIND.GROUP/VERSION; a kind of the core group is KIND./VERSION.
func ParseKind(text string) (schema.GroupVersionKind, error) {
	groupKind, version, ok := strings.Cut(text, "/")
	kind, group, alsoOK := strings.Cut(groupKind, ".")
	if !ok || !alsoOK || kind == "" || version == "" {
		return schema.GroupVersionKind{}, errors.New("must be KIND.GROUP/VERSION, such as Backup.velero.io/v1")
	}
	return schema.GroupVersionKind{Group: group, Version: version, Kind: kind}, nil
}

// Validate parameters that were filled. The list is empty when the template takes them.
func (e *Entry) Validate(filled *runtime.RawExtension) field.ErrorList {
	return complain(e.schema, filled, nil)
}

// Takes says what is wrong with an Operation's parameters when the defaults are filled in; nothing when the template takes them. Strings at open places are
// to be filled in yet, by expressions, and may become anything.
func (e *Entry) Takes(parameters *runtime.RawExtension, open ...[]string) field.ErrorList {
	filled, wrong := Fill(parameters, e.Template.Spec.Defaults)
	if wrong != nil {
		return field.ErrorList{wrong}
	}
	return complain(e.schema, filled, open)
}

// Window in which runs may start; nil, which is always open, when the template has none.
func (e *Entry) Window() *placement.Window { return e.window }

// Reference to this very template; nil for none.
func (e *Entry) Reference() *opsv1alpha1.TemplateRef {
	if e == nil {
		return nil
	}
	return &opsv1alpha1.TemplateRef{Name: e.Template.Name, Digest: e.Digest}
}
