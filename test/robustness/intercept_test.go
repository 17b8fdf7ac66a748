//go:build robustness

package robustness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

var (
	errDead   = errors.New("this operator was killed")
	errOutage = errors.New("dial tcp: connection refused (outage)")
)

// crashPoint ends the operator at one of its side effects.
type crashPoint struct {
	name  string // "" is any
	after bool   // the effect still takes place
	left  int    // how many that fit are let pass
}

func (c crashPoint) String() string {
	when := "before"
	if c.after {
		when = "after"
	}
	return when + " " + c.name
}

// mischief is what goes wrong between one operator and the world. The zero value is peace.
type mischief struct {
	mu     sync.Mutex
	dead   bool
	gate   chan struct{} // calls wait here while it is not nil
	outage bool          // no API server
	cut    bool          // no member can be reached
	// cutFrom is a member that cannot be reached.
	cutFrom string
	stale   chan struct{} // watches tell nothing while it is not nil
	share   map[string]float64
	rng     *rand.Rand
	armed   *crashPoint
	died    chan struct{} // closed when dead
	struck  string        // the crash point that was reached
}

func newMischief(seed uint64) *mischief {
	return &mischief{rng: rand.New(rand.NewPCG(seed, 99)), died: make(chan struct{})}
}

// kill ends the operator: nothing that it begins from now on has an effect.
func (m *mischief) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.die("")
}

func (m *mischief) die(struck string) {
	if !m.dead {
		m.dead, m.struck = true, struck
		close(m.died)
	}
}

func (m *mischief) change(f func(*mischief)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m)
}

// pass waits at the gate and says whether the caller is still alive.
func (m *mischief) pass(ctx context.Context) error {
	m.mu.Lock()
	gate := m.gate
	m.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-m.died:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errDead
	}
	return nil
}

// effect lets a side effect happen, or not, and the operator with it.
func (m *mischief) effect(name string, do func() error) error {
	m.mu.Lock()
	hit := m.armed != nil && (m.armed.name == "" || m.armed.name == name)
	if hit && m.armed.left > 0 {
		m.armed.left--
		hit = false
	}
	if !hit {
		m.mu.Unlock()
		return do()
	}
	point := crashPoint{name: name, after: m.armed.after}
	m.armed = nil
	if !point.after {
		m.die(point.String())
		m.mu.Unlock()
		return errDead
	}
	m.mu.Unlock()
	_ = do()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.die(point.String())
	return errDead
}

// draw says which of the planned troubles befalls this call.
func (m *mischief) draw() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.outage {
		return "outage"
	}
	x := m.rng.Float64()
	for _, kind := range []string{"conflict", "lost", "throttled", "error"} {
		if x -= m.share[kind]; x < 0 {
			return kind
		}
	}
	return ""
}

// transport is the operator's way to the API server.
type transport struct {
	*mischief
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := t.pass(request.Context()); err != nil {
		return nil, err
	}
	watch := request.URL.Query().Get("watch") != ""
	write := request.Method != http.MethodGet
	kind := ""
	if !watch {
		kind = t.draw()
	}
	switch {
	case kind == "outage":
		return nil, errOutage
	case kind == "throttled":
		return refuse(request, http.StatusTooManyRequests, "TooManyRequests", "1"), nil
	case kind == "error":
		return refuse(request, http.StatusInternalServerError, "InternalError", ""), nil
	case kind == "conflict" && write && request.Method != http.MethodPost:
		return refuse(request, http.StatusConflict, "Conflict", ""), nil
	}
	response, err := t.send(request, write)
	if err == nil && kind == "lost" {
		_ = response.Body.Close()
		return nil, fmt.Errorf("%s %s: the answer is lost: %w", request.Method, request.URL.Path, context.DeadlineExceeded)
	}
	if err == nil && watch {
		response.Body = &staleBody{ReadCloser: response.Body, mischief: t.mischief, done: request.Context().Done()}
	}
	return response, err
}

