package etcd_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

// member is a gRPC server that answers as it is told.
type member struct {
	pb.UnimplementedKVServer
	pb.UnimplementedClusterServer
	pb.UnimplementedMaintenanceServer
	pb.UnimplementedAuthServer

	answer      func(context.Context) error
	status      *pb.StatusResponse
	login       error
	logins      atomic.Int32
	connections atomic.Int32
	server      *grpc.Server
}

func (m *member) Range(ctx context.Context, _ *pb.RangeRequest) (*pb.RangeResponse, error) {
	return &pb.RangeResponse{}, m.answer(ctx)
}

func (m *member) MemberAdd(ctx context.Context, r *pb.MemberAddRequest) (*pb.MemberAddResponse, error) {
	return &pb.MemberAddResponse{Member: &pb.Member{ID: 7, PeerURLs: r.PeerURLs, IsLearner: r.IsLearner}}, m.answer(ctx)
}

func (m *member) Status(ctx context.Context, _ *pb.StatusRequest) (*pb.StatusResponse, error) {
	return m.status, m.answer(ctx)
}

func (m *member) Authenticate(_ context.Context, r *pb.AuthenticateRequest) (*pb.AuthenticateResponse, error) {
	if m.login != nil {
		return nil, m.login
	}
	m.logins.Add(1)
	if r.Password != "right" {
		return nil, rpctypes.ErrGRPCAuthFailed
	}
	return &pb.AuthenticateResponse{Token: "token of " + r.Name}, nil
}

// acceptor counts the connections.
type acceptor struct {
	net.Listener
	accepted *atomic.Int32
}

func (a acceptor) Accept() (net.Conn, error) {
	c, err := a.Listener.Accept()
	if err == nil {
		a.accepted.Add(1)
	}
	return c, err
}

// serve runs a member on address until the test ends, and gives its host and port.
func (m *member) serve(t *testing.T, address string, options ...grpc.ServerOption) string {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	m.server = grpc.NewServer(options...)
	pb.RegisterKVServer(m.server, m)
	pb.RegisterClusterServer(m.server, m)
	pb.RegisterMaintenanceServer(m.server, m)
	pb.RegisterAuthServer(m.server, m)
	go func() { _ = m.server.Serve(acceptor{l, &m.connections}) }()
	t.Cleanup(m.server.Stop)
	return l.Addr().String()
}

func answering(err error) *member {
	return &member{answer: func(context.Context) error { return err }, status: &pb.StatusResponse{}}
}

