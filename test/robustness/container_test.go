//go:build robustness

package robustness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// The kubelet restarts a container at once, then after backOff, then after twice that, and so on. It forgets after a time of good
// conduct. The real numbers are 10 s, 5 min and 10 min.
const (
	backOff     = time.Second
	backOffMost = 16 * time.Second
	forgiven    = 10 * time.Second
)

// process is one run of the etcd container.
type process struct {
	cmd     *exec.Cmd
	log     string
	ended   chan struct{}
	started time.Time
	frozen  atomic.Bool // stopped by a signal
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// furnish makes the file system that the containers see.
func (r *runner) furnish() error {
	for _, dir := range []string{"/var/lib/etcd", "/launcher", "/run/etcd-launcher", "/usr/local/bin", "/dev", "/etc", "/tmp", "/proc"} {
		if err := os.MkdirAll(r.root+dir, 0o755); err != nil {
			return err
		}
	}
	for _, dir := range []string{"/launcher", "/run/etcd-launcher"} {
		if err := os.Chown(r.root+dir, nobody, nobody); err != nil {
			return err
		}
	}
	image := r.latest().Spec.Containers[0].Image
	version := image[strings.LastIndex(image, ":v")+2:]
	err := errors.Join(
		os.Link(etcdBinary(version), r.root+"/usr/local/bin/etcd"),
		os.Link(launcherBinary, r.root+"/etcd-launcher"),
		os.WriteFile(r.root+"/etc/resolv.conf", []byte("nameserver "+hostIP+"\noptions timeout:1 attempts:2\n"), 0o644),
		syscall.Mount(r.data, r.root+"/var/lib/etcd", "", syscall.MS_BIND, ""),
		syscall.Mount("/proc", r.root+"/proc", "", syscall.MS_BIND, ""),
	)
	r.mounted = err == nil
	return err
}

func (r *runner) command(argv, env []string) *exec.Cmd {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = "/", env
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot: r.root, Setpgid: true, Credential: &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: true},
	}
	return cmd
}

// install runs the init container.
func (r *runner) install() error {
	c := r.latest().Spec.InitContainers[0]
	cmd := r.command(append(c.Command, c.Args...), nil)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := r.net.start(cmd); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("install the launcher: %w: %s", err, &out)
	}
	return nil
}

// run keeps the etcd container running until the Pod ends.
func (r *runner) run(ctx context.Context) {
	wait := time.Duration(0)
	for !r.isEnding() && ctx.Err() == nil {
		if r.k.held(r.name) || r.k.isOff(r.node()) {
			if !r.pause(ctx, 50*time.Millisecond) {
				return
			}
			continue
		}
		p, err := r.begin()
		if err != nil {
			r.k.w.logf("kubelet: start %s: %v", r.name, err)
			return
		}
		r.report(ctx)
		r.attend(ctx, p)
		if !p.hasEnded() {
			return // the Pod ends, and its process with it
		}
		if time.Since(p.started) > forgiven {
			wait = 0
		}
		r.record(p)
		r.report(ctx)
		if wait > 0 {
			r.status.LastTerminationState = r.status.State
			r.status.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off"}}
			r.report(ctx)
			for until := time.Now().Add(wait); time.Now().Before(until) && !r.isEnding(); {
				if !r.pause(ctx, min(time.Until(until), 500*time.Millisecond)) {
					return
				}
			}
		}
		wait = min(max(wait*2, backOff), backOffMost)
	}
}

// begin starts the container as the Pod says.
func (r *runner) begin() (*process, error) {
	pod := r.latest()
	c := pod.Spec.Containers[0]
	expand := strings.NewReplacer("$(POD_UID)", string(pod.UID))
	argv := append([]string{}, c.Command...)
	for _, a := range c.Args {
		argv = append(argv, expand.Replace(a))
	}
	var env []string
	for _, e := range c.Env {
		value := e.Value
		if e.ValueFrom != nil {
			value = string(pod.UID)
		}
		env = append(env, e.Name+"="+value)
	}
	last := r.root + "/dev/termination-log"
	if err := errors.Join(os.WriteFile(last, nil, 0o666), os.Chmod(last, 0o666)); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(r.k.w.podLog(r.name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	fmt.Fprintf(log, "--- %s start in Pod %s\n", time.Now().Format("15:04:05.000"), pod.UID)
	cmd := r.command(argv, env)
	cmd.Stdout, cmd.Stderr = log, log
	if err := r.net.start(cmd); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, log: log.Name(), ended: make(chan struct{}), started: time.Now()}
	go func() {
		_ = cmd.Wait() // how it ended is in ProcessState
		close(p.ended)
	}()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.proc != nil {
		r.status.RestartCount++
		if r.status.State.Terminated != nil {
			r.status.LastTerminationState = r.status.State
		}
	}
	r.proc, r.podReady = p, false
	r.status.Started = ptr.To(false)
	r.status.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(p.started)}}
	return p, nil
}

