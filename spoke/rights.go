// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// roleHash is the length of what tells names apart that were cut.
const roleHash = 12

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

// roleFor names a Role after what it is about, so that a second application of a namespace gets one of its own.
func roleFor(role, what string) string {
	name := role + "-" + what
	if len(name) <= validation.DNS1123SubdomainMaxLength {
		return name
	}
	sum := sha256.Sum256([]byte(what))
	return strings.TrimRight(name[:validation.DNS1123SubdomainMaxLength-roleHash-1], "-.") + "-" + hex.EncodeToString(sum[:])[:roleHash]
}
