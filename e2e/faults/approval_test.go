// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/approvals"
	"vworkspace.io/fleet/approvals/approvalstest"
	"vworkspace.io/fleet/e2e/install"
)

// approver signs what stories have approved.
var approver = approvalstest.HS256("stories", []byte(strings.Repeat("known to nobody ", 3)))

// approvedOnce is the claim for the tool, the same in every telling, so that what comes out is the same.
var approvedOnce = sync.OnceValues(func() (string, error) {
	digest, err := approvals.Digest(tool("op"))
	if err != nil {
		return "", err
	}
	issued := time.Now().Add(-24 * time.Hour) // clocks are put back in some tellings
	return approver.Sign(map[string]any{
		"aud": approvals.Audience, "sub": "alice", "digest": digest, "jti": "once", "iat": issued.Unix(), "exp": issued.Add(approvals.MaxLifetime).Unix(),
	})
})

// approvalKeys are where the hub looks for them.
func approvalKeys(w *World) error {
	return w.Create(OnHub, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: install.HubNamespace, Name: opsv1alpha1.DefaultApprovalKeys}, Data: map[string][]byte{approver.KeyID: approver.Entry},
	})
}

// approvedTool is the tool with a claim for it; it has none that is good when that could not be signed.
func approvedTool(name string) *opsv1alpha1.Operation {
	claim, err := approvedOnce()
	if err != nil {
		claim = err.Error()
	}
	op := tool(name)
	op.Spec.Approvals = &opsv1alpha1.ApprovalsSpec{Required: true, Claim: claim}
	return op
}
