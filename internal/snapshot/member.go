package snapshot

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// source is a member that a snapshot may come from.
type source struct {
	task.Endpoint
	status etcd.Status
	saver  etcd.Saver
}

const (
	// askTimeout bounds the question how a member is.
	askTimeout = 5 * time.Second
	// lag is how many entries of the log a follower may be behind and still spare the leader the work.
	lag = 1000
)

// errNobody: no member can give a snapshot.
var errNobody = errors.New("no member can give a snapshot")

// sources asks all members how they are, and puts those that may be asked for a snapshot into the order to ask them.
func (a *Agent) sources(ctx context.Context, t task.Task) ([]source, error) {
	trust, err := a.trust(t.ServerName)
	if err != nil {
		return nil, because(task.BadTask, err)
	}
	var found []source
	var refusals []error
	for _, answer := range a.askAll(ctx, t, trust) {
		if answer.err == nil {
			answer.err = unfit(answer.source)
		}
		if answer.err == nil {
			found = append(found, answer.source)
			continue
		}
		refusals = append(refusals, fmt.Errorf("%s: %w", answer.Member, answer.err))
		if answer.saver != nil {
			_ = answer.saver.Close()
		}
	}
	if len(found) == 0 {
		return nil, nobody(refusals)
	}
	for _, s := range found {
		if s.status.ClusterID != found[0].status.ClusterID {
			closeAll(found)
			return nil, because(task.NoHealthyMember, fmt.Errorf("%w: %s and %s are of different clusters", errNobody, s.Member, found[0].Member))
		}
	}
	order(found)
	return found, nil
}

// nobody blames the credentials only if nothing else is wrong anywhere.
func nobody(refusals []error) error {
	denied := !slices.ContainsFunc(refusals, func(err error) bool { return reasonOfEtcd(err) != task.EtcdAccessDenied })
	err := fmt.Errorf("%w: %s", errNobody, joined(refusals))
	if denied && len(refusals) > 0 {
		return because(task.EtcdAccessDenied, err)
	}
	return because(task.NoHealthyMember, err)
}

func joined(all []error) string {
	texts := make([]string, len(all))
	for i, err := range all {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// reasonOfEtcd is for errors of members.
func reasonOfEtcd(err error) task.Reason {
	for _, denied := range []error{etcd.ErrAuthFailed, etcd.ErrAuthRequired, etcd.ErrPermission, etcd.ErrUserNotFound} {
		if errors.Is(err, denied) {
			return task.EtcdAccessDenied
		}
	}
	return task.NoHealthyMember
}

type answer struct {
	source
	err error
}

func (a *Agent) askAll(ctx context.Context, t task.Task, trust *tls.Config) []answer {
	ctx, end := context.WithTimeout(ctx, askTimeout)
	defer end()
	answers := make(chan answer)
	for _, endpoint := range t.Endpoints {
		go func() { answers <- a.ask(ctx, t, endpoint, trust) }()
	}
	all := make([]answer, 0, len(t.Endpoints))
	for range t.Endpoints {
		all = append(all, <-answers)
	}
	slices.SortFunc(all, func(a, b answer) int { return cmp.Compare(a.Member, b.Member) })
	return all
}

func (a *Agent) ask(ctx context.Context, t task.Task, at task.Endpoint, trust *tls.Config) answer {
	target := etcd.Target{Endpoint: at.URL, Username: a.Getenv(task.EnvEtcdUser), Password: etcd.NewSecret(a.Getenv(task.EnvEtcdPassword))}
	if strings.HasPrefix(at.URL, "https:") {
		target.TLS = trust
	}
	for _, other := range t.Endpoints {
		if other != at {
			target.LoginAt = append(target.LoginAt, other.URL)
		}
	}
	saver, err := a.Dial(target)
	if err != nil {
		return answer{source: source{Endpoint: at}, err: err}
	}
	status, err := saver.Status(ctx)
	return answer{source: source{Endpoint: at, status: status, saver: saver}, err: err}
}

// unfit says why a member must not be asked. One without a leader may hold old data, and cannot know.
func unfit(s source) error {
	switch {
	case s.status.Learner:
		return errors.New("it is a learner")
	case s.status.Leader == 0:
		return errors.New("it sees no leader, so its data may be old")
	case slices.Contains(s.status.Alarms, etcd.Alarm{MemberID: s.status.MemberID, Type: etcd.AlarmCorrupt}):
		return errors.New("its data are corrupt")
	}
	return nil
}

// order puts healthy followers first, those that lag last, and of equals those that know most first.
func order(found []source) {
	most := uint64(0)
	for _, s := range found {
		most = max(most, s.status.RaftAppliedIndex)
	}
	rank := func(s source) int {
		switch {
		case s.status.RaftAppliedIndex+lag < most:
			return 3
		case len(s.status.Errors) > 0:
			return 2
		case s.status.Leader == s.status.MemberID:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(found, func(a, b source) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.status.RaftAppliedIndex, a.status.RaftAppliedIndex))
	})
}

func closeAll(all []source) {
	for _, s := range all {
		_ = s.saver.Close()
	}
}

// trust is how to speak TLS with members.
func (a *Agent) trust(serverName string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: serverName}
	cas, err := readIfThere(filepath.Join(a.Roots.EtcdTLS, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("read the CA of etcd: %w", err)
	}
	if cas != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(cas) {
			return nil, fmt.Errorf("%w: ca.crt of etcd holds no certificate", errTask)
		}
	}
	certificate, err := readIfThere(filepath.Join(a.Roots.EtcdTLS, "tls.crt"))
	if err != nil || certificate == nil {
		return config, err
	}
	key, err := readIfThere(filepath.Join(a.Roots.EtcdTLS, "tls.key"))
	if err != nil {
		return nil, fmt.Errorf("read the key for etcd: %w", err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("read the certificate for etcd: %w", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}
