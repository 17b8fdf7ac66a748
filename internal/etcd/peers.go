package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/utils/clock"
)

const (
	// receivedBytes counts, by the sender's ID in the label From, what the member received of raft's messages.
	receivedBytes = "etcd_network_peer_received_bytes_total"
	// silence is how long a member may send nothing. A leader gets an answer to each of its heartbeats, ten a second by default.
	silence = 10 * time.Second
	// forgotten is how long what a member told is remembered.
	forgotten = time.Hour
	// mostMetrics bounds what is read of an answer. etcd's are well below 1 MiB.
	mostMetrics = 8 << 20
)

// ErrNoMetrics: what answered is not the metrics of an etcd member.
var ErrNoMetrics = errors.New("no metrics of a member")

// Metrics reads what members tell on their metrics port.
type Metrics struct {
	http http.Client
	now  func() time.Time

	mu    sync.Mutex
	heard map[hearing]sample
}

// hearing is who hears whom.
type hearing struct {
	metricsURL string
	from       uint64
}

// sample is a count, and since when it has been the same.
type sample struct {
	bytes       float64
	since, seen time.Time
}

var _ PeerReader = (*Metrics)(nil)

// NewMetrics reaches members through connect, which gets host and port; nil means TCP. It goes through no proxy, follows no
// redirect, and keeps no connection.
func NewMetrics(connect func(ctx context.Context, address string) (net.Conn, error)) *Metrics {
	if connect == nil {
		dialer := &net.Dialer{Timeout: connectTimeout}
		connect = func(ctx context.Context, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", address)
		}
	}
	return &Metrics{now: clock.RealClock{}.Now, heard: map[hearing]sample{}, http: http.Client{
		Timeout:       time.Minute, // the caller's context is to be shorter
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:       func(ctx context.Context, _, address string) (net.Conn, error) { return connect(ctx, address) },
			DisableKeepAlives: true,
		},
	}}
}

// ConnectedPeers implements PeerReader.
func (m *Metrics) ConnectedPeers(ctx context.Context, metricsURL string) ([]uint64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, metricsURL+"/metrics", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask for metrics: %w", err)
	}
	answer, err := m.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask for metrics: %w: %w", ErrUnreachable, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask for metrics: %w: %s", ErrNoMetrics, answer.Status)
	}
	received, err := receivedIn(io.LimitReader(answer.Body, mostMetrics))
	if err != nil {
		return nil, err
	}
	return m.lately(metricsURL, received), nil
}

// lately compares with what the member told before. What is told for the first time counts as heard just now.
func (m *Metrics) lately(metricsURL string, received map[uint64]float64) []uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	var peers []uint64
	for from, bytes := range received {
		key := hearing{metricsURL, from}
		s, known := m.heard[key]
		if !known || s.bytes != bytes {
			s = sample{bytes: bytes, since: now}
		}
		s.seen = now
		m.heard[key] = s
		if now.Sub(s.since) < silence {
			peers = append(peers, from)
		}
	}
	maps.DeleteFunc(m.heard, func(_ hearing, s sample) bool { return now.Sub(s.seen) > forgotten })
	slices.Sort(peers)
	return peers
}

// receivedIn finds how much was received from each sender. A member without peers shows none, so that it is a member is seen by
// another metric. Sender 0 only keeps connections alive.
func receivedIn(body io.Reader) (map[uint64]float64, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(body)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w: %w", ErrNoMetrics, err)
	}
	if families["etcd_server_has_leader"] == nil {
		return nil, fmt.Errorf("read metrics: %w: etcd_server_has_leader is missing", ErrNoMetrics)
	}
	received := map[uint64]float64{}
	for _, metric := range families[receivedBytes].GetMetric() {
		for _, label := range metric.GetLabel() {
			if label.GetName() != "From" {
				continue
			}
			id, err := strconv.ParseUint(label.GetValue(), 16, 64)
			if err != nil {
				return nil, fmt.Errorf("read the sender in %s: %w: %w", receivedBytes, ErrNoMetrics, err)
			}
			if id != 0 {
				received[id] = metric.GetCounter().GetValue()
			}
		}
	}
	return received, nil
}
