package traffic

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestJournalTellsWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		claim  string
		stored map[string]string
		want   string
	}{
		{"acknowledged writes are there", map[string]string{"a": "1"}, ""},
		{"an unanswered write may be there", map[string]string{"a": "1", "b": "2"}, ""},
		{"an acknowledged write is lost", map[string]string{"b": "2"}, "1 of 1 acknowledged writes are lost, among them a"},
		{"a value differs", map[string]string{"a": "2"}, `key a is "2", "1" was sent`},
		{"a key was never sent", map[string]string{"a": "1", "c": "3"}, "key c was never sent"},
	} {
		t.Run(c.claim, func(t *testing.T) {
			j := sample(t)
			err := j.Check(j.Acked(), c.stored)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestJournalRefusesAKeyTwice(t *testing.T) {
	if err := sample(t).Sending("a", "3"); err == nil {
		t.Error("a key was sent twice")
	}
}

func TestJournalMeasuresTheLongestGap(t *testing.T) {
	j := sample(t)
	start := j.last
	for _, after := range []time.Duration{100 * time.Millisecond, 900 * time.Millisecond, time.Second} {
		if err := j.Acknowledged("a", start.Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	if gap := j.LongestGap(); gap.Took != 800*time.Millisecond || !gap.From.Equal(start.Add(100*time.Millisecond)) {
		t.Errorf("got %v", gap)
	}
}

// sample has a acknowledged and b sent.
func sample(t *testing.T) *Journal {
	j, err := NewJournal(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	for key, value := range map[string]string{"a": "1", "b": "2"} {
		if err := j.Sending(key, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Acknowledged("a", time.Now()); err != nil {
		t.Fatal(err)
	}
	return j
}
