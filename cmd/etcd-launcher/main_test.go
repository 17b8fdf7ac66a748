package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// asNobody is a launcher that runs as another user than root: root may read and write everything.
func asNobody(t *testing.T) (binary string, as *syscall.SysProcAttr, owner int) {
	t.Helper()
	dir := t.TempDir()
	binary = filepath.Join(dir, "etcd-launcher")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if os.Geteuid() != 0 {
		return binary, nil, os.Geteuid()
	}
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const nobody = 65532
	return binary, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}, nobody
}

// etcd does what etcd does to a directory when it starts.
const etcd = `rm -r "$0/member/wal"; mkdir "$0/member/wal"; > "$0/member/wal/0.wal"; echo became`

func TestTheProcessBecomesItsCommandOrEndsWithTheReason(t *testing.T) {
	binary, as, owner := asNobody(t)
	root := filepath.Dir(binary)
	state, volume := filepath.Join(root, "state"), filepath.Join(root, "volume")
	for _, dir := range []string{state, volume} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, owner, -1); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(volume, "data")
	start := func(member, grant string) (int, string) {
		cmd := exec.Command(binary, "start", "--token=t", "--member="+member, "--volume=v", "--grant="+grant, "--data-dir="+data,
			"--marker="+filepath.Join(volume, "member.json"), "--state-dir="+state, "--", "/bin/sh", "-c", etcd, data)
		cmd.SysProcAttr = as
		out, _ := cmd.CombinedOutput()
		return cmd.ProcessState.ExitCode(), string(out)
	}
	chmod := func(path string, mode os.FileMode) func() {
		return func() {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, step := range []struct {
		name, member, grant string
		before              func()
		code                int
		says                string
	}{
		{"a first start", "m", "empty", func() {}, 0, "became"},
		{"a foreign member", "n", "", func() {}, 41, `"reason":"ForeignData"`},
		{"a directory of another owner", "m", "", chmod(data, 0), 43, "permission denied"},
		{"a log that cannot be written", "m", "", func() {
			chmod(data, 0o700)()
			chmod(filepath.Join(data, "member", "wal", "0.wal"), 0o400)()
		}, 43, "permission denied"},
		{"a directory that cannot be written", "m", "", func() {
			chmod(filepath.Join(data, "member", "wal", "0.wal"), 0o600)()
			chmod(data, 0o500)()
		}, 43, "permission denied"},
		{"the member again", "m", "", chmod(data, 0o700), 0, "became"},
		{"an emptied volume", "m", "empty", func() {
			if err := os.RemoveAll(data); err != nil {
				t.Fatal(err)
			}
		}, 42, `"reason":"DataLost"`},
		{"an unknown grant", "m", "full", func() {}, 1, "unknown grant"},
		{"no member", "", "", func() {}, 1, "--member is missing"},
	} {
		step.before()
		code, out := start(step.member, step.grant)
		if code != step.code || !strings.Contains(out, step.says) {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s", step.name, code, step.code, step.says, out)
		}
	}
}

func TestInstallCopiesTheLauncher(t *testing.T) {
	binary, _, _ := asNobody(t)
	target := filepath.Join(t.TempDir(), "copy")
	if out, err := exec.Command(binary, "install", target).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, _ := exec.Command(target).CombinedOutput(); !strings.Contains(string(out), "install TARGET") {
		t.Errorf("the copy is no launcher: %s", out)
	}
}

func TestPreparingInstallsTheLauncherAndAdmitsTheVolume(t *testing.T) {
	binary, _, _ := asNobody(t)
	dir := t.TempDir()
	target, marker := filepath.Join(dir, "copy"), filepath.Join(dir, "member.json")
	out, err := exec.Command(binary, "prepare", "--install="+target, "--token=t", "--member=m", "--volume=v", "--grant=empty",
		"--data-dir="+filepath.Join(dir, "data"), "--marker="+marker, "--state-dir="+dir, "--", "/bin/false").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, file := range []string{target, marker} {
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
}
