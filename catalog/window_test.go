// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func window1(schedule, duration, zone string) func(*opsv1alpha1.OperationTemplateSpec) {
	return func(s *opsv1alpha1.OperationTemplateSpec) {
		d, err := time.ParseDuration(duration)
		if err != nil {
			panic(err)
		}
		s.MaintenanceWindow = &opsv1alpha1.Window{Schedule: schedule, Duration: metav1.Duration{Duration: d}, TimeZone: zone}
	}
}

func TestOpens(t *testing.T) {
	nightly := compiled(t, window1("0 22 * * *", "4h", "Europe/Zurich"))
	for name, c := range map[string]struct {
		entry *Entry
		now   string
		want  time.Duration
	}{
		"no window":               {compiled(t, func(*opsv1alpha1.OperationTemplateSpec) {}), "2026-11-29T12:00:00Z", 0},
		"before, in winter":       {nightly, "2026-11-29T20:00:00Z", time.Hour},
		"open, in winter":         {nightly, "2026-11-29T21:00:00Z", 0},
		"before, in summer":       {nightly, "2026-07-29T19:00:00Z", time.Hour},
		"after midnight":          {nightly, "2026-11-30T00:59:59Z", 0},
		"its last moment is over": {nightly, "2026-11-30T01:00:00Z", 20 * time.Hour},
		// On 2026-03-29 clocks go from 02:00 to 03:00 in Zurich, and back on 2026-10-25.
		"a night that is short":  {nightly, "2026-03-29T00:30:00Z", 0},
		"an hour that is not":    {compiled(t, window1("30 2 * * *", "1h", "Europe/Zurich")), "2026-03-29T00:00:00Z", 24*time.Hour + 30*time.Minute},
		"an hour that is twice":  {compiled(t, window1("30 2 * * *", "30m", "Europe/Zurich")), "2026-10-25T00:45:00Z", 0},
		"longer than its period": {compiled(t, window1("0 * * * *", "2h", "")), "2026-11-29T12:59:00Z", 0},
	} {
		t.Run(name, func(t *testing.T) {
			now, err := time.Parse(time.RFC3339, c.now)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.entry.Opens(now); got != c.want {
				t.Errorf("opens after %s, want %s", got, c.want)
			}
		})
	}
}

// FuzzWindow: whatever a template's author writes, it compiles or is refused, and a window that compiles opens some day.
func FuzzWindow(f *testing.F) {
	f.Add("0 22 * * 1-5", "Europe/Zurich", int64(3600))
	f.Add("@daily", "", int64(60))
	f.Fuzz(func(t *testing.T, schedule, zone string, seconds int64) {
		if len(schedule) > 128 || len(zone) > 64 || seconds < 60 || seconds > 168*3600 {
			return // the API server refuses it
		}
		w, err := compileWindow(&opsv1alpha1.Window{Schedule: schedule, TimeZone: zone, Duration: metav1.Duration{Duration: time.Duration(seconds) * time.Second}})
		if err != nil {
			return
		}
		e := &Entry{window: w}
		now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
		if wait := e.Opens(now); wait > 0 && e.Opens(now.Add(wait)) != 0 {
			t.Errorf("%q in %q: closed when it said that it opens", schedule, zone)
		}
	})
}
