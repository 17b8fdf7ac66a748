package etcd

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// refusals are etcd's answers that say for sure that nothing was done.
var refusals = map[string]error{
	rpctypes.ErrorDesc(rpctypes.ErrGRPCMemberNotFound):                ErrMemberNotFound,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCLearnerNotReady):               ErrLearnerNotReady,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCMemberNotLearner):              ErrNotLearner,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCTooManyLearners):               ErrTooManyLearners,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCPeerURLExist):                  ErrPeerURLExists,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCMemberExist):                   ErrPeerURLExists, // the ID is a hash of the URL and the second
	rpctypes.ErrorDesc(rpctypes.ErrGRPCUnhealthy):                     ErrUnhealthyCluster,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCMemberNotEnoughStarted):        ErrNotEnoughStarted,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCNotLeader):                     ErrNotLeader,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCBadLeaderTransferee):           ErrBadTransferee,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCNotSupportedForLearner):        ErrLearnerRefuses,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCInvalidDowngradeTargetVersion): ErrDowngradeTarget,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCWrongDowngradeVersionFormat):   ErrDowngradeTarget,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCDowngradeInProcess):            ErrDowngrading,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCNoInflightDowngrade):           ErrNotDowngrading,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCCompacted):                     ErrCompacted,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCFutureRev):                     ErrFutureRevision,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCUserEmpty):                     ErrAuthRequired,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCInvalidAuthToken):              ErrAuthRequired, // given out before a restart, or timed out
	rpctypes.ErrorDesc(rpctypes.ErrGRPCAuthNotEnabled):                ErrAuthOff,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCAuthFailed):                    ErrAuthFailed,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCPermissionDenied):              ErrPermission,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCAuthOldRevision):               ErrAuthChanged,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCRootUserNotExist):              ErrRootMissing,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCRootRoleNotExist):              ErrRootMissing,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCInvalidAuthMgmt):               ErrRootProtected, // bad ranges, which it also says, are not sent
	rpctypes.ErrorDesc(rpctypes.ErrGRPCUserAlreadyExist):              ErrUserExists,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCUserNotFound):                  ErrUserNotFound,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCRoleAlreadyExist):              ErrRoleExists,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCRoleNotFound):                  ErrRoleNotFound,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCRoleNotGranted):                ErrNotGranted,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCPermissionNotGranted):          ErrNotGranted,
}

// leaderless are etcd's answers when it gave up waiting for its leader or for a quorum.
var leaderless = map[string]bool{
	rpctypes.ErrorDesc(rpctypes.ErrGRPCNoLeader):                   true,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCLeaderChanged):              true,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCTimeout):                    true,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCTimeoutDueToLeaderFail):     true,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCTimeoutDueToConnectionLost): true,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCTimeoutWaitAppliedIndex):    true,
}

// raw are errors of etcd's authentication as its maintenance service gives them: without a code, and in other words.
var raw = map[string]error{
	"auth: user name is empty": rpctypes.ErrGRPCUserEmpty,
	"auth: invalid auth token": rpctypes.ErrGRPCInvalidAuthToken,
	"auth: permission denied":  rpctypes.ErrGRPCPermissionDenied,
	"auth: user not found":     rpctypes.ErrGRPCUserNotFound,
	"auth: authentication failed, password was given for no password user": rpctypes.ErrGRPCAuthFailed,
}

// unraw gives an error of etcd's authentication the form that it has everywhere else.
func unraw(err error) error {
	if known := raw[description(err)]; known != nil {
		return known
	}
	return err
}

// readError names the error of a call that changes nothing. The message of err is kept.
func readError(err error, c *call) error {
	switch refusal := refusals[description(err)]; {
	case err == nil:
		return nil
	case c.login != nil:
		return c.login
	case refusal != nil:
		return fmt.Errorf("%w: %w", refusal, err)
	case leaderless[description(err)]:
		return fmt.Errorf("%w: %w", ErrNoLeader, err)
	case !c.sent.Load() || codeOf(err) == codes.Unavailable:
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return err
}

// changeError names the error of a call that changes something: whatever is not a refusal, and was sent, is ambiguous.
func changeError(err error, c *call) error {
	refusal := refusals[description(err)]
	switch {
	case err == nil:
		return nil
	case c.login != nil:
		return c.login
	case refusal != nil:
		return fmt.Errorf("%w: %w", refusal, err)
	case !c.sent.Load():
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	switch codeOf(err) {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.NotFound, codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented:
		return err
	default:
		return fmt.Errorf("%w: %w", ErrAmbiguous, err)
	}
}

func description(err error) string {
	if err == nil {
		return ""
	}
	return rpctypes.ErrorDesc(err)
}

func codeOf(err error) codes.Code {
	if known := (rpctypes.EtcdError{}); errors.As(err, &known) {
		return known.Code()
	}
	return status.Code(err)
}

type callKey struct{}

// call is what becomes known of a call while it is under way.
type call struct {
	sent     atomic.Bool // a request has left for the member
	loggedIn bool        // under this very call
	login    error       // why the member still does not know who asks; it did nothing
}

// watch gives ctx a call that learns what happens under it.
func watch(ctx context.Context) (context.Context, *call) {
	c := new(call)
	return context.WithValue(ctx, callKey{}, c), c
}

// watched is the call that ctx belongs to. Other requests, such as those that log in, have none.
func watched(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return new(call)
}

// sentMarker tells a call when gRPC writes the headers of its request to a connection.
type sentMarker struct{}

func (sentMarker) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (sentMarker) HandleRPC(ctx context.Context, event stats.RPCStats) {
	if _, out := event.(*stats.OutHeader); out {
		watched(ctx).sent.Store(true)
	}
}

func (sentMarker) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (sentMarker) HandleConn(context.Context, stats.ConnStats) {}
