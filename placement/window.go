// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // images have no time zones of their own

	"github.com/robfig/cron/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// windowHorizon is how far ahead a window is looked at: a window that has not ended by then does not, and what does not fit by then does not.
const windowHorizon = 5 * 7 * 24 * time.Hour

// Window is a maintenance window that makes sense. It opens whenever the clocks of its time zone show a minute of its schedule, and stays open for its
// duration. An hour that comes twice, because clocks are put back, opens it twice; what an hour that is left out, because they are put forward, would have
// opened opens at the moment of the change. A nil Window is always open.
type Window struct {
	schedule cron.Schedule
	duration time.Duration
	zone     *time.Location
}

// scheduleParser takes the five fields of cron, and @daily and the like. Not a time zone: that is a field of its own.
var scheduleParser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// ValidateWindow says what is wrong with the maintenance window of an Operation.
func ValidateWindow(spec opsv1alpha1.OperationSpec) field.ErrorList {
	if _, err := NewWindow(spec.MaintenanceWindow); err != nil {
		return field.ErrorList{field.Invalid(field.NewPath("spec", "maintenanceWindow"), field.OmitValueType{}, err.Error())}
	}
	return nil
}

// NewWindow compiles a window; nil for none. The error begins with the field that is wrong, and says what to write instead.
func NewWindow(w *opsv1alpha1.Window) (*Window, error) {
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
	if w.Duration.Duration <= 0 {
		return nil, errors.New("duration: must be more than 0, such as 4h")
	}
	return &Window{schedule, w.Duration.Duration, zone}, nil
}

func parseSchedule(text string) (cron.Schedule, error) {
	for _, prefix := range []string{"TZ=", "CRON_TZ=", "@every"} {
		if strings.HasPrefix(text, prefix) {
			return nil, fmt.Errorf("%s is not allowed: say five cron fields, or @hourly, @daily, @weekly, @monthly; the time zone is a field of its own", prefix)
		}
	}
	schedule, err := scheduleParser.Parse(text)
	if err != nil {
		return nil, err
	}
	if schedule.Next(time.Unix(0, 0).UTC()).IsZero() {
		return nil, errors.New("never comes: no month of it has such a day")
	}
	return schedule, nil
}

// Opens says for how long the window stays closed at a moment; 0 when it is open.
func (w *Window) Opens(now time.Time) time.Duration {
	if w == nil {
		return 0
	}
	// The latest opening that may still hold began after now minus the duration.
	next := w.next(now.Add(-w.duration))
	if !next.After(now) {
		return 0
	}
	return max(next.Sub(now), time.Second)
}

// Closes is when the window that is open at a moment ends: not before the last of those openings that overlap, or follow without a gap. A window that has
// not ended within five weeks counts as open until then. It is now when the window is closed.
func (w *Window) Closes(now time.Time) time.Time {
	return w.closes(now, now.Add(windowHorizon))
}

// closes is Closes, and looks no further than to a limit.
func (w *Window) closes(now, limit time.Time) time.Time {
	if w == nil {
		return limit
	}
	for end := now; end.Before(limit); {
		last, open := w.last(end)
		if !open {
			return end
		}
		end = last.Add(w.duration)
	}
	return limit
}

// last is the latest of the openings that hold at a moment, or begin at it. It tells whether there is one.
func (w *Window) last(now time.Time) (time.Time, bool) {
	last := w.next(now.Add(-w.duration))
	if last.After(now) {
		return time.Time{}, false
	}
	if w.next(last).After(now) {
		return last, true
	}
	for to := now; to.Sub(last) > time.Second; { // none begins between to and now
		half := last.Add(to.Sub(last) / 2)
		if next := w.next(half); next.After(now) {
			to = half
		} else {
			last = next
		}
	}
	return last, true
}

// Start is the first moment, from now on, at which a run that takes so long may be started: the window is open, and stays so until it has ended. It is zero
// when the window is never open for so long within five weeks, nor when it opens the next time.
func (w *Window) Start(now time.Time, takes time.Duration) time.Time {
	for at := now; at.Before(now.Add(windowHorizon)); {
		at = at.Add(w.Opens(at))
		end := at.Add(takes)
		closes := w.closes(at, end)
		if !closes.Before(end) {
			return at
		}
		at = closes
	}
	return time.Time{}
}

// next is the first opening after a moment, to the second. Between two changes of its clocks a time zone has neither missing nor repeated hours, and the
// schedule is asked what they show.
func (w *Window) next(after time.Time) time.Time {
	at := after.In(w.zone)
	for shown := onClock(at); ; {
		next := w.shows(shown)
		opens := at.Add(next.Sub(onClock(at)))
		_, change := at.ZoneBounds()
		switch {
		case change.IsZero() || opens.Before(change):
			return opens
		case next.Before(onClock(change)):
			return change // what it would have opened at is left out
		}
		at, shown = change, onClock(change).Add(-time.Nanosecond)
	}
}

// shows is when clocks next show a minute of the schedule, which the library looks for in five years: the last day of February is not in all of them.
func (w *Window) shows(after time.Time) time.Time {
	for {
		if next := w.schedule.Next(after); !next.IsZero() {
			return next
		}
		after = after.AddDate(1, 0, 0)
	}
}

// onClock is what the clocks of a moment's time zone show, as if it were UTC.
func onClock(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.Add(time.Duration(offset) * time.Second).UTC()
}
