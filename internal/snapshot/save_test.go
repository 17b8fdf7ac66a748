package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/go-logr/logr"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// TestSnapshotsAreWhatTheMemberHad compares what is reported with what the member says, and with the bytes that are stored.
func TestSnapshotsAreWhatTheMemberHad(t *testing.T) {
	needReal(t)
	server := startS3(t)
	for _, version := range versions {
		m := startEtcd(t, version)
		m.put(t, 300, 1024)
		if _, err := m.client.Delete(t.Context(), "key-000007"); err != nil {
			t.Fatal(err)
		}
		if _, err := m.client.Compact(t.Context(), 302); err != nil {
			t.Fatal(err)
		}
		m.put(t, 3, 8)
		for _, compression := range []v1alpha2.SnapshotCompression{v1alpha2.CompressionNone, v1alpha2.CompressionZstd} {
			for _, to := range []string{"s3", "pvc"} {
				t.Run(fmt.Sprintf("%s %s %s", version, to, compression), func(t *testing.T) {
					w := newWorld(t)
					location, uri := server.location("of/"+version), "s3://backups/of/"+version+"/nightly.db"
					file := server.file("of/" + version + "/nightly.db")
					if to == "pvc" {
						location = v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "claim", SubPath: "some/where"}}
						uri, file = "pvc://claim/some/where/nightly.db", filepath.Join(w.agent.Roots.Volume, "some/where/nightly.db")
					}
					what := saveTask(m, location)
					if what.Compression = compression; compression == v1alpha2.CompressionZstd {
						uri, file = uri+".zst", file+".zst"
					}
					got := w.succeeds(t, task.Save, what)
					stored, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					sum := sha256.Sum256(stored)
					if got.URI != uri || got.StoredBytes != int64(len(stored)) || got.Checksum != "sha256:"+hex.EncodeToString(sum[:]) {
						t.Errorf("reported %+v, stored at %s are %d bytes, %x", got, uri, len(stored), sum)
					}
					if got.Revision != 305 || got.HashKV != m.hash(t, 305) || got.CompactRevision != 302 || got.TotalKeys == nil || *got.TotalKeys != 299 {
						t.Errorf("reported %+v, the member has hash %s", got, m.hash(t, 305))
					}
					if got.EtcdVersion != version || got.Member != "m" || got.ClusterID == "" || got.Duration == nil {
						t.Errorf("reported %+v", got)
					}
					w.scratchIsEmpty(t)
				})
			}
		}
	}
}

// follower is a member that says what it is asked for, and gives nothing.
type follower struct {
	etcd.Saver
	name   string
	behind error
	asked  *[]string
}

func (f follower) Read(context.Context) error {
	*f.asked = append(*f.asked, f.name+" reads")
	return f.behind
}

func (f follower) Snapshot(context.Context) (*etcd.Snapshot, error) {
	*f.asked = append(*f.asked, f.name+" gives")
	return nil, etcd.ErrNoLeader
}

func TestAMemberGivesNothingBeforeItHasAllThatWasAcknowledged(t *testing.T) {
	var asked, want = []string{}, []string{"a reads", "b reads", "b gives"}
	agent := &Agent{Log: logr.Discard(), Progress: &Progress{}}
	_, _, err := agent.stream(t.Context(), task.Task{}, nil, nil, []source{
		{Endpoint: task.Endpoint{Member: "a"}, saver: follower{name: "a", behind: context.DeadlineExceeded, asked: &asked}},
		{Endpoint: task.Endpoint{Member: "b"}, saver: follower{name: "b", asked: &asked}},
	})
	if !slices.Equal(asked, want) || !errors.Is(err, errNobody) || reasonOf(t.Context(), err) != task.NoHealthyMember {
		t.Errorf("asked %q, want %q: %v", asked, want, err)
	}
}
