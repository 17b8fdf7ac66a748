package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Steps of an agent, as SnapshotProgress tells them.
const (
	stepConnecting = "Connecting"
	stepStreaming  = "Streaming"
	stepVerifying  = "Verifying"
)

// Progress is how far an agent is, for whoever asks. The zero value is ready.
type Progress struct {
	mu  sync.Mutex
	now v1alpha2.SnapshotProgress
}

func (p *Progress) begin(step, member string, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = v1alpha2.SnapshotProgress{Step: step, Member: member, TotalBytes: total}
}

func (p *Progress) pass(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Bytes += int64(n)
}

// Now is a copy.
func (p *Progress) Now() v1alpha2.SnapshotProgress {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// counted tells p what is read through it.
func (p *Progress) counted(from io.Reader) io.Reader { return counter{from, p} }

type counter struct {
	io.Reader
	progress *Progress
}

func (c counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.progress.pass(n)
	return n, err
}

const headerTimeout = 5 * time.Second

// Serve answers GET /progress until the context ends.
func (p *Progress) Serve(ctx context.Context, listener net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /progress", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(p.Now())
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
