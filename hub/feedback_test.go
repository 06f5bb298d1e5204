// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"math"
	"strings"
	"testing"

	"k8s.io/utils/ptr"

	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// TestLyingCluster: a cluster that somebody has taken over says what he likes of itself, and spoils nothing that is said of the others.
func TestLyingCluster(t *testing.T) {
	plan := placement.Plan{Groups: []placement.Group{{Clusters: []string{"honest", "liar", "other"}}}}
	tally := placement.NewTally(plan)
	honest := workWith(succeeded(2))
	honest.Namespace = "honest"
	tally.Apply(resultOf(honest))
	for _, n := range []int64{math.MaxInt64, math.MinInt64, math.MaxInt32, -1} {
		liar := workWith(report{phase: opsv1alpha1.PhaseRunning, reason: strings.Repeat("r", 100_000), message: strings.Repeat("m", 100_000)})
		liar.Namespace = "liar"
		values := liar.Status.ResourceStatus.Manifests[0].StatusFeedbacks.Values
		for i := range values {
			if values[i].Value.Type == workv1.Integer {
				values[i].Value.Integer = ptr.To(n)
			}
		}
		r := resultOf(liar)
		if len(r.Reason) > maxReason || len(r.Message) > opsv1alpha1.MaxMessage {
			t.Errorf("%d bytes of reason, %d of message", len(r.Reason), len(r.Message))
		}
		tally.Apply(r)
		if c := tally.Instances(); c.Succeeded < 2 || c.Total < 2 || c.Total > maxInstances+2 || c.Failed < 0 {
			t.Errorf("after %d the instances are %+v", n, c)
		}
	}
	// It says that it is another one, and that it is a cluster which nobody asked.
	for _, name := range []string{"liar", "nobody"} {
		end := workWith(succeeded(1))
		end.Namespace = name
		tally.Apply(resultOf(end))
	}
	if r, _ := tally.Result("other"); r.State != "" || tally.Clusters().Succeeded != 2 {
		t.Errorf("the other cluster is %+v, clusters %+v", r, tally.Clusters())
	}
	late := workWith(report{phase: opsv1alpha1.PhaseFailed, reason: "SomeFailed"})
	late.Namespace = "liar"
	if tally.Apply(resultOf(late)) {
		t.Error("a cluster that has ended ended again, otherwise")
	}
}
