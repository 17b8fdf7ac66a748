package plan

import (
	"fmt"
	"testing"

	"github.com/cozystack/etcd-operator/internal/quorum"
)

// rolling is a cluster of n voters, all of them behind, and the life of a restart: told, gone, starting, up.
func rolling(n, leader int) Cluster {
	c := Cluster{Want: n, ClusterID: 1, SeenID: 1, Listed: true, OrdinalsRecorded: true}
	for i := range n {
		m := Member{Name: string(rune('a' + i)), ID: uint64(i + 1), Leader: i == leader}
		words["well"](&m)
		m.Behind = "options"
		c.Members = append(c.Members, m)
	}
	return c
}

// live moves every restart one phase on, and says whether there was one.
func live(c *Cluster) (moved bool) {
	for i := range c.Members {
		switch m := &c.Members[i]; {
		case m.Stale:
			m.Stale, m.Down, m.Stopped, m.Stopping, m.Answered, m.Healthy, m.Ready = false, true, true, true, false, false, false
			if m.Leader {
				m.Leader = false
				c.Members[(i+1)%len(c.Members)].Leader = true
			}
			moved = true
		case m.Down:
			m.Down, m.Stopped, m.Stopping, m.Starting = false, false, false, true
			moved = true
		case m.Starting:
			m.Starting, m.Answered, m.Healthy, m.Ready = false, true, true, true
			moved = true
		}
	}
	return moved
}

func TestARollKeepsAQuorumAndEndsWithEverybodyUpToDate(t *testing.T) {
	for n := 1; n <= 7; n++ {
		for leader := range n {
			t.Run(fmt.Sprintf("%d members, %d leads", n, leader), func(t *testing.T) { playRoll(t, rolling(n, leader)) })
			t.Run(fmt.Sprintf("%d members, %d leads, to listen elsewhere", n, leader), func(t *testing.T) {
				c := rolling(n, leader)
				for i := range c.Members {
					words["turning"](&c.Members[i])
					c.Members[i].Behind = ""
				}
				playRoll(t, c)
			})
		}
	}
}

func playRoll(t *testing.T, c Cluster) {
	t.Helper()
	n, restarts, handovers := len(c.Members), 0, 0
	for range 20 * n {
		if healthy := c.HealthyVoters(); n > 2 && (healthy < n-1 || healthy < quorum.Size(n)) {
			t.Fatalf("%d of %d voters are healthy", healthy, n)
		}
		if apart := c.count(func(m Member) bool { return m.ListedAt != m.StartsAt }); apart > 1 {
			t.Fatalf("%d members are listed where they do not listen", apart)
		}
		switch s := Next(c).Step.(type) {
		case Readdress:
			m := &c.Members[s.Member.ID-1]
			m.ListedAt, m.Behind = s.URL, "peerURL"
		case Update:
			m := &c.Members[s.Name[0]-'a']
			if m.Leader && n > 1 {
				t.Fatalf("%s is restarted while it leads", m.Name)
			}
			m.Behind, m.Stale, m.StartsAt = "", true, m.WantedAt
			restarts++
		case MoveLeader:
			c.Members[s.From.ID-1].Leader, c.Members[s.To.ID-1].Leader = false, true
			handovers++
		case Nothing:
			if !live(&c) {
				if restarts != n || handovers > 1 {
					t.Errorf("%d restarts and %d changes of the leader of %d members", restarts, handovers, n)
				}
				return
			}
		default:
			t.Fatalf("got %T", s)
		}
	}
	t.Fatal("it comes to no end")
}
