// SPDX-License-Identifier: Apache-2.0

package helmhookjob

import (
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// Parameters of the engine: spec.parameters of an Operation with engine helmHookJob. Exactly one of hookName and event is required.
type Parameters struct {
	// HookName is the metadata.name of one hook, a Job or a Pod, as `helm get hooks` shows it. Required, unless event is set.
	HookName string `json:"hookName,omitempty"`
	// Event runs all hooks of an event that are Jobs or Pods, one after the other in Helm's order: by weight, then by name. When one fails, the
	// rest is not run. Hooks of other kinds are left out. Required, unless hookName is set; never both.
	Event release.HookEvent `json:"event,omitempty" jsonschema:"enum=pre-install,enum=post-install,enum=pre-delete,enum=post-delete,enum=pre-upgrade,enum=post-upgrade,enum=pre-rollback,enum=post-rollback,enum=test"`
	// ActiveDeadlineSeconds bounds each hook's Job from its start on, over all attempts, 1 or more. Default: what the chart says;
	// spec.timeout bounds the run as well.
	ActiveDeadlineSeconds *int64 `json:"activeDeadlineSeconds,omitempty" jsonschema:"minimum=1"`
	// BackoffLimit is how often a failed pod of a hook is tried again, 0 to 100. Default: what the chart says, which is 6 when it says nothing, as
	// in Kubernetes, and 0 for a hook that is a Pod.
	BackoffLimit *int32 `json:"backoffLimit,omitempty" jsonschema:"minimum=0,maximum=100"`
}

// maxBackoffLimit keeps a hook that always fails from being tried for days.
const maxBackoffLimit = 100

// hookEvents are Helm's names, in the order of a release's life.
func hookEvents() []release.HookEvent {
	return []release.HookEvent{
		release.HookPreInstall, release.HookPostInstall, release.HookPreDelete, release.HookPostDelete, release.HookPreUpgrade,
		release.HookPostUpgrade, release.HookPreRollback, release.HookPostRollback, release.HookTest,
	}
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
	case strings.TrimSpace(p.HookName) == "" && p.Event == "":
		errs = append(errs, field.Required(at.Child("hookName"), "name a hook of the chart, or set event to run all hooks of an event"))
	case p.HookName != "" && p.Event != "":
		errs = append(errs, field.Forbidden(at.Child("event"), "set hookName or event, not both"))
	}
	if p.Event != "" && !slices.Contains(hookEvents(), p.Event) {
		errs = append(errs, field.NotSupported(at.Child("event"), p.Event, hookEvents()))
	}
	if s := p.ActiveDeadlineSeconds; s != nil && *s <= 0 {
		errs = append(errs, field.Invalid(at.Child("activeDeadlineSeconds"), *s, "must be at least 1 second; leave it out for what the chart says"))
	}
	if b := p.BackoffLimit; b != nil && (*b < 0 || *b > maxBackoffLimit) {
		errs = append(errs, field.Invalid(at.Child("backoffLimit"), *b, fmt.Sprintf("must be between 0 and %d", maxBackoffLimit)))
	}
	return errs
}

// checkTarget finds what can never work on this target.
func checkTarget(target *appsv1alpha1.ApplicationInstance) error {
	switch {
	case target.Spec.Mode == appsv1alpha1.ModePlaceholder:
		return engines.Invalid(field.Invalid(targetPath(), target.Name,
			"has mode placeholder and therefore no release: name an ApplicationInstance of mode managed or adopted"))
	case target.Spec.Release == nil:
		return engines.Invalid(field.Invalid(targetPath(), target.Name, "names no release: set spec.release"))
	}
	return nil
}

func targetPath() *field.Path { return field.NewPath("spec", "targetRef") }