// attend probes the process until it ends, or the Pod does.
func (r *runner) attend(ctx context.Context, p *process) {
	c := r.latest().Spec.Containers[0]
	startup, live, ready := newProber(c.StartupProbe), newProber(c.LivenessProbe), newProber(c.ReadinessProbe)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for first := time.After(200 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			return
		case <-p.ended:
			return
		case <-r.changed:
			if r.isEnding() {
				return
			}
			continue
		case <-first:
		case <-tick.C:
		}
		if !*r.status.Started {
			if !startup.ask(r.address()) {
				continue
			}
			r.mu.Lock()
			r.status.Started = ptr.To(true)
			r.mu.Unlock()
			r.report(ctx)
		}
		if live.due() && !live.ask(r.address()) && live.failed >= int(live.FailureThreshold) {
			r.k.w.logf("kubelet: %s fails its liveness probe", r.name)
			r.signal(syscall.SIGKILL)
		}
		r.feel(ctx, ready)
	}
}

// feel follows the readiness probe.
func (r *runner) feel(ctx context.Context, ready *prober) {
	ok := ready.ask(r.address())
	now := ok || r.isReady() && ready.failed < int(ready.FailureThreshold)
	r.mu.Lock()
	changed := now != r.podReady
	r.podReady = now
	r.mu.Unlock()
	if changed {
		r.report(ctx)
	}
}

type prober struct {
	*corev1.Probe
	failed int
	last   time.Time
}

func newProber(p *corev1.Probe) *prober { return &prober{Probe: p, last: time.Now()} }

func (p *prober) due() bool { return time.Since(p.last) >= time.Duration(p.PeriodSeconds)*time.Second }

func (p *prober) ask(address string) bool {
	p.last = time.Now()
	web := http.Client{Timeout: time.Duration(p.TimeoutSeconds) * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := web.Get("http://" + address + ":2381" + p.HTTPGet.Path)
	if err != nil {
		p.failed++
		return false
	}
	_ = response.Body.Close()
	if response.StatusCode >= 400 {
		p.failed++
		return false
	}
	p.failed = 0
	return true
}

// record notes how a process ended, as the kubelet would tell it.
func (r *runner) record(p *process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	end := &corev1.ContainerStateTerminated{
		Reason: "Completed", StartedAt: metav1.NewTime(p.started), FinishedAt: metav1.Now(), ContainerID: "run://" + string(r.uid),
	}
	ws := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case ws.Signaled() && r.oom:
		end.ExitCode, end.Reason = 137, "OOMKilled"
		r.oom = false
	case ws.Signaled():
		end.ExitCode, end.Reason = int32(128+ws.Signal()), "Error"
	case ws.ExitStatus() != 0:
		end.ExitCode, end.Reason = int32(ws.ExitStatus()), "Error"
	}
	end.Message = r.lastWords(p, end.ExitCode)
	r.k.w.logf("kubelet: %s ended with %d %s: %.300s", r.name, end.ExitCode, end.Reason, end.Message)
	r.podReady = false
	r.status.Started = ptr.To(false)
	if r.status.State.Terminated != nil {
		r.status.LastTerminationState = r.status.State
	}
	r.status.State = corev1.ContainerState{Terminated: end}
}

// lastWords is the termination message: what was written for it, else the end of the log, 2048 bytes and 80 lines at most.
func (r *runner) lastWords(p *process, code int32) string {
	if text, err := os.ReadFile(r.root + "/dev/termination-log"); err == nil && len(text) > 0 {
		return string(text)
	}
	if code == 0 {
		return ""
	}
	text, err := os.ReadFile(p.log)
	if err != nil {
		return ""
	}
	if at := bytes.LastIndex(text, []byte("\n--- ")); at >= 0 {
		_, text, _ = bytes.Cut(text[at+1:], []byte("\n"))
	} else if bytes.HasPrefix(text, []byte("--- ")) {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	const most, lines = 2048, 80
	if len(text) > most {
		text = text[len(text)-most:]
	}
	all := strings.SplitAfter(string(text), "\n")
	return strings.Join(all[max(0, len(all)-lines-1):], "")
}

// hasLog says whether there is a write-ahead log on a data volume.
func hasLog(dir string) bool {
	logs, _ := filepath.Glob(dir + "/data/member/wal/*.wal")
	return len(logs) > 0
}
