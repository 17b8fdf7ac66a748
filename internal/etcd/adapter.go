package etcd

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
)

const (
	// keepaliveTime is the least that gRPC sends pings at; etcd disconnects clients that ping more often than every 5 s.
	keepaliveTime = 10 * time.Second
	// keepaliveTimeout is also the connection's TCP_USER_TIMEOUT: a peer that vanished is noticed this long after a request.
	keepaliveTimeout = 3 * time.Second
	// connectTimeout bounds one attempt to connect, so that the next one asks DNS again.
	connectTimeout = 2 * time.Second
	// maxReconnectDelay is the longest pause between two attempts to connect while a request waits. Each new request starts
	// one at once.
	maxReconnectDelay = time.Second
	// readAttempts and readPause let a read that finds no connection or no leader try again for about 0.3 s. Changes are
	// sent once.
	readAttempts = 12
	readPause    = 25 * time.Millisecond
	// idleTimeout closes the transport of a connection that nobody uses.
	idleTimeout = 5 * time.Minute
)

// Adapter dials real members: one connection to one endpoint, so that an answer is that member's own.
type Adapter struct {
	// Connect reaches an address of a member, as host and port; nil means TCP. The endpoint keeps its name, also for TLS.
	Connect func(ctx context.Context, address string) (net.Conn, error)
}

var _ Dialer = Adapter{}

// Dial implements Dialer.
func (a Adapter) Dial(t Target) (Client, error) { return a.dial(t) }

func (a Adapter) dial(t Target, more ...grpc.DialOption) (*client, error) {
	u, err := url.Parse(t.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("parse endpoint: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("parse endpoint: %q is not an http or https URL", t.Endpoint)
	}
	login := &session{adapter: a, target: t}
	config := clientConfig(t, login.intercept)
	config.DialOptions = append(config.DialOptions, more...)
	if a.Connect != nil {
		config.DialOptions = append(config.DialOptions, grpc.WithContextDialer(a.Connect))
	}
	return &client{config: config, session: login, opening: make(chan struct{}, 1)}, nil
}

func clientConfig(t Target, login grpc.UnaryClientInterceptor) clientv3.Config {
	return clientv3.Config{
		Endpoints:            []string{t.Endpoint},
		TLS:                  t.TLS,
		Logger:               zap.NewNop(),
		DialKeepAliveTime:    keepaliveTime,
		DialKeepAliveTimeout: keepaliveTimeout,
		MaxUnaryRetries:      readAttempts,
		BackoffWaitBetween:   readPause,
		DialOptions: []grpc.DialOption{
			grpc.WithNoProxy(),
			grpc.WithIdleTimeout(idleTimeout),
			grpc.WithStatsHandler(sentMarker{}),
			grpc.WithChainUnaryInterceptor(login, failFast),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxReconnectDelay},
				MinConnectTimeout: connectTimeout,
			}),
		},
	}
}

// failFast ends a call when no connection can be made, where clientv3 would wait for one until the deadline.
func failFast(
	ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	return unraw(invoke(ctx, method, request, answer, conn, append(options, grpc.WaitForReady(false))...))
}

// client connects on its first call.
type client struct {
	config  clientv3.Config
	session *session
	opening chan struct{} // held while etcd is looked at or set
	etcd    *clientv3.Client
	closed  bool
}

// open returns the connection, making it if need be. An attempt to connect that failed earlier is repeated at once.
func (c *client) open(ctx context.Context) (*clientv3.Client, error) {
	select {
	case c.opening <- struct{}{}:
		defer func() { <-c.opening }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c.closed {
		return nil, net.ErrClosed
	}
	if c.etcd == nil {
		if err := c.connect(ctx); err != nil {
			return nil, err
		}
	}
	if conn := c.etcd.ActiveConnection(); conn.GetState() == connectivity.TransientFailure {
		conn.ResetConnectBackoff()
	}
	return c.etcd, nil
}

func (c *client) connect(ctx context.Context) error {
	life, end := context.WithCancel(context.Background()) //nolint:forbidigo // the connection outlives the call
	unbind := context.AfterFunc(ctx, end)
	config := c.config
	config.Context = life
	etcd, err := clientv3.New(config)
	if !unbind() && err == nil {
		_ = etcd.Close()
		return ctx.Err()
	}
	if err != nil {
		end()
		return clientv3.ContextError(ctx, err)
	}
	c.etcd = etcd
	return nil
}

// Close implements Client.
func (c *client) Close() error {
	c.opening <- struct{}{}
	defer func() { <-c.opening }()
	c.closed = true
	if c.etcd == nil {
		return nil
	}
	return c.etcd.Close()
}

// read runs a call that changes nothing.
func (c *client) read(ctx context.Context, call func(context.Context, *clientv3.Client) error) error {
	ctx, course := watch(ctx)
	etcd, err := c.open(ctx)
	if err == nil {
		err = call(ctx, etcd)
	}
	return readError(err, course)
}

// change runs a call that changes the cluster.
func (c *client) change(ctx context.Context, call func(context.Context, *clientv3.Client) error) error {
	ctx, course := watch(ctx)
	etcd, err := c.open(ctx)
	if err == nil {
		err = call(ctx, etcd)
	}
	return changeError(err, course)
}

// maintenance uses the open connection, where clientv3's own Status dials again for each call.
func maintenance(etcd *clientv3.Client) etcdserverpb.MaintenanceClient {
	return clientv3.RetryMaintenanceClient(etcd, etcd.ActiveConnection())
}
