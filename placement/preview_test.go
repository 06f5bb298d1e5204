// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"strings"
	"testing"
	"time"

	"k8s.io/utils/ptr"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func TestForesee(t *testing.T) {
	well := func(change func(*ClusterFacts)) ClusterFacts {
		f := ClusterFacts{There: true, Available: true, Agent: true, Claimed: ptr.To(2)}
		if change != nil {
			change(&f)
		}
		return f
	}
	skip := opsv1alpha1.OperationSpec{Rollout: &opsv1alpha1.RolloutSpec{Unreachable: &opsv1alpha1.UnreachableSpec{Policy: opsv1alpha1.UnreachableSkip}}}
	required := opsv1alpha1.OperationSpec{Selector: &opsv1alpha1.InstanceSelector{Required: true}}
	for name, c := range map[string]struct {
		facts  ClusterFacts
		spec   opsv1alpha1.OperationSpec
		would  Outlook
		reason string
		words  string
	}{
		"all is well":        {well(nil), skip, WouldRun, "", ""},
		"gone":               {ClusterFacts{}, skip, WouldLeaveOut, opsv1alpha1.ReasonClusterNotFound, "does not exist"},
		"away":               {well(func(f *ClusterFacts) { f.Available, f.Message = false, "no lease" }), opsv1alpha1.OperationSpec{}, WouldWait, opsv1alpha1.ReasonClusterUnreachable, "given up after 1m0s: no lease"},
		"away and left out":  {well(func(f *ClusterFacts) { f.Available = false }), skip, WouldLeaveOut, opsv1alpha1.ReasonClusterUnreachable, "left out after 1m0s"},
		"no agent":           {ClusterFacts{There: true, Available: true}, skip, WouldWait, opsv1alpha1.ReasonAgentMissing, "no vWorkspace agent"},
		"no engine":          {well(func(f *ClusterFacts) { f.LacksEngine = true }), skip, WouldWait, opsv1alpha1.ReasonEngineNotInstalled, "does not claim the engine"},
		"nothing there":      {well(func(f *ClusterFacts) { f.Claimed, f.LacksEngine = ptr.To(0), true }), skip, WouldLeaveOut, opsv1alpha1.ReasonNoTargets, "nothing runs there"},
		"nothing, required":  {well(func(f *ClusterFacts) { f.Claimed = ptr.To(0) }), required, WouldWait, opsv1alpha1.ReasonNoTargets, "it fails after 1m0s"},
		"delivered, unheard": {well(func(f *ClusterFacts) { f.Claimed, f.Delivered = ptr.To(0), 1 }), skip, WouldRun, "", ""},
		"cordoned":           {well(func(f *ClusterFacts) { f.Cordons = []string{"drain", "x"} }), skip, WouldRun, "", "tainted drain, x"},
	} {
		would, reason, message := Foresee(c.facts, c.spec, time.Minute)
		if would != c.would || reason != c.reason || !strings.Contains(message, c.words) || c.words == "" && message != "" {
			t.Errorf("%s: %s %s %q", name, would, reason, message)
		}
	}
}

func TestForetold(t *testing.T) {
	apply := func(results ...ClusterResult) (*Tally, Decision) {
		tally := NewTally(planOf(len(results)))
		for i, r := range results {
			r.Cluster = tally.clusters[i]
			tally.Apply(r)
		}
		d := Decision{}
		d.conclude(tally)
		return tally, tally.Foretold(d)
	}
	would := func(pending, blocked, failed int32) ClusterResult {
		return ClusterResult{State: Succeeded, Reason: opsv1alpha1.ReasonDryRun, Message: "would", Instances: opsv1alpha1.Counts{
			Total: pending + blocked + failed, Pending: pending, Blocked: blocked, Failed: failed,
		}}
	}
	nothing := ClusterResult{State: Succeeded, Reason: opsv1alpha1.ReasonNoTargets}
	for name, c := range map[string]struct {
		results []ClusterResult
		phase   opsv1alpha1.OperationPhase
		reason  string
		message string
	}{
		"all": {[]ClusterResult{would(2, 0, 0), would(1, 0, 0), nothing}, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonDryRun,
			"would run on 3 instances of 2 clusters, of 3 that were asked"},
		"some": {[]ClusterResult{would(2, 0, 0), would(0, 1, 2), {State: Skipped, Message: "gone"}}, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonDryRun,
			"would run on 2 instances of 1 clusters, of 2 that were asked; 1 instances would wait; 2 instances would be refused; 1 clusters were left out; cluster-00001: would"},
		"none":   {[]ClusterResult{nothing, nothing}, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonDryRun, "would run on 0 instances of 0 clusters, of 2 that were asked"},
		"failed": {[]ClusterResult{would(1, 0, 0), {State: Failed, Message: "no"}}, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed, "1 of 2 clusters failed: cluster-00001: no"},
		"cancelled": {[]ClusterResult{would(1, 0, 0), {State: Cancelled}}, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled,
			"cancelled on 1 of 2 clusters, 1 had succeeded"},
	} {
		_, d := apply(c.results...)
		if d.Phase != c.phase || d.Reason != c.reason || d.Message != c.message {
			t.Errorf("%s: %s", name, d)
		}
	}
}
