// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/engines"
)

// unmet is the first of a template's preconditions that does not hold.
func (v *visit) unmet(ctx context.Context, f *facts) error {
	var err error
	if f.unmet, err = v.shut(f.template); f.unmet != nil || err != nil {
		return err
	}
	p := f.template.Template.Spec.Preconditions
	if p == nil {
		return nil
	}
	if p.NotUpgrading && upgrading(f.target) {
		f.unmet = blocked(opsv1alpha1.ReasonTargetNotReady, "the release of ApplicationInstance %s is being changed; this one starts by itself when that has ended", f.target.Name)
		return nil
	}
	if f.unmet = v.unserved(p.KindsServed); f.unmet != nil {
		return nil
	}
	if broken := f.template.Broken(f.target, v.op.Spec.Parameters); broken != "" {
		f.unmet = blocked(opsv1alpha1.ReasonPreconditionFailed, "OperationTemplate %s: %s", f.template.Template.Name, broken)
		return nil
	}
	f.unmet, err = v.missingSecret(ctx, p.SecretsPresent)
	return err
}

// templateHolds wants the template's preconditions to hold.
func templateHolds(f facts) *blocker { return f.unmet }

func upgrading(ai *appsv1alpha1.ApplicationInstance) bool {
	return ai.Status.ObservedGeneration < ai.Generation || meta.IsStatusConditionTrue(ai.Status.Conditions, appsv1alpha1.ConditionReconciling)
}

// unserved is the first of the kinds that the cluster does not serve.
func (s *site) unserved(kinds []string) *blocker {
	for _, text := range kinds {
		gvk, err := catalog.ParseKind(text)
		if err == nil {
			_, err = s.RESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version)
		}
		if err != nil {
			return blocked(opsv1alpha1.ReasonPreconditionFailed, "the cluster does not serve %s, which the template asks for: install it (%v)", text, err)
		}
	}
	return nil
}

// missingSecret is the first of the Secrets that does not exist in the target's namespace. Only metadata crosses the wire. The agent may not read
// Secrets until an administrator lets it, in this namespace.
func (v *visit) missingSecret(ctx context.Context, names []string) (*blocker, error) {
	for _, name := range names {
		secret := &metav1.PartialObjectMetadata{}
		secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
		err := v.live.Get(ctx, client.ObjectKey{Namespace: v.op.Namespace, Name: name}, secret)
		switch {
		case err == nil:
		case apierrors.IsNotFound(err):
			return blocked(opsv1alpha1.ReasonMissingSecret, "Secret %s does not exist in namespace %s, and the template asks for it: create it", name, v.op.Namespace), nil
		case apierrors.IsForbidden(err):
			return v.ungranted(ctx, fmt.Sprintf("see whether Secret %s exists, which the template asks for", name), engines.Grant{
				Role: "vworkspace-secrets-present", Namespace: v.op.Namespace, Verbs: []string{"get"}, Resource: "secrets", Names: names,
			})
		default:
			return nil, fmt.Errorf("look for Secret %s: %w", name, err)
		}
	}
	return nil, nil
}
