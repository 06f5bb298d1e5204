// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func windowOf(t testing.TB, schedule string, duration time.Duration, zone string) *Window {
	t.Helper()
	w, err := NewWindow(&opsv1alpha1.Window{Schedule: schedule, Duration: metav1.Duration{Duration: duration}, TimeZone: zone})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func moment(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestWindow(t *testing.T) {
	const h = time.Hour
	nightly := windowOf(t, "0 22 * * *", 4*h, "Europe/Zurich")
	for name, c := range map[string]struct {
		window *Window
		now    string
		opens  time.Duration
		closes string // when it is open now
	}{
		"before, in winter":             {nightly, "2026-11-29T20:00:00Z", h, ""},
		"open, in winter":               {nightly, "2026-11-29T21:00:00Z", 0, "2026-11-30T01:00:00Z"},
		"before, in summer":             {nightly, "2026-07-29T19:00:00Z", h, ""},
		"after midnight":                {nightly, "2026-11-30T00:59:59Z", 0, "2026-11-30T01:00:00Z"},
		"its last moment is over":       {nightly, "2026-11-30T01:00:00Z", 20 * h, ""},
		"less than a second before":     {nightly, "2026-11-29T20:59:59.5Z", time.Second, ""},
		"longer than its period":        {windowOf(t, "0 1,2 * * *", 2*h, ""), "2026-11-29T01:30:00Z", 0, "2026-11-29T04:00:00Z"},
		"openings that follow directly": {windowOf(t, "0 1,2 * * *", h, ""), "2026-11-29T01:30:00Z", 0, "2026-11-29T03:00:00Z"},
		"a day that is in no year soon": {windowOf(t, "0 0 29 2 *", h, ""), "2097-01-01T00:00:00Z", 2614 * 24 * h, ""},
		// On 2026-03-29 clocks go from 02:00 to 03:00 in Zurich, and back on 2026-10-25.
		"a night that is short":               {nightly, "2026-03-29T00:30:00Z", 0, "2026-03-29T01:00:00Z"},
		"before an hour that is left out":     {windowOf(t, "30 2 * * 0", 2*h, "Europe/Zurich"), "2026-03-29T00:00:00Z", h, ""},
		"an hour that is left out":            {windowOf(t, "30 2 * * 0", 2*h, "Europe/Zurich"), "2026-03-29T01:00:00Z", 0, "2026-03-29T03:00:00Z"},
		"an hour that comes twice, the first": {windowOf(t, "30 2 * * *", h/2, "Europe/Zurich"), "2026-10-25T00:45:00Z", 0, "2026-10-25T01:00:00Z"},
		"between the two":                     {windowOf(t, "30 2 * * *", h/2, "Europe/Zurich"), "2026-10-25T01:00:00Z", h / 2, ""},
		"the second":                          {windowOf(t, "30 2 * * *", h/2, "Europe/Zurich"), "2026-10-25T01:45:00Z", 0, "2026-10-25T02:00:00Z"},
		// There is no midnight on 2024-09-08 in Santiago: clocks go to 01:00.
		"a day without midnight": {windowOf(t, "0 3 8 9 *", h, "America/Santiago"), "2024-09-07T12:00:00Z", 18 * h, ""},
		// On Lord Howe Island clocks are changed by half an hour.
		"half an hour that is left out": {windowOf(t, "15 2 * * *", h, "Australia/Lord_Howe"), "2026-10-03T15:00:00Z", h / 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			now := moment(t, c.now)
			if got := c.window.Opens(now); got != c.opens {
				t.Errorf("opens after %s, want %s", got, c.opens)
			}
			want := now
			if c.closes != "" {
				want = moment(t, c.closes)
			}
			if got := c.window.Closes(now); !got.Equal(want) {
				t.Errorf("closes at %s, want %s", got.UTC(), want)
			}
		})
	}
}

func TestWindowOfNone(t *testing.T) {
	w, err := NewWindow(nil)
	if w != nil || err != nil {
		t.Fatalf("%v, %v", w, err)
	}
	now := moment(t, "2026-11-29T12:00:00Z")
	if w.Opens(now) != 0 || w.Closes(now) != now.Add(windowHorizon) || w.Start(now, 100*windowHorizon) != now {
		t.Error("no window is not always open")
	}
}

// TestWindowWithoutEnd: what never closes says so by the horizon, and does not take for ever to say it.
func TestWindowWithoutEnd(t *testing.T) {
	now := moment(t, "2026-11-29T12:00:00Z")
	if got := windowOf(t, "* * * * *", 3*time.Minute, "").Closes(now); !got.Equal(now.Add(windowHorizon)) {
		t.Errorf("closes at %s", got)
	}
}

func TestWindowRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		window opsv1alpha1.Window
		want   string
	}{
		"zone":         {opsv1alpha1.Window{Schedule: "@daily", TimeZone: "Zurich"}, `timeZone: "Zurich" is no time zone: use a name such as Europe/Zurich`},
		"local":        {opsv1alpha1.Window{Schedule: "@daily", TimeZone: "Local"}, `timeZone: "Local" is no time zone`},
		"six fields":   {opsv1alpha1.Window{Schedule: "0 0 0 * * *"}, "schedule: expected exactly 5 fields"},
		"no minute":    {opsv1alpha1.Window{Schedule: "61 * * * *"}, "schedule: end of range (61) above maximum (59)"},
		"no such day":  {opsv1alpha1.Window{Schedule: "0 0 30 2 *"}, "schedule: never comes"},
		"every":        {opsv1alpha1.Window{Schedule: "@every 1h"}, "schedule: @every is not allowed"},
		"zone twice":   {opsv1alpha1.Window{Schedule: "TZ=UTC 0 0 * * *"}, "schedule: TZ= is not allowed"},
		"no duration":  {opsv1alpha1.Window{Schedule: "@daily"}, "duration: must be more than 0"},
		"cron's words": {opsv1alpha1.Window{Schedule: "@noon"}, "schedule: unrecognized descriptor"},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := NewWindow(&c.window)
			if w != nil || err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%v, %v; want %s", w, err, c.want)
			}
		})
	}
}

func TestWindowStart(t *testing.T) {
	const h = time.Hour
	nightly := windowOf(t, "0 22 * * *", 4*h, "")
	uneven := windowOf(t, "0 1,2,12 * * *", h, "") // from 1 to 3, and from 12 to 13
	for name, c := range map[string]struct {
		window *Window
		now    string
		takes  time.Duration
		want   string // empty: never
	}{
		"closed":                     {nightly, "2026-11-29T12:00:00Z", 4 * h, "2026-11-29T22:00:00Z"},
		"open for long enough":       {nightly, "2026-11-29T23:00:00Z", 3 * h, "2026-11-29T23:00:00Z"},
		"open, and not for so long":  {nightly, "2026-11-29T23:00:01Z", 3 * h, "2026-11-30T22:00:00Z"},
		"too short, always":          {nightly, "2026-11-29T22:00:00Z", 5 * h, ""},
		"the next one is too short":  {uneven, "2026-11-29T11:00:00Z", 2 * h, "2026-11-30T01:00:00Z"},
		"two that follow each other": {uneven, "2026-11-29T01:00:00Z", 2 * h, "2026-11-29T01:00:00Z"},
		"once a year":                {windowOf(t, "0 0 1 6 *", 4*h, ""), "2026-06-01T12:00:00Z", 4 * h, "2027-06-01T00:00:00Z"},
		"once a year, and too short": {windowOf(t, "0 0 1 6 *", 4*h, ""), "2026-06-01T12:00:00Z", 5 * h, ""},
		"without end":                {windowOf(t, "@hourly", h, ""), "2026-11-29T12:30:00Z", 168 * h, "2026-11-29T12:30:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			var want time.Time
			if c.want != "" {
				want = moment(t, c.want)
			}
			if got := c.window.Start(moment(t, c.now), c.takes); !got.Equal(want) {
				t.Errorf("%s, want %s", got.UTC(), want)
			}
		})
	}
}

// minutes is what a window is held against: whether it is open, as told by looking at the clocks minute by minute, from a moment on.
type minutes struct {
	begins time.Time
	open   []bool
	length int
}

func stepped(w *Window, begins time.Time, n int) minutes {
	m := minutes{begins: begins, open: make([]bool, n), length: int(w.duration / time.Minute)}
	opened := -m.length
	for i := range n {
		at := begins.Add(time.Duration(i) * time.Minute).In(w.zone)
		// What the clocks have just left out opens now, too.
		for shown := onClock(at.Add(-time.Minute)); shown.Before(onClock(at)); shown = shown.Add(time.Minute) {
			if w.schedule.Next(shown).Equal(shown.Add(time.Minute)) {
				opened = i
			}
		}
		// Clocks that were put back show what they have shown before.
		if shown := onClock(at); w.schedule.Next(shown.Add(-time.Second)).Equal(shown) {
			opened = i
		}
		m.open[i] = i < opened+m.length
	}
	return m
}

// until is the first minute from i on at which it is open, or not; the last when there is none.
func (m minutes) until(i int, open bool) int {
	for i < len(m.open)-1 && m.open[i] != open {
		i++
	}
	return i
}

// held checks a window at minutes of some days, beginning so long before as it may stay open.
func (m minutes) held(t *testing.T, w *Window, what string, at func(i int) bool) {
	t.Helper()
	last := len(m.open) - 1
	for i := m.length; i < last; i++ {
		if !at(i) {
			continue
		}
		now := m.begins.Add(time.Duration(i) * time.Minute)
		if opens := m.until(i, true); opens < last {
			if got, want := w.Opens(now), time.Duration(opens-i)*time.Minute; got != want {
				t.Fatalf("%s: at %s it opens after %s, want %s", what, now.In(w.zone), got, want)
			}
		}
		if closes := m.until(i, false); closes < last {
			want := m.begins.Add(time.Duration(closes) * time.Minute)
			if got := w.Closes(now); !got.Equal(want) {
				t.Fatalf("%s: at %s it closes at %s, want %s", what, now.In(w.zone), got.In(w.zone), want.In(w.zone))
			}
			if got, takes := w.Start(now, want.Sub(now)), want.Sub(now); takes > 0 && !got.Equal(now) {
				t.Fatalf("%s: at %s what takes %s is not started, but at %s", what, now.In(w.zone), takes, got.In(w.zone))
			}
			if got := w.Start(now, want.Sub(now)+time.Second); got.Equal(now) {
				t.Fatalf("%s: at %s what ends after %s is started", what, now.In(w.zone), want.In(w.zone))
			}
		}
	}
}

