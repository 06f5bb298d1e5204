// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func TestMayHaveChanged(t *testing.T) {
	began := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		result ClusterResult
		want   bool
	}{
		"succeeded":                     {ClusterResult{State: Succeeded, Reason: opsv1alpha1.ReasonAllSucceeded}, true},
		"nothing matched":               {ClusterResult{State: Succeeded, Reason: opsv1alpha1.ReasonNoTargets, StartedAt: began}, false},
		"nothing to do":                 {ClusterResult{State: Succeeded, Reason: opsv1alpha1.ReasonNoChange}, false},
		"failed":                        {ClusterResult{State: Failed, Reason: opsv1alpha1.ReasonSomeFailed, StartedAt: began}, true},
		"failed before it began":        {ClusterResult{State: Failed, Reason: opsv1alpha1.ReasonDispatchFailed}, false},
		"a name of the hub is taken":    {ClusterResult{State: Failed, Reason: opsv1alpha1.ReasonNameConflict}, false},
		"a name there is taken":         {ClusterResult{State: Failed, Reason: opsv1alpha1.ReasonNameConflict, StartedAt: began}, true},
		"too late":                      {ClusterResult{State: Failed, Reason: opsv1alpha1.ReasonProgressDeadlineExceeded}, true},
		"did not answer":                {ClusterResult{State: Failed, Reason: opsv1alpha1.ReasonClusterUnreachable}, true},
		"did not answer and may":        {ClusterResult{State: Skipped, Reason: opsv1alpha1.ReasonClusterUnreachable}, true},
		"gone":                          {ClusterResult{State: Skipped, Reason: opsv1alpha1.ReasonClusterNotFound}, false},
		"cancelled":                     {ClusterResult{State: Cancelled, StartedAt: began}, true},
		"cancelled before it was begun": {ClusterResult{State: Cancelled}, false},
		"nobody knows":                  {ClusterResult{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.result.MayHaveChanged(); got != c.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestEndedAs(t *testing.T) {
	const fail, skip, away = opsv1alpha1.RetryFailed, opsv1alpha1.RetrySkipped, opsv1alpha1.RetryUnreachable
	all := []opsv1alpha1.RetryOutcome{fail, skip, away}
	for name, c := range map[string]struct {
		result ClusterResult
		as     []opsv1alpha1.RetryOutcome
		any    bool
	}{
		"succeeded":              {ClusterResult{State: Succeeded}, nil, false},
		"at work":                {ClusterResult{State: Running}, nil, false},
		"not started":            {ClusterResult{}, nil, false},
		"failed":                 {ClusterResult{State: Failed, Reason: opsv1alpha1.ReasonSomeFailed}, []opsv1alpha1.RetryOutcome{fail}, true},
		"did not answer":         {ClusterResult{State: Failed, Reason: opsv1alpha1.ReasonClusterUnreachable}, []opsv1alpha1.RetryOutcome{away}, true},
		"did not answer and may": {ClusterResult{State: Skipped, Reason: opsv1alpha1.ReasonClusterUnreachable}, []opsv1alpha1.RetryOutcome{skip, away}, true},
		"gone":                   {ClusterResult{State: Skipped, Reason: opsv1alpha1.ReasonClusterNotFound}, []opsv1alpha1.RetryOutcome{skip}, true},
		"cancelled":              {ClusterResult{State: Cancelled}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.result.EndedAs(nil); got != c.any {
				t.Errorf("in any way: %t", got)
			}
			var as []opsv1alpha1.RetryOutcome
			for _, o := range all {
				if c.result.EndedAs([]opsv1alpha1.RetryOutcome{o}) {
					as = append(as, o)
				}
			}
			if diff := cmp.Diff(c.as, as); diff != "" {
				t.Errorf("(- want, + got) %s", diff)
			}
		})
	}
}

func TestOnly(t *testing.T) {
	plan := Plan{Groups: []Group{{Name: "canary", Clusters: []string{"a"}}, {Name: "rest", Decision: 1, Clusters: []string{"b", "c", "d"}}}}
	got := plan.Only(func(c string) bool { return c == "b" || c == "d" })
	if diff := cmp.Diff([]Group{{Name: "rest", Decision: 1, Clusters: []string{"b", "d"}}}, got); diff != "" {
		t.Error(diff)
	}
	if len(plan.Groups[1].Clusters) != 3 || plan.Groups[1].Clusters[1] != "c" {
		t.Errorf("the plan was changed: %v", plan)
	}
}
func TestRetries(t *testing.T) {
	away, gone := ClusterResult{State: Failed, Reason: opsv1alpha1.ReasonClusterUnreachable}, ClusterResult{State: Skipped, Reason: opsv1alpha1.ReasonClusterNotFound}
	bad, good := ClusterResult{State: Failed, Reason: "EngineFailed"}, ClusterResult{State: Succeeded}
	skipped := ClusterResult{State: Skipped, Reason: opsv1alpha1.ReasonClusterUnreachable}
	for _, tc := range []struct {
		of   []opsv1alpha1.RetryOutcome
		want [5]bool
	}{
		{nil, [5]bool{true, true, true, false, true}},
		{[]opsv1alpha1.RetryOutcome{opsv1alpha1.RetryUnreachable}, [5]bool{true, false, false, false, true}},
		{[]opsv1alpha1.RetryOutcome{opsv1alpha1.RetryFailed}, [5]bool{false, false, true, false, false}},
		{[]opsv1alpha1.RetryOutcome{opsv1alpha1.RetrySkipped}, [5]bool{false, true, false, false, true}},
	} {
		for i, r := range []ClusterResult{away, gone, bad, good, skipped} {
			if got := r.Retries(tc.of); got != tc.want[i] {
				t.Errorf("a retry of %v, and %s/%s: %t", tc.of, r.State, r.Reason, got)
			}
		}
	}
}
