package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drilledAt is a complete snapshot, tried out at a minute; without an outcome it was complete then.
func drilledAt(name string, minutes float64, outcome DrillOutcome) ScheduledSnapshot {
	s := ScheduledSnapshot{Name: name, Complete: true, Created: at(minutes), EndedAt: at(minutes), ClusterID: "1", Revision: 1}
	if outcome != "" {
		s.Drill = Drill{StartedAt: at(minutes), Outcome: outcome}
	}
	return s
}

// kept parses snapshots: "name@minute" with marks: ! failed, V verified, F its drill failed, ~ a drill is under way, * a cluster needs it,
// r<n> revision, c<id> cluster, w<minute> created then by the API server.
func kept(t *testing.T, text string) (snapshots []ScheduledSnapshot) {
	t.Helper()
	for i, field := range strings.Fields(text) {
		name, rest, _ := strings.Cut(field, "@")
		parts := strings.Split(rest, ",")
		minute := number(t, parts[0])
		s := ScheduledSnapshot{Name: name, Complete: true, Created: at(minute), EndedAt: at(minute), ClusterID: "1", Revision: int64(i + 1)}
		for _, mark := range parts[1:] {
			switch mark[0] {
			case '!':
				s.Complete, s.Failed = false, true
			case 'V':
				s.Drill = Drill{StartedAt: at(minute), Outcome: DrillVerified}
			case 'F':
				s.Drill = Drill{StartedAt: at(minute), Outcome: DrillFailed}
			case '~':
				s.Drill.Pending = true
			case '*':
				s.Needed = true
			case 'r':
				s.Revision = int64(number(t, mark[1:]))
			case 'c':
				s.ClusterID = mark[1:]
			case 'w':
				s.Created = at(number(t, mark[1:]))
			}
		}
		snapshots = append(snapshots, s)
	}
	return snapshots
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRetentionKeepsExactlyWhatItShould(t *testing.T) {
	for claim, c := range map[string]struct {
		keep      Retention
		now       float64
		snapshots string
		want      string // that expire, the oldest first
		suspended bool
	}{
		"without rules all are kept":                   {Retention{}, 10, "a@1 b@2 c@3", "", false},
		"the last ones are kept":                       {Retention{KeepLast: 2}, 10, "a@1 b@2 c@3 d@4", "a b", false},
		"names say nothing":                            {Retention{KeepLast: 2}, 10, "z@1 m@2 a@3", "z", false},
		"nor does the order they are listed in":        {Retention{KeepLast: 1}, 10, "a@3,r3 b@1,r1 c@2,r2", "b c", false},
		"failed ones between take no place":            {Retention{KeepLast: 2}, 10, "a@1 b@2,! c@3 d@4,! e@5,!", "", false},
		"young ones are kept":                          {Retention{KeepFor: 3 * time.Minute}, 10, "a@5 b@6.5 c@8 d@10", "a b", false},
		"each rule keeps":                              {Retention{KeepLast: 3, KeepFor: 3 * time.Minute}, 10, "a@1 b@2 c@6 d@10", "a", false},
		"the last one is kept however old":             {Retention{KeepFor: time.Minute}, 100, "a@1 b@2", "a", true},
		"the last verified one is kept":                {Retention{KeepLast: 1}, 10, "a@1,V b@2,V c@3 d@4", "a c", false},
		"however old":                                  {Retention{KeepFor: time.Minute}, 100, "a@1,V b@2 c@99", "b", false},
		"one whose drill failed takes no place":        {Retention{KeepLast: 2}, 10, "a@1 b@2 c@3,F d@4", "a", false},
		"and goes when others take all":                {Retention{KeepLast: 2}, 10, "a@1 b@2,F c@3 d@4", "a b", false},
		"the last whole one is kept besides":           {Retention{KeepFor: time.Minute}, 100, "a@1 b@2 c@3,F", "a", true},
		"the last one is kept though its drill failed": {Retention{KeepFor: time.Minute}, 100, "a@1,F b@2,F", "a", true},
		"one that is tried out is waited for":          {Retention{KeepLast: 1}, 10, "a@1 b@2,~ c@3", "a", false},
		"one that a cluster is made from too":          {Retention{KeepLast: 1}, 10, "a@1,* b@2 c@3", "b", false},
		"within a cluster's life revisions order":      {Retention{KeepLast: 2}, 10, "a@1 b@9000,r2 c@3 d@4", "a b", false},
		"also when the clock was years behind":         {Retention{KeepLast: 2}, 10, "a@1 b@2 c@-5000000 d@-4999999", "a b", false},
		"another life's are ordered by time":           {Retention{KeepLast: 2}, 10, "a@1,c1,r900 b@2,c1,r901 c@3,c2,r5 d@4,c2,r6", "a b", false},
		"the same revision is ordered by time":         {Retention{KeepLast: 2}, 10, "a@3,r7 b@1,r7 c@2,r7", "b", false},
		"a clock that runs ahead deletes nothing":      {Retention{KeepFor: 3 * time.Minute}, 500000, "a@1 b@2 c@500000,w3", "", false},
		"not even while nothing is complete":           {Retention{KeepFor: 3 * time.Minute}, 500000, "a@1 b@2 c@500000,w3,!", "", false},
		"time that has passed does":                    {Retention{KeepFor: 3 * time.Minute}, 500000, "a@1 b@2 c@500000", "a b", false},
		"while suspended one clock has to do":          {Retention{KeepFor: 3 * time.Minute}, 500000, "a@1 b@2", "a", true},
		"what is of a time to come is kept":            {Retention{KeepFor: 3 * time.Minute}, 2, "a@5000,w1 b@5001,w2", "", false},
	} {
		t.Run(claim, func(t *testing.T) {
			s := Schedule{Now: at(c.now), Retention: c.keep, Snapshots: kept(t, c.snapshots), Suspended: c.suspended}
			var names []string
			for _, expired := range s.Expired() {
				names = append(names, expired.Name)
			}
			if got := strings.Join(names, " "); got != c.want {
				t.Errorf("lets go of %q, want %q", got, c.want)
			}
		})
	}
}

func TestSnapshotsGoOneAtATimeTheOldestFirst(t *testing.T) {
	s := scheduled(0, func(s *Schedule) {
		s.Snapshots, s.Retention, s.Now = kept(t, "b@1 a@2 c@3"), Retention{KeepLast: 1}, at(0.5)
	})
	expect := func(want ScheduleStep, says string) {
		t.Helper()
		if d := NextSchedule(s); d.Step != want || !strings.Contains(d.Message, says) {
			t.Fatalf("takes %#v: %s", d.Step, d.Message)
		}
	}
	expect(Condemn{"b"}, "b is about to be deleted: retention is keepLast 1")
	s.Snapshots[0].Condemned = true
	expect(DropSnapshot{"b"}, "deleting b and what it stored: retention is keepLast 1")
	s.Snapshots[0].Deleting = s.Now
	expect(Nothing{}, "")
	s.Snapshots[0].Deleting = s.Now.Add(-deletionPatience) // its store is out of reach
	expect(Condemn{"a"}, "")
	s.Snapshots = s.Snapshots[1:]
	expect(Condemn{"a"}, "")
}

func TestTheLastFailuresAreKeptForPeopleToRead(t *testing.T) {
	s := scheduled(0.5, func(s *Schedule) { s.Snapshots = kept(t, "d@1,! c@2,! b@3,! a@4,! z@5") })
	if d := NextSchedule(s); d.Step != ScheduleStep(DropSnapshot{"d"}) {
		t.Errorf("takes %#v: %s", d.Step, d.Message)
	}
	s.Snapshots = s.Snapshots[1:]
	if d := NextSchedule(s); d.Step != ScheduleStep(Nothing{}) {
		t.Errorf("takes %#v: %s", d.Step, d.Message)
	}
}

func TestTheNewestIsTriedOutOncePerPeriod(t *testing.T) {
	for claim, c := range map[string]struct {
		now       float64
		snapshots string
		change    func(*Schedule)
		want      ScheduleStep
	}{
		"the first at once":                        {5, "b@1 a@2", nil, AskForDrill{"a"}},
		"not while there is none":                  {5, "a@1,!", nil, Nothing{}},
		"not again within the period":              {5, "a@1,V b@2", nil, Nothing{}},
		"again after it":                           {11.5, "a@1.5,V b@2", nil, AskForDrill{"b"}},
		"also if none was taken since":             {11, "a@1,V", nil, AskForDrill{"a"}},
		"but not while one is taken":               {11, "a@1,V", another, Nothing{}},
		"also after one that failed":               {11, "a@1,F", nil, AskForDrill{"a"}},
		"not while one runs":                       {11, "a@1,~ b@2", nil, Nothing{}},
		"not if nobody asked":                      {5, "a@1", func(s *Schedule) { s.DrillPeriod = 0 }, Nothing{}},
		"one of a time to come does not count":     {5, "a@500,V b@2", nil, AskForDrill{"b"}},
		"also while the schedule is suspended":     {5, "a@1", func(s *Schedule) { s.Suspended = true }, AskForDrill{"a"}},
		"one that could not be done is soon again": {11.5, "a@1.5", inconclusive(time.Hour), AskForDrill{"a"}},
		"but not at once":                          {11, "a@1.5", inconclusive(time.Hour), Nothing{}},
		"nor sooner than the period asks for":      {6, "a@1.5", inconclusive(5 * time.Minute), Nothing{}},
	} {
		t.Run(claim, func(t *testing.T) {
			s := Schedule{Now: at(c.now), Snapshots: kept(t, c.snapshots), DrillPeriod: 10 * time.Minute, Overlap: OverlapForbid}
			if c.change != nil {
				c.change(&s)
			}
			d := NextSchedule(s)
			if d.Step != c.want {
				t.Errorf("takes %#v: %s", d.Step, d.Message)
			}
			if d.Step == ScheduleStep(Nothing{}) && d.Recheck < time.Second {
				t.Errorf("looks again after %s", d.Recheck)
			}
		})
	}
}

func another(s *Schedule) { s.Snapshots = append(s.Snapshots, running("b")) }

func inconclusive(period time.Duration) func(*Schedule) {
	return func(s *Schedule) {
		s.Snapshots[0].Drill = Drill{StartedAt: at(1.5), Outcome: DrillInconclusive}
		s.DrillPeriod = period
	}
}

// TestWhateverIsThereTheLastGoodOnesStay: whatever the stamps say, the newest complete snapshot and the newest that is verified, by
// etcd's own order, are kept, and so are as many as keepLast says.
func TestWhateverIsThereTheLastGoodOnesStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Schedule{Now: at(rapid.Float64Range(-1e6, 1e6).Draw(t, "now")), Suspended: rapid.Bool().Draw(t, "suspended")}
		s.Retention.KeepLast = rapid.IntRange(0, 4).Draw(t, "keepLast")
		s.Retention.KeepFor = time.Duration(rapid.IntRange(0, 1000).Draw(t, "keepFor")) * time.Minute
		outcomes := []DrillOutcome{"", DrillVerified, DrillFailed, DrillInconclusive}
		for i := range rapid.IntRange(0, 12).Draw(t, "snapshots") {
			s.Snapshots = append(s.Snapshots, ScheduledSnapshot{
				Name: rapid.StringMatching(`[a-z]{3}`).Draw(t, "name") + fmt.Sprint(i), Complete: rapid.IntRange(0, 4).Draw(t, "state") > 0,
				Failed: true, Created: at(rapid.Float64Range(-1e6, 1e6).Draw(t, "created")),
				EndedAt: at(rapid.Float64Range(-1e6, 1e6).Draw(t, "ended")), ClusterID: "1", Revision: int64(i),
				Drill: Drill{Outcome: rapid.SampledFrom(outcomes).Draw(t, "drill")},
			})
			s.Snapshots[i].Failed = !s.Snapshots[i].Complete
		}
		gone := map[string]bool{}
		for _, expired := range s.Expired() {
			gone[expired.Name] = true
		}
		newest, whole, verified := true, 0, 0
		for _, o := range slices.Backward(s.Snapshots) {
			if !o.Complete {
				if gone[o.Name] {
					t.Fatalf("%s is not complete, and expires", o.Name)
				}
				continue
			}
			must := newest
			newest = false
			if o.Drill.Outcome != DrillFailed {
				must = must || whole == 0 || whole < s.Retention.KeepLast
				whole++
			}
			if o.Drill.Outcome == DrillVerified {
				must = must || verified == 0
				verified++
			}
			if must && gone[o.Name] {
				t.Fatalf("%s expires", o.Name)
			}
		}
	})
}
