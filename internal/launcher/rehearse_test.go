package launcher

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// serving is what etcd would answer once it serves.
func serving(t *testing.T, version string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/version" {
			fmt.Fprintf(w, `{"etcdserver":%q,"etcdcluster":"3.6.0"}`, version)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestARehearsalTellsWhyEtcdDoesNotStart(t *testing.T) {
	const nowhere = "http://127.0.0.1:1"
	for _, tc := range []struct{ claim, script, url, want string }{
		{"it serves", "sleep 60", serving(t, "3.6.16"), ""},
		{"a later patch serves", "sleep 60", serving(t, "3.6.99"), ""},
		{"another minor serves", "sleep 60", serving(t, "3.60.1"), "the image of 3.6.16 holds etcd 3.60.1"},
		{"it ends without a word", "exit 3", nowhere, "etcd does not start (exit status 3), and says nothing"},
		{"it ends well without having served", "exit 0", nowhere, "etcd does not start (exit status 0), and says nothing"},
		{"it does not know a flag", `printf 'flag provided but not defined: -x\nUsage:\n\n  etcd [flags]\n'; exit 2`, nowhere,
			"(exit status 2): flag provided but not defined: -x"},
		{"a value is none", `printf 'invalid value "a" for flag -b: parse error\nUsage:\n'; exit 2`, nowhere,
			`: invalid value "a" for flag -b: parse error`},
		{"it complains in its log", `
echo '{"level":"warn","msg":"failed to verify flags","error":"too short"}'
echo '{"level":"info","msg":"bye"}'
exit 1`, nowhere, ": failed to verify flags: too short"},
		{"it panics", `echo '{"level":"info","msg":"starting"}'; printf 'panic: no\n\ngoroutine 1 [running]:\n'; exit 2`, nowhere,
			": panic: no"},
		{"it says something else", `echo 'exec format'; exit 1`, nowhere, ": exec format"},
		{"its last words lack an end", `printf 'half a line'; exit 1`, nowhere, ": half a line"},
		{"it is killed", "kill -9 $$", nowhere, "etcd does not start (signal: killed)"},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			t.Parallel()
			r := Rehearsal{Command: []string{"/bin/sh", "-c", tc.script}, URL: tc.url, Version: "3.6.16", Limit: time.Minute}
			err := r.Run(t.Context())
			refusal := (*Refusal)(nil)
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("got %v", err)
			case tc.want != "" && (!errors.As(err, &refusal) || refusal.Reason != RehearsalFailed || !strings.Contains(refusal.Message, tc.want)):
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestARehearsalEndsWhenTimeIsUp(t *testing.T) {
	r := Rehearsal{
		Command: []string{"/bin/sh", "-c", "echo I am slow; exec sleep 60"}, URL: "http://127.0.0.1:1", Version: "3.6.16",
		Limit: 300 * time.Millisecond,
	}
	refusal := (*Refusal)(nil)
	if err := r.Run(t.Context()); !errors.As(err, &refusal) || refusal.Message != "etcd has not served within 300ms: I am slow" {
		t.Errorf("got %v", err)
	}
}

func TestARehearsalWithoutAnImageOfEtcdIsRefused(t *testing.T) {
	r := Rehearsal{Command: []string{"/nowhere/etcd"}, URL: "http://127.0.0.1:1", Version: "3.6.16", Limit: time.Minute}
	refusal := (*Refusal)(nil)
	if err := r.Run(t.Context()); !errors.As(err, &refusal) || !strings.Contains(refusal.Message, "no such file or directory") {
		t.Errorf("got %v", err)
	}
}

func TestARehearsalThatIsInterruptedSaysNothingOfEtcd(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	r := Rehearsal{Command: []string{"/bin/sleep", "60"}, URL: "http://127.0.0.1:1", Version: "3.6.16", Limit: time.Minute}
	refusal := (*Refusal)(nil)
	if err := r.Run(ctx); err == nil || errors.As(err, &refusal) {
		t.Errorf("got %v", err)
	}
}
