// SPDX-License-Identifier: Apache-2.0

package steer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Approval is what a person agrees to.
type Approval struct {
	// By is the person's name, as the API server knows it, and At the time.
	By string
	At time.Time
	// Claim is a signed approval, in place of the name.
	Claim string
	// Groups of the rollout that may begin; where none is named, and one waits, it is that one.
	Groups []string
}

// Approve an Operation that waits for it. It is guarded: what a person agrees to is the Operation as it was read.
func Approve(op *opsv1alpha1.Operation, a Approval) (Step, error) {
	if op.Status.Phase.Terminal() {
		return Step{}, ended(op, "an approval comes too late")
	}
	groups := a.Groups
	if len(groups) == 0 && a.Claim == "" && blockedBy(op, opsv1alpha1.ReasonAwaitingGroupApproval) && op.Status.Rollout != nil {
		groups = []string{op.Status.Rollout.Group}
	}
	if len(groups) > 0 {
		return approveGroups(op, groups)
	}
	approvals := op.Spec.Approvals
	switch {
	case op.Status.Approval != nil:
		return Step{Says: "was approved already, by " + op.Status.Approval.By}, nil
	case op.Status.StartedAt != nil:
		return Step{}, fmt.Errorf("%s has begun: it waits for no approval", op.Name)
	case a.Claim != "":
		return Step{Patch: map[string]any{"approvals": map[string]any{"claim": a.Claim}}, Guarded: true, Says: "given the claim: it begins when that is verified and nothing else is in its way"}, nil
	case approvals != nil && approvals.Claim != "":
		return Step{}, fmt.Errorf("%s has a claim, beside which no name counts: put it right by --claim", op.Name)
	case approvals != nil && approvals.ApprovedBy == a.By:
		return Step{Says: "was approved already, by you"}, nil
	}
	patch := map[string]any{"approvals": map[string]any{"approvedBy": a.By, "approvedAt": a.At.UTC().Format(time.RFC3339)}}
	return Step{Patch: patch, Guarded: true, Says: fmt.Sprintf("approved by %s: it begins when nothing else is in its way", a.By)}, nil
}

// approveGroups of a rollout.
func approveGroups(op *opsv1alpha1.Operation, groups []string) (Step, error) {
	rollout := op.Spec.Rollout
	if rollout == nil || rollout.Gate != opsv1alpha1.GatePerGroup {
		return Step{}, fmt.Errorf("--group: the groups of %s wait for nobody: spec.rollout.gate is not PerGroup", op.Name)
	}
	all := slices.Clone(rollout.ApprovedGroups)
	for _, g := range groups {
		if !slices.Contains(all, g) {
			all = append(all, g)
		}
	}
	names := strings.Join(groups, ", ")
	if len(all) == len(rollout.ApprovedGroups) {
		return Step{Says: fmt.Sprintf("group %s was approved already", names)}, nil
	}
	return Step{
		Patch: map[string]any{"rollout": map[string]any{"approvedGroups": all}}, Guarded: true,
		Says: fmt.Sprintf("group %s approved: it begins in its turn", names),
	}, nil
}
