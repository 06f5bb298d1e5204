// SPDX-License-Identifier: Apache-2.0

package steer

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

var update = flag.Bool("update", false, "write what is made into testdata")

// everything that a spec may say, also what must not be said again.
func everything(op *opsv1alpha1.Operation) {
	gated("canary", "eu")(op)
	op.Name = "a-name-that-is-longer-than-what-is-kept-of-it"
	op.Spec.Rollout.PromotedGroups, op.Spec.Rollout.OnBreach = []string{"canary"}, opsv1alpha1.BreachRollback
	op.Spec.Suspend, op.Spec.Retry = true, &opsv1alpha1.RetrySpec{Attempt: 3}
	op.Spec.Approvals = &opsv1alpha1.ApprovalsSpec{Required: true, ApprovedBy: "alice", ApprovedAt: "2030-01-02T03:04:05Z"}
	op.Spec.TemplateRef, op.Spec.ConcurrencyKey = &opsv1alpha1.TemplateRef{Name: "upgrade-helm"}, "shops"
	op.Status.Template = &opsv1alpha1.TemplateStatus{Name: "upgrade-helm", Digest: "x"}
}

func TestAgain(t *testing.T) {
	retry := func(op *opsv1alpha1.Operation) (Step, error) {
		return Retry(op, []opsv1alpha1.RetryOutcome{opsv1alpha1.RetryFailed})
	}
	all := func(op *opsv1alpha1.Operation) (Step, error) { return Retry(op, nil) }
	for name, tt := range map[string]struct {
		do func(*opsv1alpha1.Operation) (Step, error)
		op *opsv1alpha1.Operation
	}{
		"retry":           {retry, operation(failed, everything)},
		"retry-skipped":   {all, operation(succeeded, counts(opsv1alpha1.Counts{Total: 2, Succeeded: 1, Skipped: 1}))},
		"retry-one":       {all, operation(failed, oneTarget)},
		"retry-unplanned": {all, operation(failed, func(op *opsv1alpha1.Operation) { op.Status.Plan = nil })},
		"rollback":        {Rollback, operation(failed, everything)},
		"rollback-one":    {Rollback, operation(succeeded, oneTarget)},
	} {
		t.Run(name, func(t *testing.T) {
			before := tt.op.DeepCopy()
			step, err := tt.do(tt.op)
			if err != nil || step.Create == nil || step.Says == "" {
				t.Fatal(step, err)
			}
			if diff := cmp.Diff(before, tt.op); diff != "" {
				t.Error("the Operation was changed:", diff)
			}
			golden(t, name+".yaml", step.Create)
		})
	}
}

func golden(t *testing.T, name string, op *opsv1alpha1.Operation) {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(op)
	if err != nil {
		t.Fatal(err)
	}
	delete(content, "status")
	delete(content["metadata"].(map[string]any), "creationTimestamp")
	got, err := yaml.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
