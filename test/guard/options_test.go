package guard

import (
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// everyOption sets all options, each to another value than etcd's default.
func everyOption(version string) *v1alpha2.EtcdOptions {
	lasting := func(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }
	o := &v1alpha2.EtcdOptions{
		QuotaBackendBytes: new(int64(1 << 30)), AutoCompactionMode: v1alpha2.CompactionRevision, AutoCompactionRetention: "1000",
		SnapshotCount: new(int64(5000)), HeartbeatIntervalMilliseconds: new(int32(50)), ElectionTimeoutMilliseconds: new(int32(600)),
		LogLevel: v1alpha2.LogLevelDebug, MaxRequestBytes: new(int64(2 << 20)), MaxTxnOps: new(int32(256)),
		MaxConcurrentStreams: new(int64(1000)), SnapshotCatchUpEntries: new(int64(6000)), MaxSnapshots: new(int32(0)), MaxWALs: new(int32(7)),
		CompactionBatchLimit: new(int32(500)), CompactionSleepInterval: lasting(1500 * time.Microsecond),
		BackendBatchInterval: lasting(90 * time.Millisecond), BackendBatchLimit: new(int32(5000)),
		GRPCKeepAliveMinTime: lasting(4 * time.Second), GRPCKeepAliveInterval: lasting(90 * time.Minute),
		GRPCKeepAliveTimeout: lasting(10 * time.Second), WatchProgressNotifyInterval: lasting(7 * time.Second),
		WarningApplyDuration: lasting(200 * time.Millisecond), CompactHashCheckTime: lasting(2 * time.Minute),
		CorruptCheckTime: lasting(time.Hour), Metrics: "extensive",
	}
	if !strings.HasPrefix(version, "3.5.") {
		o.WarningUnaryRequestDuration = lasting(time.Second)
	}
	return o
}

// rehearse runs what the Pod of a rehearsal would run, on this machine.
func rehearse(t *testing.T, launcher, version string, o *v1alpha2.EtcdOptions) (code int, said string) {
	t.Helper()
	c := &v1alpha2.EtcdCluster{Spec: v1alpha2.EtcdClusterSpec{Version: version, Options: o}}
	c.Name, c.Namespace = "db", "prod"
	pod := resource.Rehearsal(c, resource.RehearsalIntent{})
	container := pod.Spec.Containers[0]
	here := strings.NewReplacer("/usr/local/bin/etcd", etcdOf(t, version), resource.DataDir, t.TempDir(),
		"127.0.0.1:2379", freeAddress(t), "127.0.0.1:2380", freeAddress(t))
	args := container.Command[1:]
	for _, arg := range container.Args {
		args = append(args, here.Replace(arg))
	}
	command := exec.Command(launcher, args...)
	command.Env = envOf(container)
	out, _ := command.CombinedOutput()
	return command.ProcessState.ExitCode(), string(out)
}

func envOf(c corev1.Container) (env []string) {
	for _, v := range c.Env {
		env = append(env, v.Name+"="+v.Value)
	}
	return env
}

func TestEveryOptionIsTakenByEachMinor(t *testing.T) {
	launcher := buildLauncher(t)
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			o := everyOption(version)
			v := reflect.ValueOf(*o)
			for i := range v.NumField() {
				if name := v.Type().Field(i).Name; v.Field(i).IsZero() && (name != "WarningUnaryRequestDuration" || version != versions[0]) {
					t.Errorf("%s is not tried", name)
				}
			}
			started := time.Now()
			code, said := rehearse(t, launcher, version, o)
			t.Logf("with every option: %s", time.Since(started))
			if code != 0 {
				t.Fatalf("exit code %d:\n%s", code, said)
			}
			for _, line := range strings.Split(said, "\n") {
				if strings.Contains(strings.ToLower(line), "deprecated") && !strings.Contains(line, "--max-snapshots") { // has no other name
					t.Errorf("told by a name that goes away: %s", line)
				}
			}
			started = time.Now()
			if code, said := rehearse(t, launcher, version, nil); code != 0 {
				t.Fatalf("without options: exit code %d:\n%s", code, said)
			}
			t.Logf("without options: %s", time.Since(started))
		})
	}
}

func TestWhatEtcdRefusesIsQuoted(t *testing.T) {
	launcher := buildLauncher(t)
	for _, version := range versions {
		for claim, tc := range map[string]struct {
			options v1alpha2.EtcdOptions
			want    string
		}{
			"a duration beyond all bounds": {
				v1alpha2.EtcdOptions{AutoCompactionRetention: "99999999999h"}, `invalid duration \"99999999999h\"`,
			},
			"a log level that is none": {v1alpha2.EtcdOptions{LogLevel: "loud"}, `unrecognized level: \"loud\"`},
			"an election timeout that is too short": {
				v1alpha2.EtcdOptions{ElectionTimeoutMilliseconds: new(int32(100))},
				"failed to verify flags: --election-timeout[100ms] should be at least as 5 times as --heartbeat-interval[100ms]",
			},
			"a mode that is none": {v1alpha2.EtcdOptions{AutoCompactionMode: "daily"}, "daily"},
			"a number that is too large": {
				v1alpha2.EtcdOptions{MaxConcurrentStreams: new(int64(1 << 40))}, "max-concurrent-streams",
			},
		} {
			t.Run(version+"/"+claim, func(t *testing.T) {
				code, said := rehearse(t, launcher, version, &tc.options)
				lines := strings.Split(strings.TrimSpace(said), "\n")
				last := lines[len(lines)-1]
				if code != 45 || !strings.Contains(last, `"reason":"RehearsalFailed"`) || !strings.Contains(last, tc.want) {
					t.Errorf("exit code %d, %s", code, last)
				}
				t.Log(last)
			})
		}
	}
}

func TestAnImageOfAnotherMinorIsFound(t *testing.T) {
	launcher := buildLauncher(t)
	command := exec.Command(launcher, "rehearse", "--url=http://"+freeAddress(t), "--version=3.7.3", "--", "/bin/sh", "-c", "exit 1")
	if out, _ := command.CombinedOutput(); command.ProcessState.ExitCode() != 45 {
		t.Errorf("%s", out)
	}
	client, peer := "http://"+freeAddress(t), "http://"+freeAddress(t)
	command = exec.Command(launcher, "rehearse", "--url="+client, "--version=3.7.3", "--", etcdOf(t, "3.6.16"), "--name=r",
		"--data-dir="+t.TempDir(), "--listen-client-urls="+client, "--advertise-client-urls="+client, "--listen-peer-urls="+peer,
		"--initial-advertise-peer-urls="+peer, "--initial-cluster=r="+peer)
	out, _ := command.CombinedOutput()
	if want := "the image of 3.7.3 holds etcd 3.6.16"; command.ProcessState.ExitCode() != 45 || !strings.Contains(string(out), want) {
		t.Errorf("exit code %d, want %q:\n%s", command.ProcessState.ExitCode(), want, out)
	}
}
