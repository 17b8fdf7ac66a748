// Package traffic writes to an etcd cluster while things happen to it, and proves afterwards that nothing was lost. What was sent
// and what was acknowledged is kept outside the system under test.
package traffic

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"
)

// Journal records writes of unique keys. A line is in the file before the request it speaks of is sent, or before the next one is.
// All methods are safe for concurrent use.
type Journal struct {
	mu    sync.Mutex
	file  *os.File
	value map[string]string // of every key that was sent
	acked map[string]bool
	last  time.Time // of the last acknowledgement
	gap   Gap
}

// Gap is a time without an acknowledgement.
type Gap struct {
	From time.Time
	Took time.Duration
}

// NewJournal starts a journal in a new file.
func NewJournal(path string) (*Journal, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create journal: %w", err)
	}
	return &Journal{file: file, value: map[string]string{}, acked: map[string]bool{}}, nil
}

// Sending records that a write is about to be sent. The key must be new.
func (j *Journal) Sending(key, value string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, used := j.value[key]; used {
		return fmt.Errorf("journal %s: the key was used before", key)
	}
	j.value[key] = value
	return j.line("sent", key, value)
}

// Acknowledged records that etcd has acknowledged a write at a time.
func (j *Journal) Acknowledged(key string, at time.Time) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.acked[key] = true
	if took := at.Sub(j.last); !j.last.IsZero() && took > j.gap.Took {
		j.gap = Gap{From: j.last, Took: took}
	}
	if at.After(j.last) {
		j.last = at
	}
	return j.line("acknowledged", key, j.value[key])
}

func (j *Journal) line(what, key, value string) error {
	if _, err := fmt.Fprintln(j.file, what, key, value); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// Acks is how many writes were acknowledged so far.
func (j *Journal) Acks() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.acked)
}

// Unanswered counts the writes that were sent and not acknowledged: those that failed, and those that are on their way.
func (j *Journal) Unanswered() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.value) - len(j.acked)
}

// LongestGap is the longest time between two acknowledgements.
func (j *Journal) LongestGap() Gap {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.gap
}

// TakeGap is LongestGap since it was last called.
func (j *Journal) TakeGap() Gap {
	j.mu.Lock()
	defer j.mu.Unlock()
	gap := j.gap
	j.gap = Gap{}
	return gap
}

// Acked are the keys whose writes were acknowledged so far.
func (j *Journal) Acked() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Collect(maps.Keys(j.acked))
}

// Check compares what is stored with what was sent: every write of acked, taken before the store was read, must be there, and everything
// that is there must have been sent, with this value. A write that was neither acknowledged nor refused may be there or not.
func (j *Journal) Check(acked []string, stored map[string]string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for key, value := range stored {
		switch sent, known := j.value[key]; {
		case !known:
			return fmt.Errorf("key %s was never sent", key)
		case value != sent:
			return fmt.Errorf("key %s is %q, %q was sent", key, value, sent)
		}
	}
	var lost []string
	for _, key := range acked {
		if _, there := stored[key]; !there {
			lost = append(lost, key)
		}
	}
	if len(lost) > 0 {
		return fmt.Errorf("%d of %d acknowledged writes are lost, among them %s", len(lost), len(acked), slices.Min(lost))
	}
	return nil
}

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }
