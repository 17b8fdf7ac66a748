//go:build bench

package bench

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

// operation is what is measured, in the order in which a round goes through it.
type operation string

const (
	create  operation = "create 3 members"
	restart operation = "recover a deleted Pod"
	grow    operation = "scale 3 to 5"
	shrink  operation = "scale 5 to 3"
	pause   operation = "pause 3 members"
	resume  operation = "resume 3 members"
)

// goals are those of the project, as text: here they are only shown.
var goals = []struct {
	of   operation
	goal string
}{
	{create, "1.5 x floor and under 8 s"},
	{restart, ""},
	{grow, "under 15 s"},
	{shrink, ""},
	{pause, "under 5 s beyond the floor"},
	{resume, "1.5 x floor"},
}

// timings are the seconds that each round of one side took.
type timings struct {
	side string
	took map[operation][]float64
}

func TestReport(t *testing.T) {
	rounds := 5
	if s := os.Getenv("BENCH_ROUNDS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("read BENCH_ROUNDS: %v", err)
		}
		rounds = n
	}
	b, err := bed.Connect()
	if err != nil {
		t.Fatal(err)
	}
	floor := timings{"floor", map[operation][]float64{}}
	operator := timings{"operator", map[operation][]float64{}}
	for n := range rounds {
		fmt.Printf("round %d of %d\n", n+1, rounds)
		for name, measure := range map[string]func(t *testing.T){
			floor.side:    func(t *testing.T) { measureFloor(t, b, floor) },
			operator.side: func(t *testing.T) { measureOperator(t, b, operator) },
		} {
			t.Run(name, measure)
			if err := b.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if t.Failed() {
		return
	}
	report(floor, operator, rounds)
	if bytes, err := b.OperatorResident(t.Context()); err == nil {
		fmt.Printf("memory of the operator: %.0f MB (goal: under 60 MB)\n", float64(bytes)/1e6)
	}
}

func report(floor, operator timings, rounds int) {
	fmt.Printf("\nmedians of %d rounds, in seconds; the floor is a StatefulSet of the same Pods\n\n", rounds)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "OPERATION\tFLOOR\tOPERATOR\tRATIO\tGOAL")
	for _, g := range goals {
		is := median(operator.took[g.of])
		least, ratio := "-", "-"
		if f := floor.took[g.of]; len(f) > 0 {
			least, ratio = fmt.Sprintf("%.1f", median(f)), fmt.Sprintf("%.2f", is/median(f))
		}
		fmt.Fprintf(w, "%s\t%s\t%.1f\t%s\t%s\n", g.of, least, is, ratio, g.goal)
	}
	w.Flush()
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// time runs do and waits until done, and notes how long that took together.
func (all timings) time(t *testing.T, what operation, do func() error, done func() bool) {
	t.Helper()
	const limit, every = 3 * time.Minute, 20 * time.Millisecond
	began := time.Now()
	if err := do(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for !done() {
		if time.Since(began) > limit {
			t.Fatalf("%s: not done after %s", what, limit)
		}
		time.Sleep(every)
	}
	took := time.Since(began).Seconds()
	fmt.Printf("  %-9s %-22s %5.1f s\n", all.side, what, took)
	all.took[what] = append(all.took[what], took)
}