func adapt(t *testing.T, target etcd.Target) etcd.Client {
	t.Helper()
	c, err := etcd.Adapter{}.Dial(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func add(ctx context.Context, c etcd.Client) error {
	_, err := c.AddLearner(ctx, "http://b:2380")
	return err
}

// within is a context that ends after d, or with the test.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestAdapterNamesWhatEtcdAnswers(t *testing.T) {
	for _, c := range []struct {
		answer       error
		change, read error // nil: named by no sentinel
	}{
		{rpctypes.ErrGRPCMemberNotFound, etcd.ErrMemberNotFound, etcd.ErrMemberNotFound},
		{rpctypes.ErrGRPCLearnerNotReady, etcd.ErrLearnerNotReady, etcd.ErrLearnerNotReady},
		{rpctypes.ErrGRPCMemberNotLearner, etcd.ErrNotLearner, etcd.ErrNotLearner},
		{rpctypes.ErrGRPCTooManyLearners, etcd.ErrTooManyLearners, etcd.ErrTooManyLearners},
		{rpctypes.ErrGRPCPeerURLExist, etcd.ErrPeerURLExists, etcd.ErrPeerURLExists},
		{rpctypes.ErrGRPCMemberExist, etcd.ErrPeerURLExists, etcd.ErrPeerURLExists},
		{rpctypes.ErrGRPCUnhealthy, etcd.ErrUnhealthyCluster, etcd.ErrUnhealthyCluster},
		{rpctypes.ErrGRPCMemberNotEnoughStarted, etcd.ErrNotEnoughStarted, etcd.ErrNotEnoughStarted},
		{rpctypes.ErrGRPCNotLeader, etcd.ErrNotLeader, etcd.ErrNotLeader},
		{rpctypes.ErrGRPCBadLeaderTransferee, etcd.ErrBadTransferee, etcd.ErrBadTransferee},
		{rpctypes.ErrGRPCNotSupportedForLearner, etcd.ErrLearnerRefuses, etcd.ErrLearnerRefuses},
		{rpctypes.ErrGRPCUserEmpty, etcd.ErrAuthRequired, etcd.ErrAuthRequired},
		{rpctypes.ErrGRPCInvalidAuthToken, etcd.ErrAuthRequired, etcd.ErrAuthRequired},
		{rpctypes.ErrGRPCAuthFailed, etcd.ErrAuthFailed, etcd.ErrAuthFailed},
		{rpctypes.ErrGRPCPermissionDenied, etcd.ErrPermission, etcd.ErrPermission},
		{rpctypes.ErrGRPCAuthOldRevision, etcd.ErrAuthChanged, etcd.ErrAuthChanged},
		{rpctypes.ErrGRPCRootUserNotExist, etcd.ErrRootMissing, etcd.ErrRootMissing},
		{rpctypes.ErrGRPCRootRoleNotExist, etcd.ErrRootMissing, etcd.ErrRootMissing},
		{rpctypes.ErrGRPCUserNotFound, etcd.ErrUserNotFound, etcd.ErrUserNotFound},
		{rpctypes.ErrGRPCUserAlreadyExist, etcd.ErrUserExists, etcd.ErrUserExists},
		{rpctypes.ErrGRPCRoleNotFound, etcd.ErrRoleNotFound, etcd.ErrRoleNotFound},
		{rpctypes.ErrGRPCRoleAlreadyExist, etcd.ErrRoleExists, etcd.ErrRoleExists},
		{rpctypes.ErrGRPCRoleNotGranted, etcd.ErrNotGranted, etcd.ErrNotGranted},
		{rpctypes.ErrGRPCPermissionNotGranted, etcd.ErrNotGranted, etcd.ErrNotGranted},
		{rpctypes.ErrGRPCNoLeader, etcd.ErrAmbiguous, etcd.ErrNoLeader},
		{rpctypes.ErrGRPCLeaderChanged, etcd.ErrAmbiguous, etcd.ErrNoLeader},
		{rpctypes.ErrGRPCTimeout, etcd.ErrAmbiguous, etcd.ErrNoLeader},
		{rpctypes.ErrGRPCTimeoutWaitAppliedIndex, etcd.ErrAmbiguous, etcd.ErrNoLeader},
		{rpctypes.ErrGRPCStopped, etcd.ErrAmbiguous, etcd.ErrUnreachable},
		{status.Error(codes.Unknown, "raft proposal dropped"), etcd.ErrAmbiguous, nil},
		{rpctypes.ErrGRPCMemberBadURLs, nil, nil},
	} {
		t.Run(rpctypes.ErrorDesc(c.answer), func(t *testing.T) {
			t.Parallel()
			client := adapt(t, etcd.Target{Endpoint: "http://" + answering(c.answer).serve(t, "127.0.0.1:0")})
			wantNamed(t, "change", add(within(t, 5*time.Second), client), c.change, c.answer)
			wantNamed(t, "read", client.Read(within(t, 5*time.Second)), c.read, c.answer)
		})
	}
}

// wantNamed checks that err is the sentinel and no other, and still says what etcd said.
func wantNamed(t *testing.T, what string, err, sentinel, answer error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), rpctypes.ErrorDesc(answer)) {
		t.Fatalf("%s: got %v, want it to say what etcd said", what, err)
	}
	for _, s := range []error{
		etcd.ErrMemberNotFound, etcd.ErrLearnerNotReady, etcd.ErrNotLearner, etcd.ErrTooManyLearners, etcd.ErrPeerURLExists,
		etcd.ErrUnhealthyCluster, etcd.ErrNotEnoughStarted, etcd.ErrNotLeader, etcd.ErrBadTransferee, etcd.ErrNoLeader,
		etcd.ErrAuthRequired, etcd.ErrAuthFailed, etcd.ErrPermission, etcd.ErrAuthChanged, etcd.ErrRootMissing, etcd.ErrUserNotFound,
		etcd.ErrUserExists, etcd.ErrRoleNotFound, etcd.ErrRoleExists, etcd.ErrNotGranted, etcd.ErrLearnerRefuses, etcd.ErrUnreachable,
		etcd.ErrAmbiguous,
	} {
		if is := errors.Is(err, s); is != (s == sentinel) {
			t.Errorf("%s: %v is %q: %t", what, err, s, is)
		}
	}
}

