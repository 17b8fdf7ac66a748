//go:build robustness

package robustness

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// blockSize is how many faults one world goes through. A seed belongs to a block, and a block is repeated from its first seed on.
const blockSize = 8

// block is what one world goes through.
type block struct {
	cfg    config
	first  uint64
	faults []fault // of the seeds from first on
}

// deck draws the faults of count seeds from first on. Every seed gives the same fault in the same world each time it is drawn.
func deck(kinds []fault, first uint64, count int) (blocks []block, err error) {
	for seed := first; seed < first+uint64(count); {
		base := seed - seed%blockSize
		rng := rand.New(rand.NewPCG(base, 1))
		b := block{cfg: draw(rng, kinds), first: seed}
		fitting := slices.DeleteFunc(slices.Clone(kinds), func(f fault) bool { return f.fits != nil && !f.fits(b.cfg) })
		if len(fitting) == 0 {
			return nil, fmt.Errorf("none of the faults fits a world of %s", b.cfg)
		}
		for n := range uint64(blockSize) {
			if n%uint64(len(fitting)) == 0 {
				rng.Shuffle(len(fitting), func(i, j int) { fitting[i], fitting[j] = fitting[j], fitting[i] })
			}
			if at := base + n; at >= seed && at < first+uint64(count) {
				b.faults = append(b.faults, fitting[n%uint64(len(fitting))])
			}
		}
		blocks = append(blocks, b)
		seed = base + blockSize
	}
	return blocks, nil
}

// draw draws what a world is like: one for which at least one of the faults is made, mostly of three members.
func draw(rng *rand.Rand, kinds []fault) config {
	for {
		c := config{version: versions[rng.IntN(len(versions))], size: []int32{3, 3, 3, 3, 5, 5, 1}[rng.IntN(7)], memory: rng.IntN(6) == 0}
		if c.memory {
			c.size = 3 // of memory clusters only these heal
		}
		if slices.ContainsFunc(kinds, func(f fault) bool { return f.fits == nil || f.fits(c) }) {
			return c
		}
	}
}

// selection finds kinds by their names.
func selection(names string) ([]fault, error) {
	all := catalogue()
	if names == "" {
		// There are many points at which an operator may die: they are to be reached, too.
		crash := all[slices.IndexFunc(all, func(f fault) bool { return f.name == "crash-point" })]
		return append(all, slices.Repeat([]fault{crash}, 5)...), nil
	}
	var some []fault
	for name := range strings.SplitSeq(names, ",") {
		at := slices.IndexFunc(all, func(f fault) bool { return f.name == name })
		if at < 0 {
			return nil, fmt.Errorf("no fault is called %q", name)
		}
		some = append(some, all[at])
	}
	return some, nil
}

// chosen is what CI runs: 32 faults of 30 kinds, the same ones each time.
func chosen() ([]block, error) {
	var blocks []block
	for i, b := range []struct {
		cfg   config
		names string
	}{
		{config{"3.6.16", 3, false}, "kill-leader,wipe-follower,crash-point,delete-claim-and-pod,quorum-down-one-wiped,two-operators"},
		{config{"3.7.3", 3, false}, "flip-wal,delete-all-members,spoil-db,freeze-leader,stale-cache,force-delete-pod"},
		{config{"3.5.35", 3, false}, "wipe-leader,api-errors,remove-wal,kill-all,node-gone,delete-pod"},
		{config{"3.6.16", 3, false}, "swap-volumes,cut-db,unschedulable,pause-under-fire,lose-learner,conflict-storm"},
		{config{"3.7.3", 5, false}, "wipe-two-of-five,foreign-volume,crash-operator,kill-follower"},
		{config{"3.6.16", 3, true}, "delete-pod,cut-operator,oom-loop,terminate-member"},
	} {
		faults, err := selection(b.names)
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, block{cfg: b.cfg, first: uint64(i * 100), faults: faults})
	}
	return blocks, nil
}
