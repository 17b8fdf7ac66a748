package schedule

import (
	"strings"
	"testing"
	"time"
)

func TestTimesAreThoseOfTheZone(t *testing.T) {
	for claim, c := range map[string]struct{ spec, zone, after, want string }{
		"UTC is the default":               {"30 2 * * *", "", "2026-01-10T02:30:00Z", "2026-01-11T02:30:00Z"},
		"a zone is followed":               {"30 2 * * *", "Europe/Berlin", "2026-01-10T02:30:00Z", "2026-01-11T01:30:00Z"},
		"also in summer":                   {"30 2 * * *", "Europe/Berlin", "2026-07-10T02:30:00Z", "2026-07-11T00:30:00Z"},
		"an hour that is skipped is":       {"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"},
		"names stand for fields":           {"@daily", "", "2026-01-10T02:30:00Z", "2026-01-11T00:00:00Z"},
		"every counts from the creation":   {"@every 90s", "", "2026-03-01T08:00:00Z", "2026-03-01T08:01:30Z"},
		"whoever asks":                     {"@every 90s", "", "2026-03-01T08:01:00Z", "2026-03-01T08:01:30Z"},
		"whenever":                         {"@every 90s", "", "2036-03-01T08:01:30Z", "2036-03-01T08:03:00Z"},
		"also before":                      {"@every 90s", "", "2016-03-01T08:00:01Z", "2016-03-01T08:01:30Z"},
		"and beyond what a duration holds": {"@every 1h", "", "2926-03-01T08:10:00Z", "2926-03-01T09:00:00Z"},
	} {
		t.Run(claim, func(t *testing.T) {
			next, err := parse(c.spec, c.zone, eight)
			must(t, err)
			after, err := time.Parse(time.RFC3339, c.after)
			must(t, err)
			if got := next(after).UTC().Format(time.RFC3339); got != c.want {
				t.Errorf("the next run is %s, want %s", got, c.want)
			}
		})
	}
}

func TestWhatMakesNoSenseIsNamed(t *testing.T) {
	for claim, c := range map[string]struct{ spec, zone, want string }{
		"too few fields":      {"* * *", "", "spec.schedule: expected exactly 5 fields, found 3"},
		"too many":            {"* * * * * *", "", "expected exactly 5 fields"},
		"a minute too many":   {"60 * * * *", "", "above maximum (59)"},
		"no step":             {"*/0 * * * *", "", "step of range should be a positive number"},
		"a name nobody knows": {"@noon", "", "unrecognized descriptor: @noon"},
		"an unknown zone":     {"@daily", "Europe/Nowhere", "spec.timeZone: unknown time zone Europe/Nowhere"},
		"the operator's zone": {"@daily", "Local", "Local is the operator's own"},
		"a path":              {"@daily", "../../etc/passwd", "spec.timeZone:"},
		"a zone in front":     {"TZ=UTC", "", "name the time zone in timeZone"},
		"every second":        {"@every 1s", "", "is less than 10s"},
		"every minus hour":    {"@every -1h", "", "is less than 10s"},
		"every now and then":  {"@every now", "", `@every: time: invalid duration "now"`},
		"nothing":             {" ", "", "spec.schedule:"},
	} {
		t.Run(claim, func(t *testing.T) {
			if _, err := parse(c.spec, c.zone, eight); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("says %v, want %s", err, c.want)
			}
		})
	}
}
