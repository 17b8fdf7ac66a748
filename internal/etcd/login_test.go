package etcd_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

// asking is a member that answers only to a token of root.
func asking(refusal error) *member {
	return answering(nil).with(func(ctx context.Context) error {
		sent, _ := metadata.FromIncomingContext(ctx)
		if !slices.Equal(sent.Get(rpctypes.TokenFieldNameGRPC), []string{"token of root"}) {
			return refusal
		}
		return nil
	})
}

func (m *member) with(answer func(context.Context) error) *member {
	m.answer = answer
	return m
}

func asRoot(endpoint, password string) etcd.Target {
	return etcd.Target{Endpoint: endpoint, Username: "root", Password: etcd.NewSecret(password)}
}

// etcd's maintenance service refuses in other words than the rest.
func TestAdapterLogsInWhenItIsAskedWho(t *testing.T) {
	for _, refusal := range []error{
		rpctypes.ErrGRPCUserEmpty, rpctypes.ErrGRPCInvalidAuthToken, rpctypes.ErrGRPCPermissionDenied, rpctypes.ErrGRPCUserNotFound,
		status.Error(codes.Unknown, "auth: user name is empty"), status.Error(codes.Unknown, "auth: invalid auth token"),
		status.Error(codes.Unknown, "auth: permission denied"), status.Error(codes.Unknown, "auth: user not found"),
	} {
		t.Run(rpctypes.ErrorDesc(refusal), func(t *testing.T) {
			t.Parallel()
			endpoint := "http://" + asking(refusal).serve(t, "127.0.0.1:0")
			if err := add(within(t, 5*time.Second), adapt(t, asRoot(endpoint, "right"))); err != nil {
				t.Errorf("with the right password: %v", err)
			}
			err := adapt(t, asRoot(endpoint, "wrong")).Read(within(t, 5*time.Second))
			if !errors.Is(err, etcd.ErrAuthFailed) || errors.Is(err, etcd.ErrAmbiguous) || strings.Contains(err.Error(), "wrong") {
				t.Errorf("with a wrong password: got %v, want %v", err, etcd.ErrAuthFailed)
			}
			err = add(within(t, 5*time.Second), adapt(t, etcd.Target{Endpoint: endpoint}))
			if err == nil || errors.Is(err, etcd.ErrAmbiguous) || errors.Is(err, etcd.ErrAuthFailed) {
				t.Errorf("without a password: got %v, want a refusal", err)
			}
		})
	}
}

func TestAdapterLogsInOnceForAllCallsAndAgainWhenItsTokenIsForgotten(t *testing.T) {
	m, forgotten := asking(rpctypes.ErrGRPCUserEmpty), atomic.Bool{}
	remembers := m.answer
	m.answer = func(ctx context.Context) error {
		if forgotten.CompareAndSwap(true, false) {
			return status.Error(codes.Unknown, "auth: invalid auth token")
		}
		return remembers(ctx)
	}
	c := adapt(t, asRoot("http://"+m.serve(t, "127.0.0.1:0"), "right"))
	for i, want := range []int32{1, 1, 2, 2} {
		forgotten.Store(i == 2)
		if _, err := c.Status(within(t, 5*time.Second)); err != nil || m.logins.Load() != want {
			t.Errorf("call %d: got %v after %d logins, want %d", i+1, err, m.logins.Load(), want)
		}
	}
}

func TestAdapterAsksAMemberThatNeedsNoLoginWithoutOne(t *testing.T) {
	m := answering(nil)
	client := adapt(t, asRoot("http://"+m.serve(t, "127.0.0.1:0"), "wrong"))
	if err := client.Read(within(t, 5*time.Second)); err != nil || m.logins.Load() != 0 {
		t.Errorf("got %v after %d logins, want none", err, m.logins.Load())
	}
}

func TestAdapterLogsInAtAVoterForALearner(t *testing.T) {
	learner, voter := asking(rpctypes.ErrGRPCUserEmpty), answering(nil)
	learner.login = rpctypes.ErrGRPCNotSupportedForLearner
	target := asRoot("http://"+learner.serve(t, "127.0.0.1:0"), "right")
	if err := adapt(t, target).ReadLocal(within(t, 5*time.Second)); !errors.Is(err, etcd.ErrAuthRequired) {
		t.Errorf("without a voter: got %v, want %v", err, etcd.ErrAuthRequired)
	}
	target.LoginAt = []string{"http://" + closedPort(t), "http://" + voter.serve(t, "127.0.0.1:0")}
	if err := adapt(t, target).ReadLocal(within(t, 5*time.Second)); err != nil || voter.logins.Load() != 1 {
		t.Errorf("got %v after %d logins at the voter, want 1", err, voter.logins.Load())
	}
}

func TestAChangeThatWaitsForALoginIsNotAmbiguous(t *testing.T) {
	m := asking(rpctypes.ErrGRPCUserEmpty)
	m.login = rpctypes.ErrGRPCTimeout
	err := add(within(t, 5*time.Second), adapt(t, asRoot("http://"+m.serve(t, "127.0.0.1:0"), "right")))
	if !errors.Is(err, etcd.ErrAuthRequired) || errors.Is(err, etcd.ErrAmbiguous) {
		t.Errorf("got %v, want %v", err, etcd.ErrAuthRequired)
	}
}

func TestATargetTellsNoPassword(t *testing.T) {
	const word = "correct horse"
	target := asRoot("https://a:2379", word)
	for _, shown := range []any{target, &target, target.Password, struct{ hidden etcd.Target }{target}, []etcd.Target{target}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
			text := fmt.Sprintf(verb, shown)
			if strings.Contains(text, word) || strings.Contains(text, fmt.Sprintf("%x", word)) {
				t.Errorf("%s shows %s", verb, text)
			}
		}
		if encoded, err := json.Marshal(shown); err != nil || strings.Contains(string(encoded), word) {
			t.Errorf("JSON shows %s, %v", encoded, err)
		}
	}
}
