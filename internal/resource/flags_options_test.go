package resource

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// fieldsOfOptions are the names of the options, as the API calls them.
func fieldsOfOptions() (names []string) {
	for i := range reflect.TypeFor[v1alpha2.EtcdOptions]().NumField() {
		tag, _, _ := strings.Cut(reflect.TypeFor[v1alpha2.EtcdOptions]().Field(i).Tag.Get("json"), ",")
		names = append(names, tag)
	}
	return names
}

func TestEveryOptionBecomesAFlagAndIsDocumented(t *testing.T) {
	guide, err := os.ReadFile("../../docs/operations/tuning.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, o := range options {
		rows = append(rows, o.field)
		if !strings.Contains(string(guide), "| `"+o.field+"` | `--"+o.flag+"` |") {
			t.Errorf("docs/operations/tuning.md has no row for %s and --%s", o.field, o.flag)
		}
	}
	if fields := fieldsOfOptions(); !slices.Equal(rows, fields) {
		t.Errorf("the table has %v, the API %v", rows, fields)
	}
}

func TestEachMinorIsToldItsOwnNames(t *testing.T) {
	o := &v1alpha2.EtcdOptions{CompactionBatchLimit: new(int32(7)), MaxTxnOps: new(int32(9))}
	for minor, want := range map[string]string{
		"3.5.35": "--max-txn-ops=9 --experimental-compaction-batch-limit=7 --experimental-watch-progress-notify-interval=5s " +
			"--experimental-compact-hash-check-enabled=true",
		"3.6.16": "--max-txn-ops=9 --compaction-batch-limit=7 --watch-progress-notify-interval=5s --feature-gates=CompactHashCheck=true",
		"3.7.3":  "--max-txn-ops=9 --compaction-batch-limit=7 --watch-progress-notify-interval=5s --feature-gates=CompactHashCheck=true",
	} {
		if got := strings.Join(tunedFlags(minor, o), " "); got != want {
			t.Errorf("%s is told %s, want %s", minor, got, want)
		}
	}
}
