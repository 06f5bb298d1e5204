// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"errors"
	"fmt"
	"time"
	_ "time/tzdata" // images have no time zones of their own

	"github.com/robfig/cron/v3"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// window is a compiled MaintenanceWindow.
type window struct {
	schedule cron.Schedule
	duration time.Duration
	zone     *time.Location
}

// scheduleParser takes the five fields of cron, and @daily and the like. Not a time zone: that is a field of its own.
var scheduleParser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

func compileWindow(w *opsv1alpha1.Window) (*window, error) {
	if w == nil {
		return nil, nil
	}
	zone, err := time.LoadLocation(w.TimeZone)
	if err != nil || w.TimeZone == "Local" {
		return nil, fmt.Errorf("timeZone: %q is no time zone: use a name such as Europe/Zurich", w.TimeZone)
	}
	schedule, err := parseSchedule(w.Schedule)
	if err != nil {
		return nil, fmt.Errorf("schedule: %w", err)
	}
	if schedule.Next(time.Unix(0, 0)).IsZero() {
		return nil, errors.New("schedule: never comes: no month of it has such a day")
	}
	return &window{schedule, w.Duration.Duration, zone}, nil
}

func parseSchedule(text string) (cron.Schedule, error) {
	for _, prefix := range []string{"TZ=", "CRON_TZ=", "@every"} {
		if len(text) >= len(prefix) && text[:len(prefix)] == prefix {
			return nil, fmt.Errorf("%s is not allowed: say five cron fields, or @hourly, @daily, @weekly, @monthly; the time zone is a field of its own", prefix)
		}
	}
	return scheduleParser.Parse(text)
}

// Opens says for how long a template's window stays closed at a moment; 0 when it is open, or when there is none.
func (e *Entry) Opens(now time.Time) time.Duration {
	if e.window == nil {
		return 0
	}
	now = now.In(e.window.zone)
	// The latest opening that may still hold began after now minus the duration.
	next := e.window.schedule.Next(now.Add(-e.window.duration))
	if next.IsZero() || next.After(now) {
		return max(e.window.schedule.Next(now).Sub(now), time.Second)
	}
	return 0
}
