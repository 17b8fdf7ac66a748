package plan

import (
	"strings"
	"testing"
)

func TestAClusterStartsOnlyFromASnapshotThatIsUsable(t *testing.T) {
	whole := Source{Name: "nightly", Found: true, Complete: true, EtcdVersion: "3.6.16"}
	for _, tc := range []struct {
		claim  string
		change func(*Source)
		reason string // empty: it can start
		says   string
	}{
		{"a complete one", func(*Source) {}, "", ""},
		{"one of an older minor", func(s *Source) { s.EtcdVersion = "3.5.35" }, "", ""},
		{"one of a newer patch", func(s *Source) { s.EtcdVersion = "3.6.99" }, "", ""},
		{"one of a version that nobody knows", func(s *Source) { s.EtcdVersion = "" }, "", ""},
		{"one of a version that makes no sense", func(s *Source) { s.EtcdVersion = "new" }, "", ""},
		{"not one of a newer minor", func(s *Source) { s.EtcdVersion = "3.7.0" }, tooNew, "spec.version 3.7.0"},
		{"not one of a newer major", func(s *Source) { s.EtcdVersion = "4.0.0" }, tooNew, "cannot read"},
		{"not one that is not there", func(s *Source) { *s = Source{Name: "nightly"} }, restoring, "not there"},
		{"not one that is not complete", func(s *Source) { s.Complete, s.Said = false, "12 MiB" }, restoring, "complete: 12 MiB"},
		{"not one that has failed, though it is being deleted", func(s *Source) { s.Failed, s.Leaving = true, true }, restoreFailed, "failed"},
		{"not one that is being deleted", func(s *Source) { s.Leaving = true }, restoring, "being deleted"},
		{"not one that a drill has refuted", func(s *Source) { s.Refuted, s.Finding = true, "other keys" }, restoreFailed, "other keys"},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			s := whole
			tc.change(&s)
			got := s.Usable("3.6.16")
			if !got.Wanted || got.Reason != tc.reason || (got.Obstacle == "") != (tc.reason == "") || !strings.Contains(got.Obstacle, tc.says) {
				t.Errorf("got %+v", got)
			}
		})
	}
}
