// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub"
	"vworkspace.io/fleet/placement"
)

const (
	// lagRuns is how many of the last runs are looked at.
	lagRuns = 5
	// lagWatched is what results take at most where feedback is watched, in whole seconds; polled, it is ten and more.
	lagWatched = 6 * time.Second
	// lagLate is what a cluster's results take when something is wrong with it, as the alert VWorkspaceFeedbackLate has it.
	lagLate = time.Minute
)

// checkLag of the last runs' results: from the end on the cluster, by its clock, to when the hub heard of it, by its own.
func checkLag(ctx context.Context, s *Site, f *Findings) error {
	operations := &opsv1alpha1.OperationList{}
	if err := s.Client.List(ctx, operations); err != nil {
		return err
	}
	ended := slices.DeleteFunc(operations.Items, func(op opsv1alpha1.Operation) bool {
		return op.Status.Plan == nil || op.Status.FinishedAt == nil || !op.Status.Phase.Terminal()
	})
	slices.SortFunc(ended, func(a, b opsv1alpha1.Operation) int {
		return cmp.Compare(b.Status.FinishedAt.Unix(), a.Status.FinishedAt.Unix())
	})
	var results []placement.ClusterResult
	for i := range ended[:min(len(ended), lagRuns)] {
		some, _, err := hub.ReadResults(ctx, client.Reader(s.Client), &ended[i], 0)
		if err != nil {
			return err
		}
		results = append(results, some...)
	}
	judgeLag(f, results, s.Cluster)
	return nil
}

// judgeLag of the results of clusters, or of one.
func judgeLag(f *Findings, results []placement.ClusterResult, cluster string) {
	worst := map[string]time.Duration{} // by cluster, the last one that was seen
	var all []time.Duration
	for _, r := range results {
		if r.FinishedAt.IsZero() || r.EndedAt.IsZero() || cluster != "" && r.Cluster != cluster {
			continue
		}
		lag := r.EndedAt.Sub(r.FinishedAt)
		all = append(all, lag)
		if _, seen := worst[r.Cluster]; !seen {
			worst[r.Cluster] = lag
		}
	}
	if len(all) == 0 {
		f.skip("", "no fleet Operation has ended that would tell")
		return
	}
	var late, ahead []string
	for name, lag := range worst {
		switch {
		case lag > lagLate:
			late = append(late, fmt.Sprintf("%s (%s)", name, lag))
		case lag < -skewShown:
			ahead = append(ahead, fmt.Sprintf("%s (%s)", name, -lag))
		}
	}
	slices.Sort(all)
	median := all[len(all)/2]
	const fix = "docs/how-to/runbooks.md#vworkspacefeedbacklate: clocks first, then the klusterlet's version and the check informers"
	if len(ahead) > 0 {
		f.warn("set the clocks of these clusters by NTP", "clusters end before the hub's clock says so, so that their clocks are ahead of it: %s", several(sorted(ahead)))
	}
	if len(late) > 0 {
		f.warn(fix, "results came late, or clocks are behind: %s", several(sorted(late)))
	}
	if median > lagWatched {
		f.warn(fix, "half of the results took more than %s: feedback is polled rather than watched (feedbackScrapeType Watch), or clocks are behind", median)
	}
	if !f.bad() {
		f.ok("half of the last %d results took %s or less, so that feedback is watched", len(all), max(median, time.Second))
	}
}
