package consistency

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
)

const (
	// rounds is how often answers are asked for until all can be compared.
	rounds = 4
	// statusPatience and hashPatience bound one call. A hash reads the whole database.
	statusPatience = 2 * time.Second
	hashPatience   = time.Minute
	// latest asks for the hash at the latest revision, which is always made afresh: etcd keeps those that it made at compactions.
	latest = 0
)

// voter is a listed voter, and how to ask it; client is nil if it did not answer.
type voter struct {
	id     uint64
	client etcd.Client
	why    string
}

// votersOf are the voters of etcd's own list, also those that have no EtcdMember.
func votersOf(s *observe.Scene, seen plan.Cluster) []voter {
	var voters []voter
	for i := range s.List.Members {
		entry := &s.List.Members[i]
		if entry.Learner {
			continue
		}
		v := voter{id: entry.ID, why: "it is not known to the operator"}
		for j, m := range s.Members {
			if m.Entry != entry {
				continue
			}
			switch {
			case seen.Members[j].Answered:
				v.client = m.Answer.Client
			case m.Answer.Err != nil:
				v.why = m.Answer.Err.Error()
			default:
				v.why = "it answers as somebody else"
			}
		}
		voters = append(voters, v)
	}
	return voters
}

// compare compares until all answers can be compared, or the rounds are over.
func compare(ctx context.Context, voters []voter) plan.Consistency {
	var outcome plan.Consistency
	for range rounds {
		outcome = plan.Compare(hashes(ctx, voters))
		if !outcome.Again || ctx.Err() != nil {
			break
		}
	}
	return outcome
}

// hashes asks one voter after the other: while etcd hashes, the writes of that member wait.
func hashes(ctx context.Context, voters []voter) []plan.Hash {
	at, all := common(ctx, voters)
	for i := range all {
		if all[i].Missing == "" {
			all[i] = hash(ctx, voters[i], at)
		}
	}
	if at == latest && slices.ContainsFunc(all, func(h plan.Hash) bool { return h.Missing == "" && h.Revision != all[0].Revision }) {
		at = lowest(all)
		for i := range all {
			if all[i].Missing == "" && all[i].Revision != at {
				all[i] = hash(ctx, voters[i], at)
			}
		}
	}
	return all
}

// common is a revision that all who answer have come to.
func common(ctx context.Context, voters []voter) (int64, []plan.Hash) {
	all := make([]plan.Hash, len(voters))
	for i, v := range voters {
		all[i] = plan.Hash{ID: v.id, Missing: v.why}
		if v.client == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, statusPatience)
		status, err := v.client.Status(ctx)
		cancel()
		if err != nil {
			all[i].Missing = err.Error()
			continue
		}
		all[i].Missing, all[i].Revision = "", status.Revision
	}
	at := lowest(all)
	if !slices.ContainsFunc(all, func(h plan.Hash) bool { return h.Missing == "" && h.Revision != at }) {
		at = latest
	}
	return at, all
}

func lowest(all []plan.Hash) int64 {
	var least int64
	for _, h := range all {
		if h.Missing == "" && (least == 0 || h.Revision < least) {
			least = h.Revision
		}
	}
	return least
}

// hash asks a voter. A revision that was compacted meanwhile cannot be compared, which is not a missing answer.
func hash(ctx context.Context, v voter, at int64) plan.Hash {
	ctx, cancel := context.WithTimeout(ctx, hashPatience)
	defer cancel()
	answer, err := v.client.HashKV(ctx, at)
	switch {
	case errors.Is(err, etcd.ErrCompacted), errors.Is(err, etcd.ErrFutureRevision):
		return plan.Hash{ID: v.id}
	case err != nil:
		return plan.Hash{ID: v.id, Missing: err.Error()}
	}
	return plan.Hash{ID: v.id, Hash: answer.Hash, Revision: answer.Revision, Compact: answer.CompactRevision}
}
