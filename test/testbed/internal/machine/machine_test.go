package machine

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"
)

func TestOwner(t *testing.T) {
	s := State{Dir: filepath.Join(t.TempDir(), "state")}
	if s.Owner() != "" {
		t.Error("an owner without a record")
	}
	if err := s.SetOwner("/a b/.testbed"); err != nil {
		t.Fatal(err)
	}
	if s.Owner() != "/a b/.testbed" {
		t.Errorf("the owner is %q", s.Owner())
	}
	for range 2 {
		if err := s.ClearOwner(); err != nil || s.Owner() != "" {
			t.Errorf("the owner is %q, %v", s.Owner(), err)
		}
	}
}

func TestLockIsForOne(t *testing.T) {
	s := State{Dir: t.TempDir()}
	release, err := s.Lock(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	waited := 0
	if _, err := s.Lock(ctx, func() { waited++ }); !errors.Is(err, context.DeadlineExceeded) || waited != 1 {
		t.Errorf("the second lock: %v, told %d times", err, waited)
	}
	release()
	release, err = s.Lock(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	release()
}
