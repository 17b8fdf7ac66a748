package etcdfake_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/etcd/etcdfake"
)

// world is a World in which members of namespaces have names.
type world struct {
	*etcdfake.World
	clock *clocktesting.FakePassiveClock
}

func newWorld() world {
	clock := clocktesting.NewFakePassiveClock(time.Unix(1_700_000_000, 0))
	return world{etcdfake.New(clock), clock}
}

func (w world) pass(d time.Duration) { w.clock.SetTime(w.clock.Now().Add(d)) }

func peerURL(host string) string   { return "http://" + host + ":2380" }
func clientURL(host string) string { return "http://" + host + ":2379" }

func initial(hosts ...string) string {
	var pairs []string
	for _, h := range hosts {
		pairs = append(pairs, name(h)+"="+peerURL(h))
	}
	return strings.Join(pairs, ",")
}

func name(host string) string {
	first, _, _ := strings.Cut(host, ".")
	return first
}

// args starts host as a founder beside others, on a volume of its name.
func args(host string, founders ...string) etcdfake.Args {
	return etcdfake.Args{
		Name: name(host), PeerURL: peerURL(host), ClientURL: clientURL(host), InitialCluster: initial(founders...),
		Token: "token", Volume: host, Version: "3.6.16",
	}
}

func (w world) start(t *testing.T, a etcdfake.Args) *etcdfake.Process {
	t.Helper()
	p, err := w.Start(a)
	if err != nil {
		t.Fatalf("start %s: %v", a.Name, err)
	}
	return p
}

func (w world) found(t *testing.T, hosts ...string) []*etcdfake.Process {
	t.Helper()
	var ps []*etcdfake.Process
	for _, h := range hosts {
		ps = append(ps, w.start(t, args(h, hosts...)))
	}
	return ps
}

