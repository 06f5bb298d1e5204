// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"testing"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func TestApproval(t *testing.T) {
	asks := func(policy *opsv1alpha1.ApprovalPolicy) *Entry {
		return &Entry{Template: &opsv1alpha1.OperationTemplate{Spec: opsv1alpha1.OperationTemplateSpec{Approval: policy}}}
	}
	nothing, required, eyes := asks(nil), asks(&opsv1alpha1.ApprovalPolicy{Required: true}), asks(&opsv1alpha1.ApprovalPolicy{FourEyes: true})
	for name, c := range map[string]struct {
		entries []*Entry
		want    opsv1alpha1.ApprovalPolicy
	}{
		"none":             {},
		"one without":      {[]*Entry{nothing}, opsv1alpha1.ApprovalPolicy{}},
		"one of several":   {[]*Entry{nothing, required}, opsv1alpha1.ApprovalPolicy{Required: true}},
		"each asks a part": {[]*Entry{eyes, nothing, required}, opsv1alpha1.ApprovalPolicy{Required: true, FourEyes: true}},
	} {
		if got := Approval(c.entries...); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
