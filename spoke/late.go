// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"fmt"
	"time"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// The hub's delivery is put back by the work agent when it is missing, as long as that agent has not been able to tell the hub that the run has ended:
// while the hub is away, say. A record that was swept away meanwhile would come back as a new request, and run a second time. So a delivery has a time
// until which it may arrive. Until then its record is kept, whatever its TTL; what arrives after it is not run.

// lateGrace is added to that time, which is of the hub's clock, for a cluster whose clock is ahead.
const lateGrace = 5 * time.Minute

// startBefore is until when a delivered Operation may arrive; zero for any other.
func startBefore(op *opsv1alpha1.Operation) time.Time {
	t, err := time.Parse(time.RFC3339, op.Annotations[opsv1alpha1.AnnotationStartBefore])
	if err != nil {
		return time.Time{}
	}
	return t.Add(lateGrace)
}

// late tells whether an Operation has arrived after its time. One that has been looked at before has arrived before.
func (v *visit) late() bool {
	by := startBefore(v.op)
	return v.op.Status.Phase == "" && !by.IsZero() && !v.now.Before(by)
}

func (v *visit) tooLate() string {
	return fmt.Sprintf("it arrived at %s, and was to be started by %s: it may have run before, and its record been swept away since, so it is not run (again)",
		v.now.UTC().Format(time.RFC3339), startBefore(v.op).UTC().Format(time.RFC3339))
}

// sweptAt is when a record may go that has no more use at a time: not before what it is the record of can no longer be started again.
func (v *visit) sweptAt(useless time.Time) time.Time {
	if by := startBefore(v.op); by.After(useless) {
		return by
	}
	return useless
}
