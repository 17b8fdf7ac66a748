package progress

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestSteps(t *testing.T) {
	var out bytes.Buffer
	p := New(&out)
	p.Expect(2)
	p.Step("first", nil).Done(nil)
	p.Step("second", func() string { return "half" }).Done(errors.New("no"))
	p.Say("note")
	lines := strings.Split(out.String(), "\n")
	for i, want := range []string{"[1/2] first done in 0.0 s", "[2/2] second failed in 0.0 s", "note"} {
		if lines[i] != want {
			t.Errorf("line %d is %q, want %q", i, lines[i], want)
		}
	}
}

func TestDetail(t *testing.T) {
	p := New(&bytes.Buffer{})
	s := p.Step("x", func() string { return "half" })
	defer s.Done(nil)
	if s.detail() != ", half" {
		t.Errorf("detail is %q", s.detail())
	}
}
