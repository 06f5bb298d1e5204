// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// may tells whether the API server would let the agent do something.
func (s *site) may(ctx context.Context, what authorizationv1.ResourceAttributes) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &what}}
	if err := s.Create(ctx, review); err != nil {
		return false, fmt.Errorf("ask whether the agent may %s %s/%s: %w", what.Verb, what.Resource, what.Subresource, err)
	}
	return review.Status.Allowed, nil
}

// ungranted says what the agent may not do in a namespace, and how an administrator allows it.
func (s *site) ungranted(ctx context.Context, may string, g engines.Grant) (*blocker, error) {
	who := &authenticationv1.SelfSubjectReview{}
	if err := s.Create(ctx, who); err != nil {
		return nil, fmt.Errorf("ask who the agent is: %w", err)
	}
	g.User = who.Status.UserInfo.Username
	return blocked(opsv1alpha1.ReasonRbacProfileMissing, "the agent may not %s. To let it: %s", may, g.Commands()), nil
}
