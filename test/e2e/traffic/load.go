package traffic

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

const (
	// Writers is how many writes may be on their way at once.
	Writers = 2
	// pause between two writes of a writer: steady traffic that leaves the machine to what is tested.
	pause = 10 * time.Millisecond
	// patience is how long one write may take.
	patience = time.Second
	// refresh is how often the endpoints are looked up again.
	refresh = 500 * time.Millisecond
)

// Endpoints finds the addresses of all members there are at the moment.
type Endpoints func(context.Context) ([]string, error)

// Dialer makes a client of some members.
type Dialer func(endpoints ...string) (*clientv3.Client, error)

// Load is traffic that goes on until it is stopped.
type Load struct {
	Journal *Journal
	prefix  string // of all keys in the journal
	keys    string // prefix of its own
	find    Endpoints
	dial    Dialer
	cancel  context.CancelFunc
	running sync.WaitGroup
	mu      sync.Mutex
	errs    []error // of the harness, not of etcd
}

// Dial makes a client of some members that speak in plain.
func Dial(endpoints ...string) (*clientv3.Client, error) { return Over(nil)(endpoints...) }

// Over makes clients of members that speak TLS, if config is not nil.
func Over(config *tls.Config) Dialer {
	return func(endpoints ...string) (*clientv3.Client, error) { return dial(config, endpoints) }
}

func dial(config *tls.Config, endpoints []string) (*clientv3.Client, error) {
	c, err := clientv3.New(clientv3.Config{Endpoints: endpoints, TLS: config, DialTimeout: 2 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		return nil, fmt.Errorf("make etcd client: %w", err)
	}
	return c, nil
}

// Start starts writers of keys below prefix, which nobody else may write to.
func Start(ctx context.Context, j *Journal, prefix string, find Endpoints, dial Dialer) *Load {
	return start(ctx, &Load{Journal: j, prefix: prefix, keys: prefix, find: find, dial: dial})
}

// Moved starts writers that connect in another way and go on with the journal of l, which may still run.
func (l *Load) Moved(ctx context.Context, dial Dialer) *Load {
	return start(ctx, &Load{Journal: l.Journal, prefix: l.prefix, keys: l.keys + "moved/", find: l.find, dial: dial})
}

func start(ctx context.Context, l *Load) *Load {
	ctx, l.cancel = context.WithCancel(ctx)
	for n := range Writers {
		l.running.Go(func() {
			if err := l.write(ctx, l.keys+strconv.Itoa(n)+"/"); err != nil {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.errs = append(l.errs, err)
			}
		})
	}
	return l
}

// Stop ends the traffic and returns what was wrong with the harness itself.
func (l *Load) Stop() error {
	l.cancel()
	l.running.Wait()
	return errors.Join(l.errs...)
}

func (l *Load) write(ctx context.Context, prefix string) error {
	var (
		client *clientv3.Client
		looked time.Time
		err    error
	)
	defer func() {
		if client != nil {
			client.Close()
		}
	}()
	for n := 0; ctx.Err() == nil; {
		if time.Since(looked) > refresh {
			if client, err = l.follow(ctx, client); err != nil {
				return err
			}
			looked = time.Now()
		}
		if client != nil {
			if err := l.put(ctx, client, fmt.Sprintf("%s%06d", prefix, n)); err != nil {
				return err
			}
			n++
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

// follow points the client to the members there are now. Members may all be away for a while.
func (l *Load) follow(ctx context.Context, client *clientv3.Client) (*clientv3.Client, error) {
	endpoints, err := l.find(ctx)
	switch {
	case err != nil || len(endpoints) == 0:
		return client, nil //nolint:nilerr // the next look will tell
	case client == nil:
		return l.dial(endpoints...)
	}
	client.SetEndpoints(endpoints...)
	return client, nil
}

// put writes a key that is used once. Whatever the answer, it is not tried again: an error does not say that nothing was written.
func (l *Load) put(ctx context.Context, client *clientv3.Client, key string) error {
	value := key + "@" + strconv.FormatInt(time.Now().UnixNano(), 36)
	if err := l.Journal.Sending(key, value); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := client.Put(ctx, key, value); err != nil {
		return nil // neither lost nor kept: unknown
	}
	return l.Journal.Acknowledged(key, time.Now())
}