// changes of clocks: by an hour, at midnight, by half an hour, by two, and a day that was left out.
var changes = []struct{ zone, at string }{
	{"Europe/Zurich", "2026-03-29T01:00:00Z"}, {"Europe/Zurich", "2026-10-25T01:00:00Z"},
	{"America/New_York", "2026-03-08T07:00:00Z"}, {"America/New_York", "2026-11-01T06:00:00Z"},
	{"America/Santiago", "2024-09-08T04:00:00Z"}, {"America/Santiago", "2024-04-07T03:00:00Z"},
	{"Australia/Lord_Howe", "2026-10-03T15:30:00Z"}, {"Australia/Lord_Howe", "2026-04-04T15:00:00Z"},
	{"Africa/Cairo", "2025-04-24T22:00:00Z"}, {"Antarctica/Troll", "2026-03-29T01:00:00Z"},
	{"Pacific/Apia", "2011-12-30T10:00:00Z"}, {"Asia/Kolkata", "2026-01-01T00:00:00Z"}, {"", "2026-01-01T00:00:00Z"},
}

// TestWindowOverChanges holds windows of many schedules against the clocks, minute by minute, around changes of these.
func TestWindowOverChanges(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	field := func(of, from int) string {
		switch random.IntN(4) {
		case 0:
			return "*"
		case 1:
			return fmt.Sprintf("*/%d", 1+random.IntN(of))
		case 2:
			return fmt.Sprintf("%d,%d", from+random.IntN(of), from+random.IntN(of))
		}
		return fmt.Sprint(from + random.IntN(of))
	}
	for _, c := range changes {
		schedules := []string{"30 2 * * *", "0 0 * * *", "15 2 * * 0", "0 2 * * 0", "59 23 * * *", "*/20 1-3 * * *"}
		for range 12 {
			schedules = append(schedules, strings.Join([]string{field(60, 0), field(24, 0), "*", "*", field(7, 0)}, " "))
		}
		for _, schedule := range schedules {
			length := []int{1, 30, 61, 300, 1500}[random.IntN(5)]
			w := windowOf(t, schedule, time.Duration(length)*time.Minute, c.zone)
			begins := moment(t, c.at).Add(-time.Duration(length)*time.Minute - 26*time.Hour)
			m := stepped(w, begins, length+52*60)
			offset := random.IntN(7)
			m.held(t, w, fmt.Sprintf("%q for %d minutes in %s", schedule, length, c.zone), func(i int) bool { return i%7 == offset })
		}
	}
}

// FuzzWindow: whatever a person writes, it compiles or is refused; and a window that compiles opens and closes when the clocks say so.
func FuzzWindow(f *testing.F) {
	f.Add("0 22 * * 1-5", "Europe/Zurich", int64(3600), int64(1_774_746_000))
	f.Add("@daily", "", int64(60), int64(0))
	f.Add("*/7 1-3 */2 * *", "America/Santiago", int64(86400), int64(1_725_768_000))
	f.Fuzz(func(t *testing.T, schedule, zone string, seconds, now int64) {
		if len(schedule) > 128 || len(zone) > 64 || seconds < 60 || seconds > 168*3600 || now < 0 || now > 1<<33 {
			return // the API server refuses it, and clocks before 1970 were changed by seconds
		}
		w, err := NewWindow(&opsv1alpha1.Window{Schedule: schedule, TimeZone: zone, Duration: metav1.Duration{Duration: time.Duration(seconds) * time.Second}})
		if err != nil {
			return
		}
		at := time.Unix(now, 0)
		if wait := w.Opens(at); wait > 0 && w.Opens(at.Add(wait)) != 0 {
			t.Errorf("%q in %q: closed when it said that it opens", schedule, zone)
		}
		if end := w.Closes(at); end.Sub(at) < windowHorizon && w.Opens(end) == 0 {
			t.Errorf("%q in %q: open when it said that it closes", schedule, zone)
		}
	})
}

// BenchmarkWindowStart: the worst that may be asked of a window is where a run fits that never does.
func BenchmarkWindowStart(b *testing.B) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		schedule string
		duration time.Duration
	}{{"0 22 * * *", 4 * time.Hour}, {"*/2 * * * *", time.Minute}, {"* * * * *", time.Minute}} {
		b.Run(c.schedule, func(b *testing.B) {
			w := windowOf(b, c.schedule, c.duration, "Europe/Zurich")
			for b.Loop() {
				w.Start(now, 5*time.Hour)
			}
		})
	}
}
