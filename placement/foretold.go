// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"fmt"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Foretold is the end of a dry run that went to the clusters: on how many of them, and on how many instances, a run would start. A cluster that could not say is
// a failure, as in any run.
func (t *Tally) Foretold(d Decision) Decision {
	if d.Phase != opsv1alpha1.PhaseSucceeded {
		return d
	}
	clusters := 0
	for i := range t.results {
		if t.results[i].Instances.Pending > 0 {
			clusters++
		}
	}
	n := t.instances
	d.Reason = opsv1alpha1.ReasonDryRun
	d.Message = fmt.Sprintf("would run on %d instances of %d clusters, of %d that were asked", n.Pending, clusters, t.counts.Succeeded)
	for _, part := range []struct {
		n    int32
		what string
	}{{n.Blocked, "instances would wait"}, {n.Failed, "instances would be refused"}, {t.counts.Skipped, "clusters were left out"}} {
		if part.n > 0 {
			d.Message += fmt.Sprintf("; %d %s", part.n, part.what)
		}
	}
	for i := range t.results {
		if r := &t.results[i]; r.Instances.Blocked+r.Instances.Failed > 0 || r.State == Skipped {
			d.Message += fmt.Sprintf("; %s: %s", r.Cluster, r.Cause())
			break
		}
	}
	return d
}
