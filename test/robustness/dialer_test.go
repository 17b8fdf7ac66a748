//go:build robustness

package robustness

import (
	"context"
	"fmt"
	"strings"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

// dialer is the operator's way to the members.
type dialer struct {
	*mischief
	etcd.Adapter
}

// Dial implements etcd.Dialer.
func (d dialer) Dial(t etcd.Target) (etcd.Client, error) {
	c, err := d.Adapter.Dial(t)
	if err != nil {
		return nil, err
	}
	return &connection{mischief: d.mischief, Client: c, host: hostOf(t.Endpoint)}, nil
}

// peers is the operator's way to the metrics ports.
type peers struct {
	*mischief
	etcd.PeerReader
}

// ConnectedPeers implements etcd.PeerReader.
func (p peers) ConnectedPeers(ctx context.Context, metricsURL string) ([]uint64, error) {
	if err := p.reach(ctx, hostOf(metricsURL)); err != nil {
		return nil, err
	}
	return p.PeerReader.ConnectedPeers(ctx, metricsURL)
}

// hostOf is the name of the member that a URL leads to.
func hostOf(url string) string {
	_, host, _ := strings.Cut(url, "://")
	host, _, _ = strings.Cut(host, ".")
	return host
}

// reach says whether a member can be reached.
func (m *mischief) reach(ctx context.Context, host string) error {
	if err := m.pass(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cut || m.cutFrom != "" && m.cutFrom == host {
		return fmt.Errorf("cut off: %w", etcd.ErrUnreachable)
	}
	return nil
}

// connection is one member as the operator reaches it.
type connection struct {
	*mischief
	etcd.Client
	host string
}

func (m *connection) ask(ctx context.Context) error { return m.reach(ctx, m.host) }

func (m *connection) tell(ctx context.Context, name string, do func() error) error {
	if err := m.ask(ctx); err != nil {
		return err
	}
	kind := m.draw()
	if kind == "error" || kind == "conflict" {
		return fmt.Errorf("by the harness: %w", etcd.ErrNoLeader)
	}
	err := m.effect("etcd "+name, do)
	if err == nil && kind == "lost" {
		return fmt.Errorf("by the harness: %w", etcd.ErrAmbiguous)
	}
	return err
}

func (m *connection) Status(ctx context.Context) (etcd.Status, error) {
	if err := m.ask(ctx); err != nil {
		return etcd.Status{}, err
	}
	return m.Client.Status(ctx)
}

func (m *connection) Read(ctx context.Context) error {
	if err := m.ask(ctx); err != nil {
		return err
	}
	return m.Client.Read(ctx)
}

func (m *connection) ReadLocal(ctx context.Context) error {
	if err := m.ask(ctx); err != nil {
		return err
	}
	return m.Client.ReadLocal(ctx)
}

func (m *connection) Members(ctx context.Context) (etcd.MemberList, error) {
	if err := m.ask(ctx); err != nil {
		return etcd.MemberList{}, err
	}
	return m.Client.Members(ctx)
}

func (m *connection) Alarms(ctx context.Context) ([]etcd.Alarm, error) {
	if err := m.ask(ctx); err != nil {
		return nil, err
	}
	return m.Client.Alarms(ctx)
}

func (m *connection) HashKV(ctx context.Context, revision int64) (etcd.HashKV, error) {
	if err := m.ask(ctx); err != nil {
		return etcd.HashKV{}, err
	}
	return m.Client.HashKV(ctx, revision)
}

func (m *connection) AddLearner(ctx context.Context, peerURL string) (added etcd.Member, err error) {
	err = m.tell(ctx, "AddLearner", func() (err error) {
		added, err = m.Client.AddLearner(ctx, peerURL)
		return err
	})
	return added, err
}

func (m *connection) Promote(ctx context.Context, id uint64) error {
	return m.tell(ctx, "Promote", func() error { return m.Client.Promote(ctx, id) })
}

func (m *connection) Remove(ctx context.Context, id uint64) error {
	return m.tell(ctx, "Remove", func() error { return m.Client.Remove(ctx, id) })
}

func (m *connection) MoveLeader(ctx context.Context, to uint64) error {
	return m.tell(ctx, "MoveLeader", func() error { return m.Client.MoveLeader(ctx, to) })
}

func (m *connection) Disarm(ctx context.Context, alarm etcd.Alarm) error {
	return m.tell(ctx, "Disarm", func() error { return m.Client.Disarm(ctx, alarm) })
}
