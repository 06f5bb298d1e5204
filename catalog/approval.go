// SPDX-License-Identifier: Apache-2.0

package catalog

import opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"

// Approval is who has to agree to an Operation that follows these templates: whoever any of them asks for.
func Approval(entries ...*Entry) opsv1alpha1.ApprovalPolicy {
	var all opsv1alpha1.ApprovalPolicy
	for _, e := range entries {
		if policy := e.Template.Spec.Approval; policy != nil {
			all.Required = all.Required || policy.Required
			all.FourEyes = all.FourEyes || policy.FourEyes
		}
	}
	return all
}
