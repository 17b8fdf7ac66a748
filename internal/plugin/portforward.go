package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// Forwarder connects to member Pods through the API server's port forwarding. No local port is opened: each stream is a
// net.Conn of its own, so the endpoint keeps its real DNS name, also for TLS.
type Forwarder struct {
	config *rest.Config
	pods   rest.Interface // core/v1

	mu       sync.Mutex
	attempts map[string]chan attempt // under way, by address
	failures map[string]error        // why the last attempt did not get as far as the Pod, by Pod
}

type attempt struct {
	conn net.Conn
	err  error
}

// NewForwarder forwards with the identity of config. pods is a client of core/v1.
func NewForwarder(config *rest.Config, pods rest.Interface) *Forwarder {
	return &Forwarder{config: config, pods: pods, attempts: map[string]chan attempt{}, failures: map[string]error{}}
}

// Connect connects to the client port of a member, given as <pod>.<cluster>.<namespace>.svc:<port>. An attempt that takes
// longer than ctx goes on, and the next call gets its connection: far away, the first one takes many round trips.
func (f *Forwarder) Connect(ctx context.Context, address string) (net.Conn, error) {
	f.mu.Lock()
	running, ok := f.attempts[address]
	if !ok {
		running = make(chan attempt, 1)
		f.attempts[address] = running
		go func() {
			conn, err := f.connect(address)
			running <- attempt{conn, err}
		}()
	}
	f.mu.Unlock()
	select {
	case done := <-running:
		f.mu.Lock()
		delete(f.attempts, address)
		f.mu.Unlock()
		return done.conn, done.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Failure is why the last attempt did not get as far as the Pod; nil if it did, whatever etcd then said.
func (f *Forwarder) Failure(pod string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failures[pod]
}

func (f *Forwarder) connect(address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("parse address: %w", err)
	}
	labels := strings.Split(host, ".")
	if len(labels) < 3 {
		return nil, fmt.Errorf("parse address: %q is not <pod>.<cluster>.<namespace>.svc", host)
	}
	pod, namespace := labels[0], labels[2]
	forwarding, err := f.dial(namespace, pod)
	f.mu.Lock()
	if f.failures[pod] = err; err == nil {
		delete(f.failures, pod)
	}
	f.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("forward to Pod %s: %w", pod, err)
	}
	conn, err := openStreams(forwarding, port)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("forward port %s of Pod %s: %w", port, pod, err), forwarding.Close())
	}
	return conn, nil
}

// dial opens the forwarding of a Pod over a WebSocket, or over plain SPDY where the server or a proxy knows no better.
func (f *Forwarder) dial(namespace, pod string) (httpstream.Connection, error) {
	where := f.pods.Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("portforward").URL()
	overWebsocket, err := portforward.NewSPDYOverWebsocketDialerForStreaming(where, f.config)
	if err != nil {
		return nil, fmt.Errorf("set up WebSocket: %w", err)
	}
	plain, err := f.plainDialer(where)
	if err != nil {
		return nil, fmt.Errorf("set up SPDY: %w", err)
	}
	dialer := portforward.NewFallbackDialerForStreaming(overWebsocket, plain, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	conn, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
	return conn, err
}

func (f *Forwarder) plainDialer(where *url.URL) (httpstream.Dialer, error) {
	transport, upgrader, err := spdy.RoundTripperFor(f.config)
	if err != nil {
		return nil, err
	}
	return spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, where), nil
}

// openStreams opens the pair of streams that port forwarding wants for one connection: errors, and data.
func openStreams(forwarding httpstream.Connection, port string) (net.Conn, error) {
	headers := http.Header{}
	headers.Set(corev1.PortHeader, port)
	headers.Set(corev1.PortForwardRequestIDHeader, strconv.Itoa(0))
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	faults, err := forwarding.CreateStream(headers)
	if err != nil {
		return nil, fmt.Errorf("open error stream: %w", err)
	}
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := forwarding.CreateStream(headers)
	if err != nil {
		return nil, fmt.Errorf("open data stream: %w", err)
	}
	return pipe(forwarding, faults, data), faults.Close() // nothing is written to the error stream
}

// pipe makes a net.Conn, with deadlines, of a forwarded stream. When either side ends, so does the forwarding.
func pipe(forwarding io.Closer, faults io.Reader, data io.ReadWriter) net.Conn {
	ours, theirs := net.Pipe()
	end := sync.OnceFunc(func() {
		_ = theirs.Close()
		_ = forwarding.Close()
	})
	go func() {
		defer end()
		_, _ = io.Copy(theirs, data)
	}()
	go func() {
		defer end()
		_, _ = io.Copy(data, theirs)
	}()
	go func() {
		if fault, _ := io.ReadAll(faults); len(fault) > 0 { // nobody listens on the port, or stopped to
			end()
		}
	}()
	return ours
}
