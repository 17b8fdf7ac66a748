package plan

import (
	"math/rand/v2"
	"testing"
	"time"
)

// driver is how the storage answers a claim that asks for more.
type driver int

const (
	prompt   driver = iota // after some seconds
	mute                   // never
	refusing               // the API server does not let the claim ask
	numDrivers
)

// TestVolumesGrowOneAfterTheOtherAndNobodyIsForgotten plays every mix of storage for three members, well and not.
func TestVolumesGrowOneAfterTheOtherAndNobodyIsForgotten(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for mix := range int(numDrivers * numDrivers * numDrivers * 8) {
		c := Cluster{Want: 3, ClusterID: 1, Listed: true, OrdinalsRecorded: true}
		var drivers [3]driver
		for i, name := range []string{"a", "b", "c"} {
			drivers[i] = driver(mix / 8 / []int{1, int(numDrivers), int(numDrivers * numDrivers)}[i] % int(numDrivers))
			m := Member{Name: name, ID: uint64(i + 1), Role: Voter, Admitted: true, Recorded: true, Votes: true, Leader: i == 0}
			if mix>>i&1 == 0 {
				m.Healthy, m.Answered, m.Ready = true, true, true
			}
			m.Disk = Disk{Short: true, Untold: true}
			c.Members = append(c.Members, m)
		}
		end := playGrowth(t, c, drivers, random)
		if end == nil {
			t.Fatalf("seed %d, mix %d: no rest", seed, mix)
		}
		for i, m := range end {
			if m.Disk.Untold || drivers[i] == prompt && m.Disk.Short {
				t.Errorf("seed %d, mix %d: %s was left as %+v", seed, mix, m.Name, m.Disk)
			}
		}
	}
}

func playGrowth(t *testing.T, c Cluster, drivers [3]driver, random *rand.Rand) []Member {
	t.Helper()
	for range 1000 {
		d := Next(c)
		if s, told := d.Step.(ExpandVolumeOf); told {
			for i := range c.Members {
				m := &c.Members[i]
				if m.Disk.Short && !m.Disk.Untold && m.Healthy && !m.Disk.Refused && m.Disk.For < canary {
					t.Fatalf("%s is told while the volume of %s grows: %+v", s.Name, m.Name, c)
				}
				if m.Name == s.Name {
					m.Disk.Untold, m.Disk.For, m.Disk.Refused = false, 0, drivers[i] == refusing
				}
			}
			continue
		}
		if d.Step != Step(Nothing{}) {
			t.Fatalf("%s takes %v", d.Rule, d.Step)
		}
		pass := time.Second + time.Duration(random.IntN(20))*time.Second
		done := true
		for i := range c.Members {
			m := &c.Members[i]
			m.Disk.For += pass
			if drivers[i] == prompt && m.Disk.For > 5*time.Second && !m.Disk.Untold {
				m.Disk.Short = false
			}
			done = done && !m.Disk.Untold && (!m.Disk.Short || m.Disk.For > canary)
		}
		if done {
			return c.Members
		}
	}
	return nil
}
