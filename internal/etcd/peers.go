package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const (
	// activePeers counts, by the peer's ID in the label Remote, whether the member exchanges messages with it: 1 or 0.
	activePeers = "etcd_network_active_peers"
	// mostMetrics bounds what is read of an answer. etcd's are well below 1 MiB.
	mostMetrics = 8 << 20
)

// ErrNoMetrics: what answered is not the metrics of an etcd member.
var ErrNoMetrics = errors.New("no metrics of a member")

// Metrics reads what members tell on their metrics port.
type Metrics struct {
	http http.Client
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
	return &Metrics{http: http.Client{
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
	return peersIn(io.LimitReader(answer.Body, mostMetrics))
}

// peersIn finds the active peers. A member without peers shows none, so that it is a member is seen by another metric.
func peersIn(body io.Reader) ([]uint64, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(body)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w: %w", ErrNoMetrics, err)
	}
	if families["etcd_server_has_leader"] == nil {
		return nil, fmt.Errorf("read metrics: %w: etcd_server_has_leader is missing", ErrNoMetrics)
	}
	var peers []uint64
	for _, metric := range families[activePeers].GetMetric() {
		for _, label := range metric.GetLabel() {
			if label.GetName() != "Remote" || metric.GetGauge().GetValue() < 1 {
				continue
			}
			id, err := strconv.ParseUint(label.GetValue(), 16, 64)
			if err != nil {
				return nil, fmt.Errorf("read the peer of %s: %w: %w", activePeers, ErrNoMetrics, err)
			}
			peers = append(peers, id)
		}
	}
	slices.Sort(peers)
	return peers, nil
}
