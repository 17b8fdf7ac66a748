package process

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestParseStatWithOddName(t *testing.T) {
	raw := "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 777 1 1"
	state, start, err := parseStat([]byte(raw))
	if err != nil || state != 'S' || start != 777 {
		t.Errorf("parsed %c %d, %v", state, start, err)
	}
	for _, bad := range []string{"", "42 (x) S 1"} {
		if _, _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func sleeper(t *testing.T, table Table) Identity {
	t.Helper()
	dir := t.TempDir()
	p := Program{Name: "sleeper", Path: "/bin/sleep", Args: []string{"60"}, Log: filepath.Join(dir, "log"), Owner: dir}
	started, err := table.Start(p)
	if err != nil || !started {
		t.Fatalf("started %v, %v", started, err)
	}
	id, ok := table.Get("sleeper")
	if !ok {
		t.Fatal("no pid file")
	}
	t.Cleanup(func() { _ = id.Stop(0) })
	if started, err = table.Start(p); err != nil || started {
		t.Fatalf("the second start started %v, %v", started, err)
	}
	return id
}

func TestTableStartsAndStops(t *testing.T) {
	table := Table{Dir: t.TempDir()}
	id := sleeper(t, table)
	if !table.Running("sleeper") || table.Running("other") {
		t.Error("running is wrong")
	}
	if names := table.Names(); len(names) != 1 || names[0] != "sleeper" {
		t.Errorf("names are %v", names)
	}
	if err := table.Stop("sleeper", time.Second); err != nil {
		t.Fatal(err)
	}
	if id.Alive() || len(table.Names()) != 0 {
		t.Error("it is still there")
	}
}

func TestRecycledPidIsLeftAlone(t *testing.T) {
	table := Table{Dir: t.TempDir()}
	id := sleeper(t, table)
	// The same pid with another start time is another process.
	other := Identity{PID: id.PID, Start: id.Start - 1}
	if err := table.write("sleeper", other); err != nil {
		t.Fatal(err)
	}
	if table.Running("sleeper") {
		t.Error("another process counts as ours")
	}
	if err := table.Stop("sleeper", 0); err != nil {
		t.Fatal(err)
	}
	if !id.Alive() {
		t.Error("another process was killed")
	}
}

func TestMarkedFindsOwnProgramsOnly(t *testing.T) {
	table := Table{Dir: t.TempDir()}
	id := sleeper(t, table)
	found := false
	for _, m := range Marked() {
		found = found || m == id
		if m.PID == os.Getpid() {
			t.Error("this process is marked")
		}
	}
	if !found {
		t.Error("the started process is not marked")
	}
}
