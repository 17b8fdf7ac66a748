package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

const ours = "uid-1"

// summed are data with their checksum.
type summed struct {
	io.Reader
	hash hash.Hash
}

func (s summed) Sum() string { return hex.EncodeToString(s.hash.Sum(nil)) }

func toStore(data string) summed {
	sum := sha256.New()
	return summed{io.TeeReader(strings.NewReader(data), sum), sum}
}

func volume(t *testing.T) Volume {
	t.Helper()
	return Volume{Root: t.TempDir(), Claim: "claim", Path: "a/b/nightly.db"}
}

func (v Volume) at(name string) string { return filepath.Join(v.Root, filepath.FromSlash(name)) }

func (v Volume) mustWrite(t *testing.T, name, data string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(v.at(name)), 0o755), os.WriteFile(v.at(name), []byte(data), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func (v Volume) mustRead(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(v.at(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (v Volume) mustLook(t *testing.T) *Stored {
	t.Helper()
	stored, err := v.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// names are all files on the volume.
func (v Volume) names(t *testing.T) (all []string) {
	t.Helper()
	err := filepath.WalkDir(v.Root, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			all = append(all, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAFileBelongsToWhomItsRecordNames(t *testing.T) {
	v := volume(t)
	if v.mustLook(t) != nil {
		t.Fatal("something is there")
	}
	if err := v.Write(t.Context(), Mark{UID: ours, Member: "m"}, nil, toStore("data")); err != nil {
		t.Fatal(err)
	}
	if got := v.mustLook(t); got == nil || got.UID != ours || got.Member != "m" || got.Bytes != 4 || v.mustRead(t, v.Path) != "data" {
		t.Errorf("found %+v", got)
	}
	if got := v.names(t); strings.Join(got, " ") != "nightly.db nightly.db.json" {
		t.Errorf("left are %v", got)
	}
	if err := os.Remove(v.at(v.recordPath())); err != nil {
		t.Fatal(err)
	}
	if got := v.mustLook(t); got == nil || got.UID != "" {
		t.Errorf("without its record it is taken for %+v", got)
	}
}

// TestARecordAloneProvesNothing: its writer may have died before or after it named the data.
func TestARecordAloneProvesNothing(t *testing.T) {
	sum := "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7" // of "data"
	for _, tc := range []struct {
		claim string
		r     record
		owner string
	}{
		{"data that are those of the record are its writer's", record{Mark: Mark{UID: ours}, Checksum: sum, Bytes: 4}, ours},
		{"other data are somebody else's", record{Mark: Mark{UID: ours}, Checksum: strings.Repeat("0", 64), Bytes: 4}, ""},
		{"data that came before any of the writer's are somebody else's", record{Mark: Mark{UID: ours}}, ""},
		{"data that have been damaged since are still its writer's", record{Mark: Mark{UID: ours}, Checksum: "x", Stored: true}, ours},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			v := volume(t)
			text, err := json.Marshal(tc.r)
			if err != nil {
				t.Fatal(err)
			}
			v.mustWrite(t, v.Path, "data")
			v.mustWrite(t, v.recordPath(), string(text))
			if got := v.mustLook(t); got == nil || got.UID != tc.owner {
				t.Errorf("found %+v, want it to be of %q", got, tc.owner)
			}
		})
	}
}

func TestOnAVolumeNothingOfOthersIsOverwritten(t *testing.T) {
	for _, tc := range []struct {
		claim, name, data string
	}{
		{"a file", "a/b/nightly.db", "of somebody"},
		{"a record of another snapshot", "a/b/nightly.db.json", `{"uid":"uid-2"}`},
		{"something that only has the name of a record", "a/b/nightly.db.json", "of somebody"},
		{"a file for a directory", "a/b", "of somebody"},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			v := volume(t)
			v.mustWrite(t, tc.name, tc.data)
			if err := v.Write(t.Context(), Mark{UID: ours}, nil, toStore("data")); err == nil {
				t.Error("it was written")
			}
			_ = v.Delete(t.Context(), &Stored{Mark: Mark{UID: ours}}) // where only a record is, nothing is to be deleted
			_ = v.Clean(t.Context(), ours)
			if got := v.mustRead(t, tc.name); got != tc.data {
				t.Errorf("it is now %q", got)
			}
			if left := v.names(t); len(left) != 1 {
				t.Errorf("left are %v", left)
			}
		})
	}
}

func TestWhatLiesOutsideOfAVolumeIsNotTouched(t *testing.T) {
	v, outside := volume(t), t.TempDir()
	if err := os.Symlink(outside, v.at("a")); err != nil {
		t.Fatal(err)
	}
	if err := v.Write(t.Context(), Mark{UID: ours}, nil, toStore("data")); err == nil {
		t.Error("it was written")
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("left outside are %v, %v", left, err)
	}
}

func TestDataThatEndWithAnErrorAreNotStored(t *testing.T) {
	v, broken := volume(t), errors.New("broken")
	err := v.Write(t.Context(), Mark{UID: ours}, nil, summed{io.MultiReader(strings.NewReader("da"), iotest.ErrReader(broken)), sha256.New()})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if err := v.Clean(t.Context(), ours); err != nil {
		t.Error(err)
	}
	if got := v.names(t); len(got) > 0 {
		t.Errorf("left are %v", got)
	}
}

func TestOnlyWhatWasFoundIsWrittenAnew(t *testing.T) {
	v := volume(t)
	for i, data := range []string{"first", "second"} {
		var over *Stored
		if i > 0 {
			over = v.mustLook(t)
		}
		if err := v.Write(t.Context(), Mark{UID: ours}, over, toStore(data)); err != nil {
			t.Fatal(err)
		}
		if got := v.mustRead(t, v.Path); got != data {
			t.Errorf("stored is %q", got)
		}
	}
	if err := v.Write(t.Context(), Mark{UID: ours}, nil, toStore("third")); !errors.Is(err, ErrForeign) {
		t.Errorf("what nobody has looked at was written over: %v", err)
	}
}
