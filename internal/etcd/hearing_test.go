package etcd

import (
	"slices"
	"testing"
	"time"
)

func TestAMemberThatSendsNothingIsNotHeard(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	m := NewMetrics(nil)
	m.now = func() time.Time { return now }
	for _, tc := range []struct {
		claim    string
		pass     time.Duration
		received map[uint64]float64
		want     []uint64
	}{
		{"at first all are taken to be heard", 0, map[uint64]float64{1: 10, 2: 20}, []uint64{1, 2}},
		{"a short silence is none", 9 * time.Second, map[uint64]float64{1: 11, 2: 20}, []uint64{1, 2}},
		{"a long one is", time.Second, map[uint64]float64{1: 11, 2: 20}, []uint64{1}},
		{"one that speaks again is heard", time.Second, map[uint64]float64{1: 12, 2: 21}, []uint64{1, 2}},
		{"one that begins anew is heard", time.Hour, map[uint64]float64{1: 1, 2: 22}, []uint64{1, 2}},
	} {
		now = now.Add(tc.pass)
		if got := m.lately("http://leader", tc.received); !slices.Equal(got, tc.want) {
			t.Errorf("%s: heard %v, want %v", tc.claim, got, tc.want)
		}
	}
	now = now.Add(2 * time.Hour)
	if m.lately("http://other", nil); len(m.heard) != 0 {
		t.Errorf("%d hearings of members that nobody asks about any more are remembered", len(m.heard))
	}
}
