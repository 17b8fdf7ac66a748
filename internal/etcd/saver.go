package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
)

// Saver is a connection to a member that gives its data away.
type Saver interface {
	Client
	// Snapshot begins to stream the member's database. The context bounds the whole stream.
	Snapshot(ctx context.Context) (*Snapshot, error)
	// CountKeys counts the keys at a revision, as the member itself has them; ErrCompacted if it does not know any more.
	CountKeys(ctx context.Context, revision int64) (int64, error)
}

// Snapshot is a database on its way: the bytes of the file, then the 32 of its sha256. Nothing here looks at them.
type Snapshot struct {
	// Bytes that are to come, with the checksum, as the member said when it began.
	Bytes int64

	stream  etcdserverpb.Maintenance_SnapshotClient
	current []byte
	left    uint64
	err     error
	course  *call
}

// checksumBytes is the size of the sha256 that etcd sends last.
const checksumBytes = 32

// window is how much of a stream may be under way. Left to itself, gRPC would first allow too little and then four times as much.
const window = 4 << 20

// DialSaver connects to a member as Dial does.
func (a Adapter) DialSaver(t Target) (Saver, error) {
	return a.dial(t, grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window))
}

// SaverOf is a connection, of a Pool too, as one that gives the member's data away; false if it cannot.
func SaverOf(c Client) (Saver, bool) {
	if l, ok := c.(*lease); ok {
		c = l.Client
	}
	s, ok := c.(Saver)
	return s, ok
}

// Snapshot implements Saver.
func (c *client) Snapshot(ctx context.Context) (*Snapshot, error) {
	var s *Snapshot
	ctx, course := watch(ctx)
	etcd, err := c.open(ctx)
	if err == nil {
		s, err = c.session.stream(ctx, etcd.ActiveConnection())
	}
	if err != nil {
		return nil, readError(err, course)
	}
	s.course = course
	return s, nil
}

// stream does for a stream what intercept does for a call. A member that asks who calls says so instead of the first message.
func (s *session) stream(ctx context.Context, conn *grpc.ClientConn) (*Snapshot, error) {
	token, course := s.token(), watched(ctx)
	snapshot, err := begin(withToken(ctx, token), conn)
	if s.target.Username == "" || !asksForLogin(err, token) {
		return snapshot, err
	}
	token, failure := s.login(ctx, conn)
	if failure != nil {
		course.login = loginError(failure)
		return nil, err
	}
	s.keep(token)
	return begin(withToken(ctx, token), conn)
}

// begin waits for the first message.
func begin(ctx context.Context, conn *grpc.ClientConn) (*Snapshot, error) {
	if state := conn.GetState(); state == connectivity.Idle {
		conn.Connect()
	}
	stream, err := etcdserverpb.NewMaintenanceClient(conn).Snapshot(ctx, &etcdserverpb.SnapshotRequest{}, grpc.WaitForReady(false))
	if err != nil {
		return nil, unraw(err)
	}
	s := &Snapshot{stream: stream}
	if err := s.next(); err != nil {
		return nil, unraw(err)
	}
	s.Bytes = int64(len(s.current)) + int64(s.left) + checksumBytes
	return s, nil
}

// Read implements io.Reader. The end of the stream is io.EOF, whether or not all has come: the checksum tells.
func (s *Snapshot) Read(p []byte) (int, error) {
	for len(s.current) == 0 && s.err == nil {
		s.err = s.next()
	}
	if len(s.current) > 0 {
		n := copy(p, s.current)
		s.current = s.current[n:]
		return n, nil
	}
	if errors.Is(s.err, io.EOF) {
		return 0, io.EOF
	}
	return 0, fmt.Errorf("receive the snapshot: %w", readError(s.err, s.course))
}

// errNothing is what etcd sends for ever when it cannot read its own file.
var errNothing = errors.New("the member sends nothing, though it has more to send")

func (s *Snapshot) next() error {
	message, err := s.stream.Recv()
	if err != nil {
		return err
	}
	s.current, s.left = message.Blob, message.RemainingBytes
	if len(s.current) == 0 && s.left > 0 {
		return errNothing
	}
	return nil
}

// CountKeys implements Saver.
func (c *client) CountKeys(ctx context.Context, revision int64) (int64, error) {
	var count int64
	err := c.read(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		answer, err := etcd.Get(ctx, "\x00", clientv3.WithFromKey(), clientv3.WithCountOnly(), clientv3.WithSerializable(),
			clientv3.WithRev(revision))
		if err == nil {
			count = answer.Count
		}
		return err
	})
	return count, err
}
