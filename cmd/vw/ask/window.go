// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// Window that is written as "SCHEDULE for DURATION", with "in ZONE" behind it for a time zone other than UTC; nil for an empty text.
func Window(text string) (*opsv1alpha1.Window, error) {
	if text == "" {
		return nil, nil
	}
	schedule, rest, found := strings.Cut(text, " for ")
	if !found {
		return nil, invalid("window", `%q is not "SCHEDULE for DURATION", such as "0 22 * * 1-5 for 6h in Europe/Zurich"`, text)
	}
	duration, zone, _ := strings.Cut(rest, " in ")
	long, err := time.ParseDuration(strings.TrimSpace(duration))
	if err != nil {
		return nil, invalid("window", "%q is not a time such as 6h or 90m", duration)
	}
	w := &opsv1alpha1.Window{Schedule: strings.TrimSpace(schedule), Duration: metav1.Duration{Duration: long}, TimeZone: strings.TrimSpace(zone)}
	if _, err := placement.NewWindow(w); err != nil {
		return nil, invalid("window", "%v", err)
	}
	return w, nil
}
