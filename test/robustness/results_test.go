//go:build robustness

package robustness

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// result is what became of one fault.
type result struct {
	Seed       uint64 `json:"seed"`
	Fault      string `json:"fault"`
	World      string `json:"world"`
	At         string `json:"at,omitempty"`
	RecoveryMS int64  `json:"recoveryMS"`
	GapMS      int64  `json:"gapMS"`
	Crash      string `json:"crash,omitempty"` // where an operator died
	Linear     string `json:"linear,omitempty"`
	Operations int    `json:"operations,omitempty"`
	Acked      int    `json:"acked,omitempty"` // in the life of the world so far
	Error      string `json:"error,omitempty"`
}

// session is the head of a file of results.
type session struct {
	Began   string `json:"began"`
	Seconds int    `json:"seconds"`
	Worlds  int    `json:"worlds"` // side by side
	Seed    uint64 `json:"seed"`
	Count   int    `json:"count"`
	Faults  string `json:"faults,omitempty"`
}

// save adds a file to the results: one line about the sitting, and one for each fault.
func (run *sitting) save() error {
	if *flagResults == "" {
		return nil
	}
	if err := os.MkdirAll(*flagResults, 0o755); err != nil {
		return err
	}
	name := filepath.Join(*flagResults, fmt.Sprintf("%s-seed%d.jsonl", run.began.UTC().Format("20060102T150405"), *flagSeed))
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	e := json.NewEncoder(f)
	err = e.Encode(session{
		Began: run.began.UTC().Format(time.RFC3339), Seconds: int(time.Since(run.began).Seconds()), Worlds: *flagWorlds,
		Seed: *flagSeed, Count: len(run.results), Faults: *flagFaults,
	})
	slices.SortFunc(run.results, func(a, b result) int { return int(int64(a.Seed) - int64(b.Seed)) })
	for _, r := range run.results {
		err = errors.Join(err, e.Encode(r))
	}
	return errors.Join(err, f.Close())
}

// sum says in one line what was done.
func (run *sitting) sum() {
	kinds, failed := map[string]bool{}, 0
	for _, r := range run.results {
		kinds[r.Fault] = true
		if r.Error != "" {
			failed++
		}
	}
	took := time.Since(run.began)
	fmt.Printf("robustness: %d faults of %d kinds in %s (%.0f an hour), %d failed\n", len(run.results), len(kinds), took.Round(time.Second),
		float64(len(run.results))/took.Hours(), failed)
}
