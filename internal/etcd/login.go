package etcd

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// session logs in when a member asks who calls. clientv3 would log in before its first call, which a learner refuses and which
// hangs without a quorum, also where the member could answer; and it would not log in again for etcd's maintenance service.
type session struct {
	adapter Adapter
	target  Target

	mu      sync.Mutex
	current string // token
}

func (s *session) token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

func (s *session) keep(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = token
}

// intercept makes a call under the token that there is, and once more after logging in if that is refused.
func (s *session) intercept(
	ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	token, course := s.token(), watched(ctx)
	err := invoke(withToken(ctx, token), method, request, answer, conn, options...)
	if s.target.Username == "" || method == etcdserverpb.Auth_Authenticate_FullMethodName || course.loggedIn || !asksForLogin(err, token) {
		return err
	}
	token, failure := s.login(ctx, conn)
	switch {
	case errors.Is(failure, rpctypes.ErrAuthNotEnabled):
		return err
	case failure != nil:
		course.login = loginError(failure)
		return status.Error(codes.FailedPrecondition, "no login")
	}
	s.keep(token)
	course.loggedIn = true
	return invoke(withToken(ctx, token), method, request, answer, conn, options...)
}

// LogIn implements Authority.
func (c *client) LogIn(ctx context.Context) error {
	return c.read(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		token, err := c.session.login(ctx, etcd.ActiveConnection())
		if err == nil {
			c.session.keep(token)
		}
		return err
	})
}

func withToken(ctx context.Context, token string) context.Context {
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, rpctypes.TokenFieldNameGRPC, token)
}

// asksForLogin says whether logging in may help. Who gave no token was taken for whom its certificate names.
func asksForLogin(err error, token string) bool {
	switch description(err) {
	case rpctypes.ErrorDesc(rpctypes.ErrGRPCUserEmpty), rpctypes.ErrorDesc(rpctypes.ErrGRPCInvalidAuthToken):
		return true
	case rpctypes.ErrorDesc(rpctypes.ErrGRPCPermissionDenied), rpctypes.ErrorDesc(rpctypes.ErrGRPCUserNotFound):
		return token == ""
	}
	return false
}

// login asks the member for a token, or, if it is a learner, the voters in turn.
func (s *session) login(ctx context.Context, conn *grpc.ClientConn) (token string, err error) {
	ctx = context.WithValue(ctx, callKey{}, new(call))
	token, err = s.ask(ctx, conn)
	if refusals[description(err)] != ErrLearnerRefuses { //nolint:errorlint // this very value
		return token, err
	}
	for _, endpoint := range s.target.LoginAt {
		if token, err = s.loginAt(ctx, endpoint); err == nil || errors.Is(err, rpctypes.ErrAuthFailed) {
			break
		}
	}
	return token, err
}

func (s *session) loginAt(ctx context.Context, endpoint string) (token string, err error) {
	voter, err := s.adapter.Dial(Target{Endpoint: endpoint, TLS: s.target.TLS})
	if err != nil {
		return "", err
	}
	defer voter.Close()
	c, ours := voter.(*client)
	if !ours {
		return "", fmt.Errorf("%s is dialled in another way", endpoint)
	}
	etcd, err := c.open(ctx)
	if err != nil {
		return "", err
	}
	return s.ask(ctx, etcd.ActiveConnection())
}

func (s *session) ask(ctx context.Context, conn *grpc.ClientConn) (token string, err error) {
	request := &etcdserverpb.AuthenticateRequest{Name: s.target.Username, Password: s.target.Password.Reveal()}
	answer, err := etcdserverpb.NewAuthClient(conn).Authenticate(ctx, request)
	if err != nil {
		return "", clientv3.ContextError(ctx, err)
	}
	return answer.Token, nil
}

// loginError names why there is no login: whatever is not a refusal of the credentials leaves the member without them.
func loginError(err error) error {
	if refusals[description(err)] == ErrAuthFailed { //nolint:errorlint // this very value
		return fmt.Errorf("%w: log in: %w", ErrAuthFailed, err)
	}
	return fmt.Errorf("%w: log in: %w", ErrAuthRequired, err)
}
