// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"sync"

	authenticationv1 "k8s.io/api/authentication/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/admission"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// self is whom the API server knows the hub by. It is asked once.
type self struct {
	mu    sync.Mutex
	known admission.Requester
}

func (s *self) requester(ctx context.Context, c client.Client) (admission.Requester, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known.User != "" {
		return s.known, nil
	}
	review := &authenticationv1.SelfSubjectReview{}
	if err := c.Create(ctx, review); err != nil {
		return admission.Requester{}, fmt.Errorf("ask who the hub is: %w", err)
	}
	s.known = admission.RequesterFrom(review.Status.UserInfo)
	return s.known, nil
}

// isOwn tells whether the hub itself has created an Operation. Where it does not ask who may do what, it does not ask who did what either.
func (r *OperationReconciler) isOwn(ctx context.Context, op *opsv1alpha1.Operation) (bool, error) {
	if !r.Authorize {
		return true, nil
	}
	by, known := admission.RequesterOf(op)
	if !known {
		return false, nil
	}
	who, err := r.self.requester(ctx, r.Client)
	return err == nil && by.User == who.User, err
}

// nameRequester has what is sent say who asked for it: for what the hub has made by itself, the one that it was made for.
func (r *OperationReconciler) nameRequester(ctx context.Context, op *opsv1alpha1.Operation, c *courier) error {
	by := op.Annotations[opsv1alpha1.AnnotationOnBehalfOf]
	if by == "" {
		return nil
	}
	own, err := r.isOwn(ctx, op)
	if own && err == nil {
		c.requestedBy = by
	}
	return err
}
