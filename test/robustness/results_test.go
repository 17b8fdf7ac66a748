//go:build robustness

package robustness

import (
	"fmt"
	"slices"
	"time"

	"github.com/cozystack/etcd-operator/test/robustness/report"
)

type result = report.Result

// save keeps what is known of this sitting so far: one that is broken off counts, too.
func (run *sitting) save() error {
	if *flagResults == "" {
		return nil
	}
	results := slices.SortedFunc(slices.Values(run.results), func(a, b result) int { return int(int64(a.Seed) - int64(b.Seed)) })
	s := report.Sitting{
		Began: run.began.UTC().Format(time.RFC3339), Seconds: int(time.Since(run.began).Seconds()), Worlds: *flagWorlds, Commit: run.commit,
		Seed: *flagSeed, Count: len(run.results), Kinds: map[string]string{}, Results: results,
	}
	for _, f := range catalogue() {
		s.Kinds[f.name] = f.doc
	}
	return report.Save(*flagResults, fmt.Sprintf("%s-seed%d", run.began.UTC().Format("20060102T150405"), *flagSeed), s)
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
