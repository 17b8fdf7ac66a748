package traffic

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Verify reads everything below the prefix from one member, linearizably, and checks it against the journal. Traffic may go on.
func (l *Load) Verify(ctx context.Context, endpoint string) error {
	client, err := l.dial(endpoint)
	if err != nil {
		return err
	}
	defer client.Close()
	acked := l.Journal.Acked()
	stored, err := read(ctx, client, l.prefix)
	if err != nil {
		return err
	}
	return l.Journal.Check(acked, stored)
}

func read(ctx context.Context, client *clientv3.Client, prefix string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	got, err := client.Get(ctx, prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", prefix, err)
	}
	stored := make(map[string]string, len(got.Kvs))
	for _, kv := range got.Kvs {
		stored[string(kv.Key)] = string(kv.Value)
	}
	return stored, nil
}

// SameData checks that all members hold the same, by the hash of all keys and revisions up to one revision.
func SameData(ctx context.Context, dial Dialer, endpoints []string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	client, err := dial(endpoints...)
	if err != nil {
		return err
	}
	defer client.Close()
	// A linearizable read on each member: none is behind the revision that is hashed.
	var revision int64
	for _, e := range endpoints {
		one, err := dial(e)
		if err != nil {
			return err
		}
		got, err := one.Get(ctx, "at-rest")
		one.Close()
		if err != nil {
			return fmt.Errorf("read from %s: %w", e, err)
		}
		if revision == 0 {
			revision = got.Header.Revision
		}
	}
	var first *clientv3.HashKVResponse
	for _, e := range endpoints {
		got, err := client.HashKV(ctx, e, revision)
		if err != nil {
			return fmt.Errorf("hash %s: %w", e, err)
		}
		if first == nil {
			first = got
		}
		if got.Hash != first.Hash || got.CompactRevision != first.CompactRevision {
			return fmt.Errorf("%s holds other data than %s at revision %d: hash %x, not %x", e, endpoints[0], revision, got.Hash, first.Hash)
		}
	}
	return nil
}