func (w world) dial(t *testing.T, host string) etcd.Client {
	t.Helper()
	c, err := w.Dialer().Dial(etcd.Target{Endpoint: clientURL(host)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w world) status(t *testing.T, host string) etcd.Status {
	t.Helper()
	s, err := w.dial(t, host).Status(t.Context())
	if err != nil {
		t.Fatalf("status of %s: %v", host, err)
	}
	return s
}

// leader gives the host that leads, and the others.
func (w world) leader(t *testing.T, hosts ...string) (leader string, others []string) {
	t.Helper()
	for _, h := range hosts {
		if s := w.status(t, h); s.Leader == s.MemberID {
			leader = h
		} else {
			others = append(others, h)
		}
	}
	if leader == "" {
		t.Fatal("nobody leads")
	}
	return leader, others
}

func put(t *testing.T, p *etcdfake.Process, prefix string, n int) {
	t.Helper()
	for i := range n {
		if err := p.Put(fmt.Sprint(prefix, i)); err != nil {
			t.Fatalf("put: %v", err)
		}
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func wantKeys(t *testing.T, p *etcdfake.Process, n int) {
	t.Helper()
	if keys := p.Keys(); len(keys) != n {
		t.Errorf("it holds %d keys, want %d", len(keys), n)
	}
}

// These are the IDs of every etcd that was ever started without flags.
func TestIDsAreThoseThatEtcdComputes(t *testing.T) {
	member := etcdfake.FounderID("etcd-cluster", "http://localhost:2380")
	if cluster := etcdfake.ClusterID(member); member != 0x8e9e05c52164694d || cluster != 0xcdf818194e3a8c32 {
		t.Errorf("got member %x of cluster %x", member, cluster)
	}
}

// The case of etcd issue 21178: the majority that forms consists of a member that was away and one that forgot.
func TestAVoterThatForgotItsLogCostsAcknowledgedWrites(t *testing.T) {
	for _, c := range []struct {
		claim string
		wipe  bool
		keys  int
	}{
		{"with its log nothing is lost", false, 50},
		{"without its log all is lost", true, 0},
	} {
		t.Run(c.claim, func(t *testing.T) {
			w := newWorld()
			hosts := []string{"a", "b", "c"}
			w.found(t, hosts...)
			leader, others := w.leader(t, hosts...)
			away, forgets := others[0], others[1]
			w.Process(clientURL(away)).Stop()
			put(t, w.Process(clientURL(leader)), "key", 50)
			w.Process(clientURL(leader)).Stop()
			w.Process(clientURL(forgets)).Stop()
			if c.wipe {
				w.Wipe(forgets)
			}
			back := w.start(t, args(away, hosts...))
			again := args(forgets, hosts...)
			again.Existing = true
			w.start(t, again)

			put(t, back, "later", 1)
			wantKeys(t, back, c.keys+1)
			if old := w.start(t, args(leader, hosts...)); c.wipe != (old.Exited() != nil) {
				t.Errorf("the old leader ended with %v", old.Exited())
			}
		})
	}
}

func TestOnlyTheMajoritySideOfACutGoesOn(t *testing.T) {
	w := newWorld()
	hosts := []string{"a", "b", "c"}
	w.found(t, hosts...)
	minority, majority := w.leader(t, hosts...)
	for _, h := range majority {
		w.Cut(peerURL(minority), peerURL(h))
	}
	wantErr(t, w.dial(t, minority).Read(t.Context()), context.DeadlineExceeded)
	wantErr(t, w.Process(clientURL(minority)).Put("minority"), etcd.ErrAmbiguous)
	if s := w.status(t, minority); s.Leader != 0 || len(s.Errors) == 0 {
		t.Errorf("the minority says %+v, want no leader and an error", s)
	}
	w.leader(t, majority...)
	put(t, w.Process(clientURL(majority[0])), "majority", 3)

	w.Heal()
	for _, h := range hosts {
		wantKeys(t, w.Process(clientURL(h)), 3)
	}
}

func TestNobodyVotesForALogBehindTheirOwn(t *testing.T) {
	w := newWorld()
	w.found(t, "a", "b", "c", "d", "e")
	for _, ahead := range []string{"a", "d", "e"} {
		w.Cut(peerURL(ahead), peerURL("b"))
		w.Cut(peerURL(ahead), peerURL("c"))
	}
	put(t, w.Process(clientURL("a")), "key", 1)
	for _, ahead := range []string{"a", "d", "e"} {
		w.Process(clientURL(ahead)).Stop()
	}
	w.Heal()
	w.Cut(peerURL("a"), peerURL("c")) // b is in touch with a majority, a is not
	w.start(t, args("a", "a", "b", "c", "d", "e"))
	for _, h := range []string{"b", "c"} {
		wantErr(t, w.dial(t, h).Read(t.Context()), context.DeadlineExceeded)
	}

	w.Heal()
	wantErr(t, w.dial(t, "b").Read(t.Context()), nil)
	wantKeys(t, w.Process(clientURL("b")), 1)
}

func TestAnOlderCopyOfAVolumeIsNoticedWhileTheLeaderRemembers(t *testing.T) {
	w := newWorld()
	hosts := []string{"a", "b", "c"}
	w.found(t, hosts...)
	leader, others := w.leader(t, hosts...)
	w.Copy(others[0], "copy")
	put(t, w.Process(clientURL(leader)), "key", 5)
	w.Process(clientURL(others[0])).Stop()
	a := args(others[0], hosts...)
	a.Volume = "copy"
	if exit := w.start(t, a).Exited(); exit == nil || exit.Code != 2 {
		t.Errorf("got %v, want exit code 2", exit)
	}
}

func TestAMemberServesTheDataItFinds(t *testing.T) {
	w := newWorld()
	w.found(t, "a.one", "b.one", "c.one")
	w.found(t, "a.two")
	w.Process(clientURL("a.two")).Stop()
	foreign := args("a.one", "a.one", "b.one", "c.one")
	w.Process(clientURL("a.one")).Stop()
	foreign.Volume = "a.two"
	w.start(t, foreign)
	if got, cluster := w.status(t, "a.one"), w.status(t, "b.one"); got.ClusterID == cluster.ClusterID || got.Leader != got.MemberID {
		t.Errorf("it says %+v, want it to lead its own cluster", got)
	}
}

func TestClustersOfOneWorldDoNotMix(t *testing.T) {
	w := newWorld()
	for _, ns := range []string{"one", "two"} {
		w.found(t, "a."+ns, "b."+ns, "c."+ns)
	}
	put(t, w.Process(clientURL("a.one")), "key", 2)
	wantKeys(t, w.Process(clientURL("a.two")), 0)
	if w.status(t, "a.one").ClusterID == w.status(t, "a.two").ClusterID {
		t.Error("they have one cluster ID")
	}
	list, err := w.dial(t, "b.two").Members(t.Context())
	if err != nil || len(list.Members) != 3 {
		t.Errorf("got %+v, %v, want 3 members", list, err)
	}
}

func TestFaultsComeBeforeOrAfterTheChange(t *testing.T) {
	for _, c := range []struct {
		fault  etcdfake.Fault
		listed int
	}{
		{etcdfake.Fault{Err: etcd.ErrAmbiguous}, 1},
		{etcdfake.Fault{Err: etcd.ErrAmbiguous, Done: true}, 2},
	} {
		t.Run(fmt.Sprintf("done %t", c.fault.Done), func(t *testing.T) {
			w := newWorld()
			w.found(t, "a")
			var calls []etcdfake.Call
			w.Inject(func(call etcdfake.Call) etcdfake.Fault {
				if calls = append(calls, call); call.Changes {
					return c.fault
				}
				return etcdfake.Fault{}
			})
			client := w.dial(t, "a")
			_, err := client.AddLearner(t.Context(), peerURL("b"))
			wantErr(t, err, etcd.ErrAmbiguous)
			list, err := client.Members(t.Context())
			if err != nil || len(list.Members) != c.listed {
				t.Errorf("got %+v, %v, want %d members", list, err, c.listed)
			}
			want := []etcdfake.Call{
				{Endpoint: clientURL("a"), Method: "AddLearner", Changes: true}, {Endpoint: clientURL("a"), Method: "Members"},
			}
			if diff := cmp.Diff(want, calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAHiddenMemberLeavesCallsUnansweredAndUndone(t *testing.T) {
	w := newWorld()
	w.found(t, "a", "b", "c")
	w.pass(time.Minute)
	w.Hide(clientURL("a"), true)
	_, err := w.dial(t, "a").Status(t.Context())
	wantErr(t, err, context.DeadlineExceeded)
	_, err = w.dial(t, "a").AddLearner(t.Context(), peerURL("d"))
	wantErr(t, err, etcd.ErrAmbiguous)
	list, err := w.dial(t, "b").Members(t.Context())
	if err != nil || len(list.Members) != 3 {
		t.Errorf("got %+v, %v, want 3 members", list, err)
	}
}

func TestAStalledVoterDoesNotHelpToCommit(t *testing.T) {
	w := newWorld()
	hosts := []string{"a", "b", "c"}
	w.found(t, hosts...)
	leader, others := w.leader(t, hosts...)
	w.Stall(peerURL(others[0]), true)
	put(t, w.Process(clientURL(leader)), "key", 1)
	wantKeys(t, w.Process(clientURL(others[0])), 0)
	wantErr(t, w.dial(t, others[0]).Read(t.Context()), context.DeadlineExceeded)
	w.Process(clientURL(others[1])).Stop()
	wantErr(t, w.Process(clientURL(leader)).Put("lost"), etcd.ErrAmbiguous)
	w.Stall(peerURL(others[0]), false)
	put(t, w.Process(clientURL(leader)), "again", 1)
	wantKeys(t, w.Process(clientURL(others[0])), 2)
}

func TestAStalledLearnerIsNotPromotedAndDoesNotServe(t *testing.T) {
	w := newWorld()
	w.found(t, "a")
	put(t, w.Process(clientURL("a")), "key", 5)
	added, err := w.dial(t, "a").AddLearner(t.Context(), peerURL("b"))
	wantErr(t, err, nil)
	w.Stall(peerURL("b"), true)
	joining := args("b", "a", "b")
	joining.Existing = true
	b := w.start(t, joining)
	wantErr(t, w.dial(t, "a").Promote(t.Context(), added.ID), etcd.ErrLearnerNotReady)
	_, err = w.dial(t, "b").Status(t.Context())
	wantErr(t, err, etcd.ErrUnreachable)
	w.Stall(peerURL("b"), false)
	if b.Ready() {
		t.Error("a learner is ready")
	}
	wantErr(t, w.dial(t, "a").Promote(t.Context(), added.ID), nil)
	if !b.Ready() {
		t.Error("a voter is not ready")
	}
}

func TestAlarmsStopWritesAndReadiness(t *testing.T) {
	w := newWorld()
	a := w.found(t, "a")[0]
	wantErr(t, a.RaiseAlarm(etcd.AlarmNoSpace), nil)
	wantErr(t, a.Put("key"), etcdfake.ErrNoSpace)
	if !a.Ready() {
		t.Error("NOSPACE makes a member unready")
	}
	wantErr(t, a.RaiseAlarm(etcd.AlarmCorrupt), nil)
	if a.Ready() {
		t.Error("CORRUPT leaves a member ready")
	}
}

func TestEtcdRefusesToStart(t *testing.T) {
	for message, change := range map[string]func(a *etcdfake.Args){
		"address already in use":          func(a *etcdfake.Args) { a.ClientURL = clientURL("a") },
		"flocked by another process":      func(a *etcdfake.Args) { a.Volume = "a" },
		"duplicate url":                   func(a *etcdfake.Args) { a.InitialCluster = initial("b") + ",c=" + peerURL("b") },
		"couldn't find local name":        func(a *etcdfake.Args) { a.Name = "x" },
		"initial-advertise-peer-urls":     func(a *etcdfake.Args) { a.PeerURL = peerURL("x") },
		"error setting up initial":        func(a *etcdfake.Args) { a.InitialCluster = "b" },
		"could not retrieve cluster info": func(a *etcdfake.Args) { a.Existing = true; a.InitialCluster = initial("b", "nobody") },
	} {
		t.Run(message, func(t *testing.T) {
			w := newWorld()
			w.found(t, "a")
			a := args("b", "b")
			change(&a)
			_, err := w.Start(a)
			var exit *etcdfake.Exit
			if !errors.As(err, &exit) || exit.Code != 1 || !strings.Contains(exit.Message, message) {
				t.Errorf("got %v, want exit code 1", err)
			}
		})
	}
}

func TestTheSameEventsGiveTheSameWorld(t *testing.T) {
	play := func() (statuses []etcd.Status) {
		w := newWorld()
		hosts := []string{"a", "b", "c", "d", "e"}
		w.found(t, hosts...)
		leader, others := w.leader(t, hosts...)
		w.Process(clientURL(leader)).Stop()
		for _, h := range others {
			statuses = append(statuses, w.status(t, h))
		}
		return statuses
	}
	if diff := cmp.Diff(play(), play()); diff != "" {
		t.Errorf("played twice (-first +second):\n%s", diff)
	}
}

func TestAWorldMayBeUsedConcurrently(t *testing.T) {
	w := newWorld()
	hosts := []string{"a", "b", "c"}
	w.found(t, hosts...)
	var wg sync.WaitGroup
	for _, h := range hosts {
		wg.Go(func() {
			for i := range 50 {
				_ = w.Process(clientURL(h)).Put(fmt.Sprint(h, i))
				w.Cut(peerURL("a"), peerURL(h))
				_ = w.dial(t, h).Read(t.Context())
				w.Heal()
			}
		})
	}
	wg.Wait()
	held := w.Process(clientURL("a")).Keys()
	for _, h := range hosts {
		if keys := w.Process(clientURL(h)).Keys(); !slices.Equal(keys, held) {
			t.Errorf("%s and a hold different keys", h)
		}
	}
}