// send carries out a request; a write may be where the operator dies.
func (t *transport) send(request *http.Request, write bool) (response *http.Response, err error) {
	if !write {
		return t.next.RoundTrip(request)
	}
	name, ok := nameOf(request)
	if !ok { // events: nobody depends on them
		return t.next.RoundTrip(request)
	}
	err = t.effect(name, func() (err error) {
		response, err = t.next.RoundTrip(request) //nolint:bodyclose // closed below, or by the caller
		return err
	})
	if err != nil && response != nil { // the operator dies before it reads the answer
		_ = response.Body.Close()
		response = nil
	}
	return response, err
}

// nameOf names a write by its verb, its resource and what it changes, the same in every run.
func nameOf(request *http.Request) (string, bool) {
	verbs := map[string]string{
		http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete",
	}
	_, path, found := strings.Cut(request.URL.Path, "/namespaces/")
	if !found {
		path = "-/" + request.URL.Path[strings.LastIndex(request.URL.Path, "/v1/")+4:]
	}
	parts := strings.Split(path, "/")
	if len(parts) < 2 || parts[1] == "events" {
		return "", false
	}
	name := verbs[request.Method] + " " + parts[1]
	if len(parts) > 3 {
		name += "/" + parts[3]
	}
	if request.Method == http.MethodPatch {
		name += " " + partOf(request)
	}
	return name, true
}

// parts are what patches are told apart by, the most telling first.
var parts = []string{
	"initialMembers", "clusterID", "replacements", "incarnation", "grant", "isVoter", "confirmed", "removal", "initialCluster", "dormant",
	"schedulingGates", "set-aside", "member-id", "consistency", "failure", "labels", "annotations",
}

func partOf(request *http.Request) string {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return "unreadable"
	}
	_ = request.Body.Close()
	request.Body = io.NopCloser(bytes.NewReader(body))
	var change any
	if json.Unmarshal(body, &change) != nil {
		return "unreadable"
	}
	for _, part := range parts {
		if bytes.Contains(body, []byte(part)) {
			return part
		}
	}
	return "report"
}

func refuse(request *http.Request, code int, reason, retryAfter string) *http.Response {
	body := fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"message":"by the harness","code":%d}`,
		reason, code)
	header := http.Header{"Content-Type": {"application/json"}}
	if retryAfter != "" {
		header.Set("Retry-After", retryAfter)
	}
	if request.Body != nil {
		_ = request.Body.Close()
	}
	return &http.Response{
		StatusCode: code, Status: http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header,
		Body: io.NopCloser(strings.NewReader(body)), Request: request, ContentLength: int64(len(body)),
	}
}

// staleBody is a watch that tells nothing for a while.
type staleBody struct {
	io.ReadCloser
	*mischief
	done <-chan struct{}
}

// Read implements io.Reader.
func (b *staleBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	for {
		b.mu.Lock()
		gate, stale := b.gate, b.stale
		b.mu.Unlock()
		if gate == nil {
			gate = stale
		}
		if gate == nil {
			return n, err
		}
		select {
		case <-gate:
		case <-b.died:
			return 0, errDead
		case <-b.done:
			return n, err
		}
	}
}

// hold makes a channel to wait at, and the func that opens it.
func hold(put func(chan struct{})) (release func()) {
	gate := make(chan struct{})
	put(gate)
	return sync.OnceFunc(func() {
		put(nil)
		close(gate)
	})
}

// freeze stops an operator where it is, as SIGSTOP does.
func (m *mischief) freeze() (thaw func()) {
	return hold(func(c chan struct{}) { m.change(func(m *mischief) { m.gate = c }) })
}

// blind keeps an operator's cache as it is.
func (m *mischief) blind() (see func()) {
	return hold(func(c chan struct{}) { m.change(func(m *mischief) { m.stale = c }) })
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
