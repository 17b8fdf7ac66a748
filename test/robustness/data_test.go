//go:build robustness

package robustness

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/internal/resource"
)

// claimOf is the claim of a member as it was seen last.
func (k *kubelet) claimOf(member string) *corev1.PersistentVolumeClaim {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.claims[resource.ClaimName(member)]
}

func wipe(_ *scene, dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

func removeLog(_ *scene, dir string) error { return os.RemoveAll(dir + "/data/member/wal") }

// newestLog is the last file of the write-ahead log, and how much of it is written.
func newestLog(dir string) (string, []byte, error) {
	logs, err := filepath.Glob(dir + "/data/member/wal/*.wal")
	if err != nil || len(logs) == 0 {
		return "", nil, fmt.Errorf("find the log in %s: %w", dir, errors.Join(err, os.ErrNotExist))
	}
	slices.Sort(logs)
	path := logs[len(logs)-1]
	text, err := os.ReadFile(path)
	return path, bytes.TrimRight(text, "\x00"), err
}

// lastValue is where the last value in a log lies, -1 if it holds none.
func lastValue(log []byte) int { return bytes.LastIndex(log, []byte("of "+journalled)) }

// written waits until the victim's log holds a value: the first fault may come before the first write.
func written(do func(*scene, *runner) error) func(*scene, *runner) error {
	return func(s *scene, r *runner) error {
		for s.ctx.Err() == nil {
			if _, log, err := newestLog(r.data); err != nil || lastValue(log) >= 0 {
				break
			}
			sleep(s.ctx, 50*time.Millisecond)
		}
		return do(s, r)
	}
}

// flipLog changes a byte of the last value in the log: its checksum cannot be right, and the log does not end there.
func flipLog(_ *scene, dir string) error {
	path, log, err := newestLog(dir)
	if err != nil {
		return err
	}
	at := lastValue(log)
	if at < 0 {
		return errors.New("there is no value in the log")
	}
	return overwrite(path, int64(at+4), []byte{'#'})
}

// cutLog shortens the log: etcd takes that for a torn tail.
func cutLog(s *scene, dir string) error {
	path, text, err := newestLog(dir)
	if err != nil {
		return err
	}
	return os.Truncate(path, int64(len(text)/4+s.rng.IntN(len(text)*3/4)))
}

// spoilDatabase overwrites pages of the database: both meta pages, or everything else.
func spoilDatabase(s *scene, dir string) error {
	path := dir + "/data/member/snap/db"
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	page := int64(os.Getpagesize())
	if s.rng.IntN(2) == 0 {
		return overwrite(path, 0, bytes.Repeat([]byte{0xa5}, int(2*page)))
	}
	return overwrite(path, 2*page, bytes.Repeat([]byte{0xa5}, int(info.Size()-2*page)))
}

func cutDatabase(_ *scene, dir string) error {
	path := dir + "/data/member/snap/db"
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, min(info.Size()/2, 8192))
}

func overwrite(path string, at int64, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(text, at)
	return errors.Join(err, f.Close())
}

// exchange swaps what lies on two volumes.
func exchange(a, b string) error {
	for _, name := range []string{"data", "member.json"} {
		err := errors.Join(
			os.Rename(filepath.Join(a, name), filepath.Join(a, name+".was")),
			move(filepath.Join(b, name), filepath.Join(a, name)),
			move(filepath.Join(a, name+".was"), filepath.Join(b, name)),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

func move(from, to string) error { return os.Rename(from, to) }

// foreignData puts the volume of another cluster in place.
func foreignData(s *scene, dir string) error {
	sample, err := s.w.h.foreignVolume(s.w.cfg.version)
	if err != nil {
		return err
	}
	if err := wipe(s, dir); err != nil {
		return err
	}
	return command("cp", "-a", sample+"/.", dir)
}

// foreignVolume is a volume that a member of another cluster ran on.
func (h *harness) foreignVolume(version string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if dir := h.foreign[version]; dir != "" {
		return dir, nil
	}
	dir, state := work+"/foreign/"+version, work+"/foreign/state-"+version
	if err := errors.Join(makeVolume(dir), makeVolume(state)); err != nil {
		return "", err
	}
	cmd := exec.Command(launcherBinary, "start", "--token=elsewhere", "--member=stranger", "--volume=another", "--grant=empty",
		"--data-dir="+dir+"/data", "--marker="+dir+"/member.json", "--state-dir="+state, "--", etcdBinary(version),
		"--name=stranger", "--data-dir="+dir+"/data", "--listen-peer-urls=http://127.0.0.1:0", "--listen-client-urls=http://127.0.0.1:0",
		"--advertise-client-urls=http://127.0.0.1:1", "--initial-advertise-peer-urls=http://127.0.0.1:2",
		"--initial-cluster=stranger=http://127.0.0.1:2", "--initial-cluster-state=new")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: true}}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	for range 100 {
		if _, err := os.Stat(dir + "/data/member/snap/db"); err == nil && hasLog(dir) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if !hasLog(dir) {
		return "", errors.New("the foreign etcd did not start")
	}
	h.foreign[version] = dir
	return dir, nil
}
