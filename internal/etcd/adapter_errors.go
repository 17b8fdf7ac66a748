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
	rpctypes.ErrorDesc(rpctypes.ErrGRPCMemberNotFound):         ErrMemberNotFound,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCLearnerNotReady):        ErrLearnerNotReady,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCMemberNotLearner):       ErrNotLearner,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCTooManyLearners):        ErrTooManyLearners,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCPeerURLExist):           ErrPeerURLExists,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCMemberExist):            ErrPeerURLExists, // the ID is a hash of the URL and the second
	rpctypes.ErrorDesc(rpctypes.ErrGRPCUnhealthy):              ErrUnhealthyCluster,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCMemberNotEnoughStarted): ErrNotEnoughStarted,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCNotLeader):              ErrNotLeader,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCBadLeaderTransferee):    ErrBadTransferee,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCNotSupportedForLearner): ErrLearnerRefuses,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCCompacted):              ErrCompacted,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCFutureRev):              ErrFutureRevision,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCUserEmpty):              ErrUnauthenticated,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCUserNotFound):           ErrUnauthenticated,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCAuthFailed):             ErrUnauthenticated,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCInvalidAuthToken):       ErrUnauthenticated,
	rpctypes.ErrorDesc(rpctypes.ErrGRPCPermissionDenied):       ErrUnauthenticated,
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

// readError names the error of a call that changes nothing. The message of err is kept.
func readError(err error, sent bool) error {
	switch refusal := refusals[description(err)]; {
	case err == nil:
		return nil
	case refusal != nil:
		return fmt.Errorf("%w: %w", refusal, err)
	case leaderless[description(err)]:
		return fmt.Errorf("%w: %w", ErrNoLeader, err)
	case !sent || codeOf(err) == codes.Unavailable:
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return err
}

// changeError names the error of a call that changes something: whatever is not a refusal, and was sent, is ambiguous.
func changeError(err error, sent bool) error {
	refusal := refusals[description(err)]
	switch {
	case err == nil:
		return nil
	case refusal != nil:
		return fmt.Errorf("%w: %w", refusal, err)
	case !sent:
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

type sentKey struct{}

// markSent gives ctx a mark that is set once a request made under it has left for the member.
func markSent(ctx context.Context) (context.Context, *atomic.Bool) {
	sent := new(atomic.Bool)
	return context.WithValue(ctx, sentKey{}, sent), sent
}

// sentMarker sets that mark when gRPC writes the headers of a request to a connection.
type sentMarker struct{}

func (sentMarker) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (sentMarker) HandleRPC(ctx context.Context, event stats.RPCStats) {
	if _, out := event.(*stats.OutHeader); !out {
		return
	}
	if sent, ok := ctx.Value(sentKey{}).(*atomic.Bool); ok {
		sent.Store(true)
	}
}

func (sentMarker) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (sentMarker) HandleConn(context.Context, stats.ConnStats) {}
