package snapshot

import (
	"errors"
	"strings"
	"testing"

	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// TestThereIsRoomForAdvice in what a termination message holds, whatever a store says.
func TestThereIsRoomForAdvice(t *testing.T) {
	for reason := range advice {
		report := task.Report{Reason: reason, Message: told(task.Save, reason, errors.New(strings.Repeat("long ", 1000)))}
		text, err := report.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got := task.ParseReport(string(text)); !strings.HasSuffix(got.Message, advice[reason]) {
			t.Errorf("%s says only %q", reason, got.Message)
		}
	}
	if got := told(task.Fetch, task.StoreMissing, errors.New("gone")); got != "gone" {
		t.Errorf("a fetch says %q", got)
	}
}
