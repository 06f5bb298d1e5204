// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// Parameters of the engine: spec.parameters of an Operation with engine helm. At least one of them is required.
type Parameters struct {
	// TargetVersion of the chart: one exact semantic version. Default: the version stays.
	TargetVersion string `json:"targetVersion,omitempty"`
	// Rollback goes back to the chart version before: that of the newest revision in Flux's history that was deployed well and has another
	// version than the one that is asked for now. The values stay; valuesPatch may change them along. Not together with targetVersion.
	// Default false.
	Rollback bool `json:"rollback,omitempty"`
	// ValuesPatch is merged over the chart values that are there: objects are merged, everything else, lists too, is replaced. A value
	// cannot be removed, so null is refused. Not the place for secrets. Default: the values stay.
	ValuesPatch map[string]any `json:"valuesPatch,omitempty"`
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

func (p *Parameters) validate(at *field.Path) field.ErrorList {
	var errs field.ErrorList
	switch {
	case p.TargetVersion == "" && !p.Rollback && len(p.ValuesPatch) == 0:
		errs = append(errs, field.Required(at.Child("targetVersion"), "set targetVersion, valuesPatch or both: there is nothing to upgrade to"))
	case p.TargetVersion != "" && p.Rollback:
		errs = append(errs, field.Forbidden(at.Child("rollback"), "finds the version by itself: leave it out, or leave targetVersion out"))
	}
	if v := p.TargetVersion; v != "" && !exactVersion(v) {
		errs = append(errs, field.Invalid(at.Child("targetVersion"), v,
			"must be one exact semantic version such as 1.2.3, not a range: a run must mean the same on every cluster"))
	}
	return append(errs, refuseNull(p.ValuesPatch, at.Child("valuesPatch"))...)
}

// refuseNull finds the nulls by which Helm users remove a default: a field that is applied can only be set.
func refuseNull(values map[string]any, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, key := range slices.Sorted(maps.Keys(values)) {
		switch v := values[key].(type) {
		case nil:
			errs = append(errs, field.Invalid(at.Child(key), nil, "null removes nothing here: set the value that is wanted, or edit the values where they are written"))
		case map[string]any:
			errs = append(errs, refuseNull(v, at.Child(key))...)
		}
	}
	return errs
}

// checkTarget finds what can never work on this target.
func (p *Parameters) checkTarget(target *appsv1alpha1.ApplicationInstance) error {
	spec := &target.Spec
	switch {
	case spec.Mode == appsv1alpha1.ModePlaceholder:
		return engines.Invalid(field.Invalid(field.NewPath("spec", "targetRef"), target.Name,
			"has mode placeholder and therefore no release: name an ApplicationInstance of mode managed or adopted"))
	case spec.Release == nil, spec.Mode != appsv1alpha1.ModeAdopted && spec.Chart == nil:
		return engines.Invalid(field.Invalid(field.NewPath("spec", "targetRef"), target.Name, "names no release: set spec.release, and spec.chart in mode managed"))
	case len(p.ValuesPatch) == 0 || spec.Mode == appsv1alpha1.ModeAdopted:
		return nil
	case spec.Values != nil && spec.Values.Source != appsv1alpha1.ValuesInline:
		return engines.Invalid(field.Forbidden(engines.ParametersPath().Child("valuesPatch"),
			"the target takes its values from "+string(spec.Values.Source)+", which is not read: change the values there, or leave valuesPatch out"))
	}
	return nil
}
