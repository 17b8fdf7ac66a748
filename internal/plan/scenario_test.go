package plan

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestScenarios plays testdata/*.txt. Record with -rewrite, then read the diff: it is what users will see.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/next", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			t.Helper()
			if d.Cmd != "next" {
				d.Fatalf(t, "unknown command %q", d.Cmd)
			}
			got := Next(parseCluster(t, d))
			return fmt.Sprintf("%s %s: %s\n%s\n", got.Rule, got.Outlook, describe(got.Step), got.Reason+": "+got.Message)
		})
	})
}

func describe(s Step) string { return strings.TrimPrefix(fmt.Sprintf("%T%v", s, s), "plan.") }

func parseCluster(t *testing.T, d *datadriven.TestData) Cluster {
	t.Helper()
	c := Cluster{
		Want: 3, ClusterID: 0xc1, Listed: true, OrdinalsRecorded: true, Deadline: 10 * time.Minute, MaxPerHour: 5, AsideFor: 24 * time.Hour,
	}
	for _, a := range d.CmdArgs {
		parseArg(t, d, &c, a)
	}
	for i, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case f[0] == "stranger":
			c.Strangers = append(c.Strangers, parseStranger(f))
		default:
			c.Members = append(c.Members, parseMember(t, d, i, line))
		}
	}
	return c
}

func parseArg(t *testing.T, d *datadriven.TestData, c *Cluster, a datadriven.CmdArg) {
	t.Helper()
	if parseHealing(t, d, c, a) || parseRehearsal(t, d, c, a) {
		return
	}
	switch a.Key {
	case "want":
		c.Want, _ = strconv.Atoi(a.Vals[0])
	case "unformed":
		c.ClusterID, c.Listed = 0, false
	case "unlisted":
		c.Listed = false
	case "seen":
		c.SeenID = 0xc1
	case "founders":
		c.Founders = a.Vals
	case "memory":
		c.Memory = true
	case "disabled":
		c.Disabled = true
	case "taken":
		c.Taken = a.Vals
	case "namesakes":
		c.Namesakes = a.Vals
	case "orphans":
		for _, v := range a.Vals {
			c.Orphans = append(c.Orphans, Orphan{Volume: "data-" + v, Member: v})
		}
	case "holding":
		for i := range c.Orphans {
			c.Orphans[i].Voter = true
		}
	case "restore":
		c.Restore = Restore{Wanted: true}
		if len(a.Vals) > 0 {
			c.Restore.Reason, c.Restore.Obstacle = a.Vals[0], "EtcdSnapshot nightly says why"
		}
	case "overdue":
		c.Idle = c.Deadline
	case "missing":
		for _, v := range a.Vals {
			c.Objects = append(c.Objects, Object{Kind: ObjectKind(strings.ReplaceAll(v, "-", " "))})
		}
	default:
		d.Fatalf(t, "unknown argument %q", a.Key)
	}
}

// parseHealing parses what concerns replacements, volumes and alarms.
func parseHealing(t *testing.T, d *datadriven.TestData, c *Cluster, a datadriven.CmdArg) bool {
	t.Helper()
	switch a.Key {
	case "manual":
		c.Manual = true
	case "begun":
		for _, v := range a.Vals {
			ago, err := time.ParseDuration(v)
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			c.Begun = append(c.Begun, Begun{Reason: "DataDiverged", Ago: ago})
		}
	case "idle":
		c.Idle, _ = time.ParseDuration(a.Vals[0])
	case "db":
		c.DBSize, _ = strconv.ParseInt(a.Vals[0], 10, 64)
	case "aside":
		for i, v := range a.Vals {
			age, _ := time.ParseDuration(v)
			c.Aside = append(c.Aside, Aside{Volume: fmt.Sprintf("data-old-%d", i), For: age})
		}
	case "retain":
		for _, v := range a.Vals {
			c.Owners = append(c.Owners, Ownership{Volume: "data-" + v, Retain: true})
		}
	case "own":
		for _, v := range a.Vals {
			c.Owners = append(c.Owners, Ownership{Volume: "data-" + v})
		}
	case "retain-scaled":
		c.Retain = true
	case "known":
		c.Rollout.Known = true
	case "trying":
		c.Rollout.Known, c.Rollout.Trying = true, true
	case "unrecorded":
		c.Rollout.Unrecorded = true
	case "moved":
		c.Versions.Moved = true
	case "downgrading":
		c.Versions.Enabled = Yes
	case "on-delete":
		c.Rollout.OnDelete = true
	case "failed":
		c.Rollout.Failed = "b: Crashing: exit 1"
	case "unsecured":
		c.Unsecured = true
	case "auth":
		c.AuthPending = "enabling authentication"
	case "severed":
		c.Severed = true
	case "corrupt":
		id, _ := strconv.ParseUint(a.Vals[0], 10, 64)
		c.Alarms = append(c.Alarms, Alarm{ID: id, Corrupt: true})
	case "agreed":
		c.Agreed = true
	default:
		return false
	}
	return true
}

func parseStranger(f []string) Stranger {
	s := Stranger{ID: 0xee, PeerURL: f[1]}
	for _, w := range f[2:] {
		switch w {
		case "ours":
			s.Member = strings.TrimPrefix(s.PeerURL, "http://")
		case "remains":
			s.Remains = true
		case "learner":
			s.Learner = true
		case "started":
			s.Name = "someone"
		}
	}
	return s
}

// words sets fields of a member. "well" is a voter with which everything is fine.
var words = map[string]func(*Member){
	"well": func(m *Member) {
		m.Role, m.Admitted, m.Recorded, m.Votes, m.Answered, m.Healthy, m.Ready = Voter, true, true, true, true, true, true
		m.Up = time.Minute
	},
	"voter":    func(m *Member) { m.Role, m.Admitted, m.Recorded, m.Votes = Voter, true, true, true },
	"learner":  func(m *Member) { m.Role = Learner },
	"unlisted": func(m *Member) { m.Role, m.ID = Unlisted, 0 },
	"founder":  func(m *Member) { m.Founder, m.Admitted = true, true },
	"admitted": func(m *Member) { m.Admitted = true },
	"recorded": func(m *Member) { m.Recorded = true },
	"new":      func(m *Member) { m.Recorded, m.Votes = false, false },
	"barred":   func(m *Member) { m.Barred = true },
	"answered": func(m *Member) { m.Answered = true },
	"healthy":  func(m *Member) { m.Answered, m.Healthy = true, true },
	"ready":    func(m *Member) { m.Ready = true },
	"unready":  func(m *Member) { m.Ready = false },
	"starting": func(m *Member) { m.Starting = true },
	"leader":   func(m *Member) { m.Leader = true },
	"caughtup": func(m *Member) { m.CaughtUp = true },
	"dormant":  func(m *Member) { m.Dormant = true },
	"stopping": func(m *Member) { m.Stopping = true },
	"down":     func(m *Member) { m.Down = true },
	"stopped":  func(m *Member) { m.Stopping, m.Stopped, m.Down = true, true, true },
	"leaving":  func(m *Member) { m.Leaving = true },
	"confirmed": func(m *Member) {
		m.Leaving, m.Confirmed = true, true
	},
	"gone": func(m *Member) { m.Stopped, m.Gone = true, true },
	"lost": func(m *Member) { m.Lost, m.Hopeless, m.Broken, m.Loss = true, true, true, "DataLost" },
	"unreachable": func(m *Member) {
		m.Lost, m.Soft, m.Loss = true, true, "Unreachable"
	},
	"requested":  func(m *Member) { m.Lost, m.Loss = true, "Requested" },
	"condemned":  func(m *Member) { m.Condemned = true },
	"remembered": func(m *Member) { m.Remembered = true },
	"refused":    func(m *Member) { m.Loss, m.Excused = "RestoreFailed", true },
	"too-new":    func(m *Member) { m.Loss, m.Excused = "SnapshotTooNew", true },
	"silent":     func(m *Member) { m.Silent = patient },
	"excused":    func(m *Member) { m.Excused = true },
	"failing":    func(m *Member) { m.Await = "replaced after 2 such ends in a row" },
	"broken":     func(m *Member) { m.Broken = true },
	"behind":     func(m *Member) { m.Behind = "options" },
	"pressing":   func(m *Member) { m.Behind, m.Pressing = "tls", true },
	"proven":     func(m *Member) { m.Proven = true },
	"trial":      func(m *Member) { m.Trial = true },
	"away":       func(m *Member) { m.Away, m.Loss = plainPatience, "Crashing" },
	"long":       func(m *Member) { m.Away = trialPatience },
	"node-down":  func(m *Member) { m.Loss = "NodeDown" },
	"ruined":     func(m *Member) { m.Loss = "CorruptLog" },
	"inherited":  func(m *Member) { m.Inherited = true },
	"by-hand":    func(m *Member) { m.ByHand = true },
	"fresh":      func(m *Member) { m.Up = healthInterval - 1 },
	"lagging":    func(m *Member) { m.Lag = smallLag },
	"untagged":   func(m *Member) { m.Adapts = "additionalMetadata" },
	"plain":      func(m *Member) { m.StartsAt, m.ListedAt, m.WantedAt = "http", "http", "http" },
	"turning":    func(m *Member) { m.StartsAt, m.ListedAt, m.WantedAt = "http", "http", "https" },
	"begun":      func(m *Member) { m.StartsAt, m.ListedAt, m.WantedAt, m.Behind = "http", "https", "https", "peerURL" },
	"turned":     func(m *Member) { m.StartsAt, m.ListedAt, m.WantedAt = "https", "https", "https" },
	"astray":     func(m *Member) { m.StartsAt, m.ListedAt, m.WantedAt = "http", "elsewhere", "http" },
	"stale":      func(m *Member) { m.Stale = true },
	"untold":     func(m *Member) { m.Disk.Untold, m.Disk.Short, m.Disk.Progress = true, true, "it has 1Gi of 2Gi" },
	"short":      func(m *Member) { m.Disk.Short, m.Disk.Progress = true, "it has 1Gi of 2Gi; Requested" },
	"slow":       func(m *Member) { m.Disk.For = canary },
	"fixed":      func(m *Member) { m.Disk.Fixed, m.Outdated = true, "storage.size" },
	"limited": func(m *Member) {
		m.Disk.Refused, m.Disk.Progress = true, "it has 1Gi of 2Gi; Refused: exceeded quota"
	},
	"classless": func(m *Member) { m.Disk.Obstacle = "the StorageClass fast is gone" },
	"offline":   func(m *Member) { m.Disk.Restart, m.Disk.For, m.Behind = true, canary, "volume" },
	"outdated":  func(m *Member) { m.Outdated = "storage.medium" },
}

func parseMember(t *testing.T, d *datadriven.TestData, i int, line string) Member {
	t.Helper()
	head, trouble, _ := strings.Cut(line, " # ")
	f := strings.Fields(head)
	m := Member{Name: f[0], ID: uint64(i + 1), Trouble: trouble}
	for _, w := range f[1:] {
		set, ok := words[w]
		if !ok {
			d.Fatalf(t, "unknown word %q", w)
		}
		set(&m)
	}
	return m
}
