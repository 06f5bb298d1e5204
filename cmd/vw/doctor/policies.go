// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vworkspace.io/fleet/deploy"
)

const applyPolicies = "kubectl apply --server-side -f deploy/policies (or the chart's policies.install=true)"

// ownPolicies are the names of the admission policies that vw was built with.
func ownPolicies() ([]string, error) {
	files, err := fs.Glob(deploy.Manifests, deploy.Policies+"/*.yaml")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range files {
		raw, err := deploy.Manifests.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for document := range bytes.SplitSeq(raw, []byte("\n---\n")) {
			var o metav1.PartialObjectMetadata
			if err := yaml.Unmarshal(document, &o); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			if o.Kind == "ValidatingAdmissionPolicy" {
				names = append(names, o.Name)
			}
		}
	}
	return names, nil
}

// checkPolicies: all of ours are there, understood by the API server, and in force.
func checkPolicies(ctx context.Context, s *Site, f *Findings) error {
	names, err := ownPolicies()
	if err != nil {
		return err
	}
	for _, name := range names {
		policy, binding := &admissionregistrationv1.ValidatingAdmissionPolicy{}, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}
		policyErr := s.Client.Get(ctx, client.ObjectKey{Name: name}, policy)
		bindingErr := s.Client.Get(ctx, client.ObjectKey{Name: name}, binding)
		switch {
		case apierrors.IsNotFound(policyErr):
			f.fail(applyPolicies, "ValidatingAdmissionPolicy %s is not there", name)
		case policyErr != nil:
			return policyErr
		case apierrors.IsNotFound(bindingErr):
			f.fail(applyPolicies, "ValidatingAdmissionPolicy %s is not in force: it has no binding", name)
		case bindingErr != nil:
			return bindingErr
		default:
			judgePolicy(f, policy, binding)
		}
	}
	if !f.bad() {
		f.ok("all %d admission policies are in force", len(names))
	}
	return nil
}

func judgePolicy(f *Findings, policy *admissionregistrationv1.ValidatingAdmissionPolicy, binding *admissionregistrationv1.ValidatingAdmissionPolicyBinding) {
	if !slices.Contains(binding.Spec.ValidationActions, admissionregistrationv1.Deny) {
		f.fail(applyPolicies, "ValidatingAdmissionPolicy %s denies nothing: its binding says %v", policy.Name, binding.Spec.ValidationActions)
	}
	if checked := policy.Status.TypeChecking; checked != nil && len(checked.ExpressionWarnings) > 0 {
		f.warn(applyPolicies, "the API server does not understand ValidatingAdmissionPolicy %s: %s", policy.Name, checked.ExpressionWarnings[0].Warning)
	}
}
