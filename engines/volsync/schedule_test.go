// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"strings"
	"testing"
)

func TestCheckSchedule(t *testing.T) {
	for _, schedule := range []string{
		"*/15 * * * *", "30 2 * * *", "30 2 * * 1-5", "0,20,40 0 1 1 0,6", "5/10 0/6 * * *", "0 0 29 2 *", "0 0 31 2,3 *",
		"0 0 31 2 1", // every Monday in February
		"@daily", "@annually",
	} {
		if err := checkSchedule(schedule); err != nil {
			t.Errorf("%q: %v", schedule, err)
		}
	}
	for schedule, why := range map[string]string{
		"":                    "five cron fields",
		"0 2 * *":             "five cron fields",
		"0 0 2 * * *":         "five cron fields",
		"60 * * * *":          "five cron fields",
		"0 24 * * *":          "five cron fields",
		"0 0 0 * *":           "five cron fields",
		"0 0 * * 7":           "five cron fields",
		"*/0 * * * *":         "five cron fields",
		"10-5 * * * *":        "five cron fields",
		"@reboot":             "five cron fields",
		"@every 1h":           "no names",
		"@midnight":           "no names",
		"TZ=UTC 0 2 * * *":    "no names",
		"0 0 * * mon":         "no names",
		"0-30/5 * * * *":      "no names",
		"1-5,7 * * * *":       "no names",
		"30  2 * * *":         "one blank",
		"0 0 30 2 *":          "never comes",
		"0 0 31 2,4,6,9,11 *": "never comes",
	} {
		if err := checkSchedule(schedule); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: got %v; want an error with %q", schedule, err, why)
		}
	}
}
