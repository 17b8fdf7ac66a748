package launcher

import (
	"context"
	"errors"
	"testing"
)

// names answers each question with the next answer, and the last one for ever.
type names []string

func (n *names) LookupHost(context.Context, string) ([]string, error) {
	answer := (*n)[0]
	if len(*n) > 1 {
		*n = (*n)[1:]
	}
	if answer == "" {
		return nil, errors.New("no such host")
	}
	return []string{answer}, nil
}

func TestAwaitHost(t *testing.T) {
	if !AwaitHost(t.Context(), &names{"", "192.0.2.1", "127.0.0.1"}, "m") {
		t.Error("gave up before the name led here")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if AwaitHost(ended, &names{"192.0.2.1"}, "m") {
		t.Error("took the address of an earlier Pod for its own")
	}
}
