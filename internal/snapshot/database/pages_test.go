package database

import "testing"

func TestWhatIsMappedIsCountedAndNotOnlyWhatIsRead(t *testing.T) {
	memory := make([]byte, 40*span)
	for claim, tc := range map[string]struct {
		key, every, reads int
		least, most       int // in spans
	}{
		"values side by side share theirs":   {100, 200, 100, 1, 2},
		"scattered ones have one each":       {100, 2 * span, 10, 10, 10},
		"a long one has all that it reaches": {3 * span, 4 * span, 5, 14, 20},
	} {
		p := &pages{}
		for n := range tc.reads {
			key := memory[n*tc.every:]
			p.passed(key[:tc.key/2], key[tc.key/2:tc.key])
		}
		if got := p.since / span; got < tc.least || got > tc.most {
			t.Errorf("%s: %d spans, want %d to %d", claim, got, tc.least, tc.most)
		}
	}
}
