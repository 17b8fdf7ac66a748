package plugin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/observe"
)

func saveCommand(s *shared) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "save CLUSTER FILE",
		Short: "Stream a snapshot from a member to a file on this machine",
		Long: `Stream a snapshot from a member to a file on this machine, through the API server's port forwarding: from a healthy follower if
there is one. The checksum that etcd sends with it is verified while it streams. The file is there once it is whole, and is what
"etcdutl snapshot restore" takes.

It holds all keys and values in the clear: it is readable by you only.`,
		Example:     `  kubectl etcd snapshot save demo demo.db`,
		Annotations: takes(looks),
		Args:        cobra.ExactArgs(2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return s.completeCluster(cmd, args, begun)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := s.key(args[0])
			if err != nil {
				return err
			}
			l, err := s.looker()
			if err != nil {
				return err
			}
			if err := overwrite(args[1], force); err != nil {
				return err
			}
			o, err := l.look(cmd.Context(), key)
			if err != nil {
				return err
			}
			return s.save(cmd.Context(), o, args[1], force)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "Overwrite the file")
	return cmd
}

// overwrite refuses a file that is there.
func overwrite(file string, force bool) error {
	if _, err := os.Lstat(file); err == nil && !force {
		return fmt.Errorf("%s is there already: name another file, or add --force", file)
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look for the file: %w", err)
	}
	return nil
}

// streamer begins to stream the data of a member, and tells how many bytes are to come, with the checksum at their end.
type streamer func(ctx context.Context, from etcd.Client) (stream io.Reader, size int64, err error)

func stream(ctx context.Context, from etcd.Client) (io.Reader, int64, error) {
	saver, able := etcd.SaverOf(from)
	if !able {
		return nil, 0, errors.New("this connection cannot stream")
	}
	snapshot, err := saver.Snapshot(ctx)
	if err != nil {
		return nil, 0, err
	}
	return snapshot, snapshot.Bytes, nil
}

// givers are the members that can give a snapshot, followers first, and of equals those that know most.
func givers(o *observation) (all []*observe.Member) {
	for i, m := range o.scene.Members {
		status := m.Answer.Status
		if o.seen.Members[i].Healthy && status != nil && !status.Learner && status.Leader != 0 &&
			!slices.Contains(status.Alarms, etcd.Alarm{MemberID: status.MemberID, Type: etcd.AlarmCorrupt}) {
			all = append(all, m)
		}
	}
	leads := func(m *observe.Member) int {
		if m.Answer.Status.Leader == m.Answer.Status.MemberID {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b *observe.Member) int {
		return cmp.Or(cmp.Compare(leads(a), leads(b)), cmp.Compare(b.Answer.Status.RaftAppliedIndex, a.Answer.Status.RaftAppliedIndex))
	})
	return all
}

func (s *shared) save(ctx context.Context, o *observation, file string, force bool) error {
	if o.blind != nil {
		return fmt.Errorf("ask the members: %w", o.blind)
	}
	from := givers(o)
	if len(from) == 0 {
		return fmt.Errorf("no member of %[1]s is healthy enough to give a snapshot: kubectl etcd status %[1]s shows how they are", o.cluster.Name)
	}
	ctx, cancel := context.WithCancel(ctx) // ends the stream
	defer cancel()
	var refusals []error
	for _, m := range from {
		data, size, err := s.stream(ctx, m.Answer.Client)
		if err != nil {
			refusals = append(refusals, fmt.Errorf("ask %s for a snapshot: %w", m.Object.Name, err))
			continue
		}
		return s.keep(ctx, m.Object.Name, data, size, file, force)
	}
	return errors.Join(refusals...)
}

// redraws is how long a bar stays as it is.
const redraws = 100 * time.Millisecond

// keep writes a stream to a file that is there only once it is whole.
func (s *shared) keep(ctx context.Context, member string, data io.Reader, size int64, file string, force bool) (err error) {
	partial, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*.tmp") // readable by its owner only
	if err != nil {
		return fmt.Errorf("make the file: %w", err)
	}
	defer func() {
		_ = partial.Close()
		_ = os.Remove(partial.Name()) // unless it has its name by now
	}()
	line, begun := s.progressLine(), s.Clock.Now()
	sealed := &seal{to: partial, size: size, body: sha256.New(), whole: sha256.New()}
	drawn := time.Time{}
	sealed.tell = func(done int64) {
		if now := s.Clock.Now(); now.Sub(drawn) >= redraws {
			drawn = now
			line.say("streaming from "+member, bar(done, size, now.Sub(begun)))
		}
	}
	_, err = io.Copy(sealed, data)
	line.end()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("stream from %s: after %s of %s: %w", member, binarySize(sealed.done), binarySize(size), err)
	}
	if err := sealed.check(); err != nil {
		return fmt.Errorf("stream from %s: %w", member, err)
	}
	if err := errors.Join(partial.Sync(), partial.Close()); err != nil {
		return fmt.Errorf("write the file: %w", err)
	}
	if err := overwrite(file, force); err != nil {
		return err
	}
	if err := os.Rename(partial.Name(), file); err != nil {
		return fmt.Errorf("name the file: %w", err)
	}
	took := s.Clock.Since(begun)
	_, err = fmt.Fprintf(s.Out, "%s: %s from %s in %s (%s), checksum verified\nsha256:%s\n", file, binarySize(size), member,
		lasted(took), rate(size, took), hex.EncodeToString(sealed.whole.Sum(nil)))
	return err
}

// seal writes a snapshot through, and knows whether the sha256 at its end is that of all before it.
type seal struct {
	to          io.Writer
	size, done  int64
	body, whole hash.Hash
	tail        []byte
	tell        func(done int64)
}

// Write implements io.Writer.
func (s *seal) Write(p []byte) (int, error) {
	n, err := s.to.Write(p)
	_, _ = s.whole.Write(p[:n])
	inBody := min(max(s.size-sha256.Size-s.done, 0), int64(n))
	_, _ = s.body.Write(p[:inBody])
	s.tail = append(s.tail, p[inBody:n]...)
	s.done += int64(n)
	if s.done > s.size {
		return n, errors.New("more came than the member had said")
	}
	s.tell(s.done)
	return n, err
}

func (s *seal) check() error {
	switch {
	case s.done < s.size:
		return fmt.Errorf("it ended after %d of %d bytes", s.done, s.size)
	case len(s.tail) != sha256.Size || string(s.body.Sum(nil)) != string(s.tail):
		return errors.New("what came does not fit the checksum at its end: nothing is kept")
	}
	return nil
}
