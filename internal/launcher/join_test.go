package launcher

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// metricsOf serves one look after the other, and the last one for ever.
func metricsOf(t *testing.T, looks ...progress) string {
	var served atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p := looks[min(int(served.Add(1)), len(looks))-1]
		fmt.Fprintf(w, "# HELP etcd_server_proposals_applied_total x\netcd_server_proposals_applied_total %g\n"+
			"etcd_server_proposals_committed_total %g\netcd_server_snapshot_apply_in_progress_total %g\netcd_server_proposals_pending %g\n",
			p.applied, p.committed, p.applying, p.pending)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// vain is what etcd says that waits for what it has got already, and fine what it says that serves.
var (
	vain = progress{committed: 1.2e6, applied: 1.2e6, pending: 1}
	fine = progress{committed: 266, applied: 266}
)

func TestOnlyAMemberThatHasItsDataAndIsNotAnnouncedWaitsInVain(t *testing.T) {
	applying, behind := progress{committed: 9, applied: 9, applying: 1, pending: 1}, progress{committed: 9, applied: 8, pending: 1}
	for claim, tc := range map[string]struct {
		looks []progress
		want  bool
	}{
		"all data, and not announced":         {[]progress{{}, {pending: 1}, vain}, true},
		"announced":                           {[]progress{{}, {pending: 1}, vain, fine, vain}, false},
		"nothing is there yet":                {[]progress{{}, {}, {}, {}, {}, fine}, false},
		"the snapshot is still being applied": {[]progress{applying, applying, applying, applying, fine}, false},
		"entries are still being applied":     {[]progress{behind, behind, behind, behind, fine}, false},
		"not for long enough":                 {[]progress{vain, vain, vain, behind, vain, fine}, false},
		"a large snapshot, and then in vain":  {[]progress{vain, applying, vain, vain, vain, vain}, true},
	} {
		t.Run(claim, func(t *testing.T) {
			t.Parallel()
			if got := waitsInVain(t.Context(), metricsOf(t, tc.looks...)); got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
	t.Run("nothing is known", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 10*joinInterval)
		defer cancel()
		server := httptest.NewServer(http.NotFoundHandler())
		defer server.Close()
		if waitsInVain(ctx, server.URL) {
			t.Error("it is said to wait in vain")
		}
	})
}

// shell is a process that takes SIGTERM as etcd does, and leaves a file when it has begun.
func shell(t *testing.T, script string) (command []string, begun string) {
	begun = filepath.Join(t.TempDir(), "begun")
	return []string{"/bin/sh", "-c", "trap 'exit 0' TERM; touch " + begun + "; " + script}, begun
}

const forever = "while :; do sleep 0.01; done"

func TestAMemberThatJoinsIsStartedAgainOnlyIfItWaitsInVain(t *testing.T) {
	vain, fine := metricsOf(t, vain), metricsOf(t, fine)
	for claim, tc := range map[string]struct {
		script, metrics string
		again           bool
		code            int
	}{
		"in vain":        {forever, vain, true, 0},
		"not in vain":    {"sleep 1", fine, false, 0},
		"ends by itself": {"exit 3", fine, false, 3},
		"is killed":      {"kill -9 $$", fine, false, -1},
	} {
		t.Run(claim, func(t *testing.T) {
			t.Parallel()
			command, _ := shell(t, tc.script)
			again, err := Join(t.Context(), command, tc.metrics)
			code := 0
			if end := (*exec.ExitError)(nil); errors.As(err, &end) {
				code = end.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			if again != tc.again || code != tc.code {
				t.Errorf("again %v, exit code %d", again, code)
			}
		})
	}
}

func TestAMemberThatIsToldToStopIsNotStartedAgain(t *testing.T) {
	for claim, ending := range map[string]string{
		"and takes it well":         forever,
		"and ends by the signal":    "trap - TERM; " + forever,
		"while it waits in vain":    "trap '' TERM; sleep 1; exit 0",
		"and ends with a complaint": "trap 'exit 1' TERM; " + forever,
	} {
		t.Run(claim, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			command, begun := shell(t, ending)
			go func() {
				for _, err := os.Stat(begun); err != nil; _, err = os.Stat(begun) {
					time.Sleep(time.Millisecond)
				}
				stop()
			}()
			if again, err := Join(ctx, command, metricsOf(t, vain)); again || err != nil {
				t.Errorf("again %v: %v", again, err)
			}
		})
	}
}

func TestEtcdDoesNotOutliveTheLauncher(t *testing.T) {
	if os.Getenv("LAUNCHER_JOINS") != "" {
		command, _ := shell(t, "echo $$ > "+os.Getenv("LAUNCHER_JOINS")+"; "+forever)
		_, _ = Join(t.Context(), command, metricsOf(t, progress{}))
		return
	}
	pidFile := filepath.Join(t.TempDir(), "pid")
	launcher := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	launcher.Env = append(os.Environ(), "LAUNCHER_JOINS="+pidFile)
	if err := launcher.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	for pid == 0 {
		if text, err := os.ReadFile(pidFile); err == nil {
			_, _ = fmt.Sscan(string(text), &pid)
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = launcher.Process.Kill()
	_ = launcher.Wait()
	for alive := true; alive; time.Sleep(10 * time.Millisecond) {
		alive = syscall.Kill(pid, 0) == nil
	}
}

func TestAVolumeIsVirginUntilEtcdHasRunOnIt(t *testing.T) {
	d := newDisk(t)
	if d.Volume.IsVirgin() {
		t.Error("a volume that was not admitted yet is")
	}
	d.Grant = GrantEmpty
	if err := d.Admit(); err != nil || !d.Volume.IsVirgin() {
		t.Errorf("one that was just admitted is not: %v", err)
	}
	d.started(GrantEmpty)
	if d.Volume.IsVirgin() {
		t.Error("one with a log is")
	}
}
