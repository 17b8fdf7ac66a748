package etcd_test

import (
	"testing"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

func TestAPrefixIsTheRangeOfKeysThatBeginWithIt(t *testing.T) {
	for prefix, want := range map[string][2]string{
		"a":        {"a", "b"},
		"app/":     {"app/", "app0"},
		"a\xff":    {"a\xff", "b"},
		"a\xfe":    {"a\xfe", "a\xff"},
		"\xff\xff": {"\xff\xff", "\x00"},
		"":         {"\x00", "\x00"},
	} {
		got := etcd.Prefix(prefix, etcd.Read)
		if got != (etcd.Permission{Key: want[0], RangeEnd: want[1], Access: etcd.Read}) || got.Check() != nil {
			t.Errorf("prefix %q: got %+v, want %q", prefix, got, want)
		}
	}
}
