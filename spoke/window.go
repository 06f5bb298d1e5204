// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"fmt"
	"time"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/placement"
)

// shut says when the maintenance window opens in which an Operation may start; nothing when that is now. It is the Operation's own, or else that of the
// template, which may be nil.
func (v *visit) shut(template *catalog.Entry) (*blocker, error) {
	w, err := placement.NewWindow(v.op.Spec.MaintenanceWindow)
	if err != nil {
		return nil, fmt.Errorf("spec.maintenanceWindow.%w", err)
	}
	whose, takes, says := "this Operation (spec.maintenanceWindow)", time.Duration(0), ""
	if template != nil {
		name := "OperationTemplate " + template.Template.Name
		if v.op.Spec.MaintenanceWindow == nil {
			w, whose = template.Window(), name
		}
		if d := template.Template.Spec.ExpectedDuration; d != nil {
			takes, says = d.Duration, fmt.Sprintf("a run takes %s (spec.expectedDuration of %s), and ", d.Duration, name)
		}
	}
	return outside(w, v.now, takes, says, "the maintenance window of "+whose), nil
}

// outside is why a run that takes so long is not to start now: a window, and what says how long it takes, for people.
func outside(w *placement.Window, now time.Time, takes time.Duration, says, window string) *blocker {
	start, opens := w.Start(now, takes), now.Add(w.Opens(now))
	if start.Equal(now) {
		return nil
	}
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	var message string
	switch {
	case start.IsZero():
		message = says + window + " is never open for so long: make the window's duration longer, or expectedDuration shorter"
	case start.Equal(opens):
		message = window + " opens at " + at(opens)
	default:
		message = fmt.Sprintf("%s%s closes before that, at %s; it is next open for so long from %s on", says, window, at(w.Closes(opens)), at(start))
	}
	b := &blocker{reason: opsv1alpha1.ReasonOutsideMaintenanceWindow, message: message}
	if !start.IsZero() {
		b.opens = start.Sub(now)
	}
	return b
}
