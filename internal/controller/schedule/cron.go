package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // the image has no database of time zones

	"github.com/robfig/cron/v3"
)

// least is the shortest time between two runs that "@every" can ask for.
const least = 10 * time.Second

const every = "@every "

// parse gives the first run after a time. Runs of "@every" are counted from the creation of the schedule, so that their times are the
// same whoever asks, and when.
func parse(spec, zone string, created time.Time) (next func(after time.Time) time.Time, err error) {
	if zone == "Local" {
		return nil, errors.New("spec.timeZone: Local is the operator's own, name one of the IANA database")
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		return nil, fmt.Errorf("spec.timeZone: %w", err)
	}
	if strings.Contains(spec, "TZ=") { // the parser ends in a panic for some of them
		return nil, errors.New("spec.schedule: name the time zone in timeZone")
	}
	if duration, ok := strings.CutPrefix(spec, every); ok {
		return parseEvery(duration, created)
	}
	parsed, err := cron.ParseStandard(spec)
	if err != nil {
		return nil, fmt.Errorf("spec.schedule: %w", err)
	}
	fields, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("spec.schedule: %q is none of the forms that are known", spec)
	}
	fields.Location = location
	return fields.Next, nil
}

func parseEvery(duration string, created time.Time) (func(time.Time) time.Time, error) {
	period, err := time.ParseDuration(duration)
	if err != nil {
		return nil, fmt.Errorf("spec.schedule: @every: %w", err)
	}
	if period < least {
		return nil, fmt.Errorf("spec.schedule: @every %s is less than %s", duration, least)
	}
	seconds := int64(period.Seconds())
	return func(after time.Time) time.Time {
		passed := (after.Unix() - created.Unix()) % seconds
		if passed < 0 {
			passed += seconds
		}
		return time.Unix(after.Unix()+seconds-passed, 0)
	}, nil
}