func TestAdapterCallsAChangeAmbiguousOnlyIfItWasSent(t *testing.T) {
	for name, c := range map[string]struct {
		dial func(t *testing.T) etcd.Client
		want error
	}{
		"the member is not there": {func(t *testing.T) etcd.Client {
			return adapt(t, etcd.Target{Endpoint: "http://" + closedPort(t)})
		}, etcd.ErrUnreachable},
		"the member does not shake hands": {func(t *testing.T) etcd.Client {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			return adapt(t, etcd.Target{Endpoint: "http://" + l.Addr().String()})
		}, etcd.ErrUnreachable},
		"the member cannot be asked for a token": {func(t *testing.T) etcd.Client {
			return adapt(t, etcd.Target{Endpoint: "http://" + closedPort(t), Username: "root", Password: etcd.NewSecret("right")})
		}, etcd.ErrUnreachable},
		"the connection was closed": {func(t *testing.T) etcd.Client {
			c := adapt(t, etcd.Target{Endpoint: "http://" + answering(nil).serve(t, "127.0.0.1:0")})
			_ = c.Close()
			return c
		}, etcd.ErrUnreachable},
		"the member does not answer": {func(t *testing.T) etcd.Client {
			m := &member{answer: func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			}}
			return adapt(t, etcd.Target{Endpoint: "http://" + m.serve(t, "127.0.0.1:0")})
		}, etcd.ErrAmbiguous},
		"the member dies over it": {func(t *testing.T) etcd.Client {
			m := &member{}
			m.answer = func(ctx context.Context) error {
				go m.server.Stop()
				<-ctx.Done()
				return ctx.Err()
			}
			return adapt(t, etcd.Target{Endpoint: "http://" + m.serve(t, "127.0.0.1:0")})
		}, etcd.ErrAmbiguous},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := c.dial(t)
			err := add(within(t, 500*time.Millisecond), client)
			if is := errors.Is(err, etcd.ErrAmbiguous); !errors.Is(err, c.want) || is != (c.want == etcd.ErrAmbiguous) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestAdapterReadsPassTheDeadlineOn(t *testing.T) {
	m := &member{answer: func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	client := adapt(t, etcd.Target{Endpoint: "http://" + m.serve(t, "127.0.0.1:0")})
	if err := client.Read(within(t, 200*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, etcd.ErrUnreachable) {
		t.Errorf("got %v, want the deadline and nothing else", err)
	}
}

// A member that was down for long is reached by the first read after it came up, not when a backoff ends.
func TestAdapterReachesAMemberAsSoonAsItIsUp(t *testing.T) {
	address := closedPort(t)
	client := adapt(t, etcd.Target{Endpoint: "http://" + address})
	for range 8 { // gRPC's pauses have grown to the longest by then
		if err := client.Read(within(t, 2*time.Second)); !errors.Is(err, etcd.ErrUnreachable) || errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want %v before the deadline", err, etcd.ErrUnreachable)
		}
	}
	answering(nil).serve(t, address)
	if err := client.Read(within(t, 300*time.Millisecond)); err != nil {
		t.Errorf("it is up: %v", err)
	}
}

func TestAdapterUsesOneConnectionForAllCalls(t *testing.T) {
	m := answering(nil)
	client := adapt(t, etcd.Target{Endpoint: "http://" + m.serve(t, "127.0.0.1:0")})
	for range 5 {
		if _, err := client.Status(within(t, 5*time.Second)); err != nil {
			t.Fatal(err)
		}
		if err := client.ReadLocal(within(t, 5*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if n := m.connections.Load(); n != 1 {
		t.Errorf("%d connections were made, want 1", n)
	}
}

func TestAdapterSpeaksTLS(t *testing.T) {
	pair := httptest.NewUnstartedServer(nil)
	pair.StartTLS()
	t.Cleanup(pair.Close)
	roots := x509.NewCertPool()
	roots.AddCert(pair.Certificate())
	serverTLS := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: pair.TLS.Certificates}
	endpoint := "https://" + answering(nil).serve(t, "127.0.0.1:0", grpc.Creds(credentials.NewTLS(serverTLS)))

	trusting := adapt(t, etcd.Target{Endpoint: endpoint, TLS: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}})
	if err := trusting.Read(within(t, 5*time.Second)); err != nil {
		t.Errorf("with its CA: %v", err)
	}
	if err := adapt(t, etcd.Target{Endpoint: endpoint}).Read(within(t, 5*time.Second)); !errors.Is(err, etcd.ErrUnreachable) {
		t.Errorf("without its CA: got %v, want %v", err, etcd.ErrUnreachable)
	}
}

func TestAdapterConnectsAsItIsTold(t *testing.T) {
	address := answering(nil).serve(t, "127.0.0.1:0")
	var asked string
	through := etcd.Adapter{Connect: func(ctx context.Context, member string) (net.Conn, error) {
		asked = member
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}}
	client, err := through.Dial(etcd.Target{Endpoint: "http://a.cluster.test:2379"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if err := client.Read(within(t, 5*time.Second)); err != nil || asked != "a.cluster.test:2379" {
		t.Errorf("got %v after it was asked for %q", err, asked)
	}
}

func TestAdapterReadsAlarmsFromAStatus(t *testing.T) {
	m := answering(nil)
	m.status.Errors = []string{"etcdserver: no leader", "memberID:12 alarm:NOSPACE ", "memberID:13  alarm:CORRUPT", "alarm:CORRUPT "}
	got, err := adapt(t, etcd.Target{Endpoint: "http://" + m.serve(t, "127.0.0.1:0")}).Status(within(t, 5*time.Second))
	want := []etcd.Alarm{{MemberID: 12, Type: etcd.AlarmNoSpace}, {MemberID: 13, Type: etcd.AlarmCorrupt}, {Type: etcd.AlarmCorrupt}}
	if err != nil || !slices.Equal(got.Alarms, want) || len(got.Errors) != 4 {
		t.Errorf("got %+v, %v, want alarms %v", got, err, want)
	}
}

func TestAdapterRefusesWhatIsNoEndpoint(t *testing.T) {
	for _, endpoint := range []string{"", "a:2379", "http://", "unix:///run/etcd", "http://a b"} {
		if _, err := (etcd.Adapter{}).Dial(etcd.Target{Endpoint: endpoint}); err == nil {
			t.Errorf("%q is accepted", endpoint)
		}
	}
}
