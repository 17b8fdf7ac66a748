package etcdtest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/etcd/etcdfake"
	"github.com/cozystack/etcd-operator/internal/etcd/etcdtest"
)

func TestFake(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			etcdtest.Run(t, func(*testing.T) etcdtest.Harness { return newFake(version) })
		})
	}
}

// fake is the harness of an etcdfake.World.
type fake struct {
	world   *etcdfake.World
	clock   *clocktesting.FakeClock
	version string

	mu        sync.Mutex
	processes map[string]*etcdfake.Process
	refused   map[string]*etcdfake.Exit
	muted     map[string]bool // by endpoint
}

func newFake(version string) *fake {
	clock := clocktesting.NewFakeClock(time.Unix(1_700_000_000, 0))
	f := &fake{
		world: etcdfake.New(clock), clock: clock, version: version,
		processes: map[string]*etcdfake.Process{}, refused: map[string]*etcdfake.Exit{}, muted: map[string]bool{},
	}
	f.world.Inject(func(c etcdfake.Call) etcdfake.Fault {
		f.mu.Lock()
		defer f.mu.Unlock()
		if !f.muted[c.Endpoint] {
			return etcdfake.Fault{}
		}
		return etcdfake.Fault{Done: true, Err: fmt.Errorf("%w: %w", etcd.ErrAmbiguous, context.DeadlineExceeded)}
	})
	return f
}

func (f *fake) Version() string      { return f.version }
func (f *fake) Before() string       { return before(f.version) }
func (f *fake) Dialer() etcd.Dialer  { return f.world.Dialer() }
func (f *fake) Pass(d time.Duration) { f.clock.Step(d) }

func (f *fake) Address(name string) (peerURL, clientURL string) {
	return "http://" + name + ".test:2380", "http://" + name + ".test:2379"
}

func (f *fake) Start(t *testing.T, args etcdfake.Args) {
	t.Helper()
	p, err := f.world.Start(args)
	delete(f.refused, args.Name)
	if err != nil && !errors.As(err, new(*etcdfake.Exit)) {
		t.Fatalf("start %s: %v", args.Name, err)
	}
	if exit := (*etcdfake.Exit)(nil); errors.As(err, &exit) {
		f.refused[args.Name] = exit
	}
	f.processes[args.Name] = p
}

func (f *fake) Exited(_ *testing.T, name string) *etcdfake.Exit {
	if exit := f.refused[name]; exit != nil {
		return exit
	}
	return f.processes[name].Exited()
}

func (f *fake) Peers() etcd.PeerReader            { return f.world.Peers() }
func (f *fake) MetricsAddress(name string) string { return "http://" + name + ".test:2381" }

func (f *fake) Freeze(_ *testing.T, name string) {
	peerURL, clientURL := f.Address(name)
	f.world.Hide(clientURL, true)
	f.world.Stall(peerURL, true)
}

func (f *fake) Kill(_ *testing.T, name string) { f.processes[name].Stop() }
func (f *fake) End(t *testing.T, name string)  { f.Kill(t, name) }

func (f *fake) Put(_ *testing.T, name string, keys int) error {
	for i := range keys {
		if err := f.processes[name].Put(fmt.Sprint("key-", i)); err != nil {
			return err
		}
	}
	return nil
}

func (f *fake) Compact(t *testing.T, name string, revision int64) {
	t.Helper()
	if err := f.processes[name].Compact(revision); err != nil {
		t.Fatalf("compact through %s: %v", name, err)
	}
}

func (f *fake) Corrupt(_ *testing.T, name string) { f.world.Corrupt(name) }

func (f *fake) RaiseAlarm(t *testing.T, name string, kind etcd.AlarmType) {
	t.Helper()
	if err := f.processes[name].RaiseAlarm(kind); err != nil {
		t.Fatalf("raise alarm of %s: %v", name, err)
	}
}

func (f *fake) Mute(_ *testing.T, name string, on bool) {
	_, clientURL := f.Address(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.muted[clientURL] = on
}
