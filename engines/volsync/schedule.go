// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/robfig/cron/v3"
)

// What VolSync v0.14 takes as a schedule: its CRD by the pattern, and then its controller by the parser.
var (
	schedulePattern = regexp.MustCompile(`^(@(annually|yearly|monthly|weekly|daily|hourly)|(((\d+,)*\d+|\d+[/-]\d+|\*(/\d+)?)\s?){5})$`)
	scheduleParser  = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
)

// checkSchedule lets through what both take. A schedule that never comes is refused: VolSync then synchronizes without end.
func checkSchedule(schedule string) error {
	parsed, err := scheduleParser.Parse(schedule)
	switch {
	case err != nil:
		return fmt.Errorf("must be @hourly, @daily, @weekly, @monthly, @yearly, or five cron fields such as 30 2 * * *: %w", err)
	case !schedulePattern.MatchString(schedule):
		return errors.New("VolSync takes in each field one number, a list of numbers, a range such as 1-5, or a step such as */15, " +
			"with one blank between fields, and no names")
	case parsed.Next(time.Now()).IsZero():
		return errors.New("never comes: no month of it has such a day")
	}
	return nil
}
