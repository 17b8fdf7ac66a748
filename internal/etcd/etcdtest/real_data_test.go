package etcdtest_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cozystack/etcd-operator/internal/etcd/etcdfake"
)

// sound is the value of every key, rotten what it is turned into.
const sound, rotten = "sound-value", "rottenvalue"

// checks are the flags of etcd's own checks of its data. 3.5 knows its peers at start only from a snapshot.
func checks(args etcdfake.Args) []string {
	flags := []string{"--snapshot-count=10"}
	if strings.HasPrefix(args.Version, "3.5.") {
		flags = append(flags,
			fmt.Sprintf("--experimental-initial-corrupt-check=%t", args.CheckAtStart),
			fmt.Sprintf("--experimental-compact-hash-check-enabled=%t", args.CheckAtCompaction))
		if args.CheckAtCompaction {
			flags = append(flags, "--experimental-compact-hash-check-time=1s")
		}
		return flags
	}
	flags = append(flags, fmt.Sprintf("--feature-gates=InitialCorruptCheck=%t,CompactHashCheck=%t", args.CheckAtStart, args.CheckAtCompaction))
	if args.CheckAtCompaction {
		flags = append(flags, "--compact-hash-check-time=1s")
	}
	return flags
}

// Corrupt rewrites the values in the database file, which nothing in etcd notices when it opens it.
func (r *processes) Corrupt(t *testing.T, name string) {
	t.Helper()
	path := filepath.Join(r.dir, name, "member", "snap", "db")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, []byte(sound)) {
		t.Fatalf("the database of %s holds no value yet", name)
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(data, []byte(sound), []byte(rotten)), 0o600); err != nil {
		t.Fatal(err)
	}
}
