// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"errors"
	"fmt"
	"slices"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/catalog/redact"
	"vworkspace.io/fleet/engines"
)

// follow finds the engine and the template of an Operation on one instance, and fills in the parameters: what is in hand has from here on what the
// engine gets to see. What the template leaves in the status is what the run goes by after the fence, whatever becomes of the template.
func (r *operationReconciler) follow(ctx context.Context, v *visit, f *facts) error {
	var list opsv1alpha1.OperationTemplateList
	if err := v.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("read the catalog: %w", err)
	}
	if f.engine = r.engineFor(f.wanted(list.Items)); f.engine == nil {
		return nil
	}
	request := catalog.Request{Operation: v.op, Engine: f.engine.Name(), Instance: f.target, AgentKnows: true}
	var err error
	if request.Release, err = v.releaseOf(ctx, f.target, list.Items); err != nil {
		return err
	}
	f.request = request
	choice, problem := r.book.Find(request, list.Items)
	if problem != nil {
		f.problem, v.op.Status.Template = problem, nil
		return nil
	}
	f.template = choice.One()
	v.op.Status.Template = r.snapshot(f)
	v.redaction = redact.Of(v.op) // before anything is said of the parameters
	filled, wrong := catalog.Fill(v.op.Spec.Parameters, f.template.Template.Spec.Defaults)
	if wrong != nil {
		f.plan = engines.Invalid(wrong)
		return nil
	}
	v.op.Spec.Parameters = filled
	return nil
}

// disagree adds what the template has against the parameters to what the engine says of them, whose words are the better ones where both mind.
func (f *facts) disagree(op *opsv1alpha1.Operation) {
	var invalid *engines.InvalidError
	if errs := f.template.Validate(op.Spec.Parameters); len(errs) > 0 && !errors.As(f.plan, &invalid) {
		f.plan = engines.Invalid(errs...)
	}
}

// snapshot is what a run goes by.
func (r *operationReconciler) snapshot(f *facts) *opsv1alpha1.TemplateStatus {
	spec := &f.template.Template.Spec
	return &opsv1alpha1.TemplateStatus{
		Name: f.template.Template.Name, Digest: f.template.Digest,
		RBACProfile: spec.RBACProfile, Defaults: spec.Defaults.DeepCopy(), Redact: slices.Clone(spec.Redact), Exclusive: spec.Exclusive,
	}
}

// wanted is the name of the engine that the Operation asks for: by itself, by its template, or by its target.
func (f *facts) wanted(templates []opsv1alpha1.OperationTemplate) opsv1alpha1.OperationEngine {
	if name := f.op.Spec.Engine; name != "" {
		return name
	}
	if ref := f.op.Spec.TemplateRef; ref != nil {
		for i := range templates {
			if templates[i].Name == ref.Name {
				return templates[i].Spec.Engine
			}
		}
	}
	return opsv1alpha1.OperationEngine(f.target.Annotations[f.op.Spec.Type.Capability()])
}

// releaseOf reads what is known of the HelmRelease of an instance, where a template asks for it; nil when there is none.
func (s *site) releaseOf(ctx context.Context, ai *appsv1alpha1.ApplicationInstance, templates []opsv1alpha1.OperationTemplate) (*metav1.ObjectMeta, error) {
	asked := slices.ContainsFunc(templates, func(t opsv1alpha1.OperationTemplate) bool {
		return t.Spec.TargetSelector != nil && t.Spec.TargetSelector.HelmRelease != nil
	})
	if !asked || ai.Spec.Release == nil {
		return nil, nil
	}
	hr, err := s.helmReleaseOf(ctx, ai)
	if hr == nil || err != nil {
		return nil, err
	}
	return &hr.ObjectMeta, nil
}

// helmReleaseOf reads the HelmRelease of an instance that has a release; nil when there is none.
func (s *site) helmReleaseOf(ctx context.Context, ai *appsv1alpha1.ApplicationInstance) (*helmv2.HelmRelease, error) {
	hr := &helmv2.HelmRelease{}
	err := s.reader().Get(ctx, client.ObjectKey{Namespace: ai.Namespace, Name: ai.Spec.Release.Name}, hr)
	switch {
	case missing(err) || meta.IsNoMatchError(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the HelmRelease of the target: %w", err)
	}
	return hr, nil
}

// templateFollowed wants one template that allows the run.
func templateFollowed(f facts) *blocker {
	if f.problem == nil {
		return nil
	}
	return &blocker{reason: f.problem.Reason, message: f.problem.Message}
}
