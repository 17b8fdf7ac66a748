package etcd_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

const someMetrics = `# TYPE etcd_network_peer_received_bytes_total counter
etcd_network_peer_received_bytes_total{From="c3"} 12
etcd_network_peer_received_bytes_total{From="b2"} 34
etcd_network_peer_received_bytes_total{From="0"} 56
# TYPE etcd_server_has_leader gauge
etcd_server_has_leader 1
`

func TestConnectedPeersAreReadFromTheMetricsOfAMember(t *testing.T) {
	for _, tc := range []struct {
		claim  string
		answer http.HandlerFunc
		want   []uint64
		err    error
	}{
		{claim: "all that were ever heard, at first, sorted", answer: says(someMetrics), want: []uint64{0xb2, 0xc3}},
		{claim: "a member alone has none", answer: says("# TYPE etcd_server_has_leader gauge\netcd_server_has_leader 0\n")},
		{claim: "somebody else's metrics say nothing", answer: says("# TYPE up gauge\nup 1\n"), err: etcd.ErrNoMetrics},
		{claim: "an empty answer says nothing", answer: says(""), err: etcd.ErrNoMetrics},
		{claim: "a page is no metrics", answer: says("<html>"), err: etcd.ErrNoMetrics},
		{claim: "an ID that is none is not left out", answer: says(strings.Replace(someMetrics, "b2", "zz", 1)), err: etcd.ErrNoMetrics},
		{claim: "an endless answer is cut off", answer: endless, err: etcd.ErrNoMetrics},
		{claim: "an error is none", answer: http.NotFound, err: etcd.ErrNoMetrics},
		{claim: "nor is a redirect followed", answer: http.RedirectHandler("/elsewhere", http.StatusFound).ServeHTTP, err: etcd.ErrNoMetrics},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			server := httptest.NewServer(tc.answer)
			defer server.Close()
			got, err := etcd.NewMetrics(nil).ConnectedPeers(t.Context(), server.URL)
			if !errors.Is(err, tc.err) || !slices.Equal(got, tc.want) {
				t.Errorf("got %x and %v, want %x and %v", got, err, tc.want, tc.err)
			}
		})
	}
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, text)
	}
}

// endless is a comment that never ends.
func endless(w http.ResponseWriter, _ *http.Request) {
	filler := []byte("# " + strings.Repeat("x", 1<<16))
	for {
		if _, err := w.Write(filler); err != nil {
			return
		}
	}
}
