// SPDX-License-Identifier: Apache-2.0

package placement

import opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"

// rollBack starts nothing any more. What is at work goes on to its end, and nothing soaks: after that it is put back.
func (d Decision) rollBack(group int, tally *Tally) Decision {
	d.RollBack, d.Group, d.Skip = true, group, tally.NotStarted(0)
	if !d.Done {
		d.Reason, d.Message = opsv1alpha1.ReasonRollingBack, "rolling back, when what is at work has ended: "+d.Message
	}
	return d
}
