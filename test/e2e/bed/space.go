package bed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	corev1 "k8s.io/api/core/v1"
)

// filler is the file that fills a volume.
const filler = "filler"

// LimitVolume gives the folder of a volume a size on one node, for Pods that start from then on: local volumes have none. What is
// in it is copied. The limit ends with FreeVolume.
func (b *Bed) LimitVolume(ctx context.Context, node, dir string, bytes int64) error {
	return b.OnNode(ctx, node, `mkdir /run/limited && mount -t tmpfs -o size="$2" tmpfs /run/limited && cp -a "$1"/. /run/limited &&
		mount --bind /run/limited "$1" && umount /run/limited && rmdir /run/limited`, dir, fmt.Sprint(bytes))
}

// FillVolume fills what is left of a limited volume.
func (b *Bed) FillVolume(ctx context.Context, node, dir string) error {
	return b.OnNode(ctx, node, `cat /dev/zero >"$1/`+filler+`" 2>/dev/null || true`, dir)
}

// EmptyVolume gives the space back that FillVolume took.
func (b *Bed) EmptyVolume(ctx context.Context, node, dir string) error {
	return b.OnNode(ctx, node, `rm -f "$1/`+filler+`"`, dir)
}

// FreeVolume takes the limit off and keeps what was written meanwhile. No Pod may use the volume.
func (b *Bed) FreeVolume(ctx context.Context, node, dir string) error {
	return b.OnNode(ctx, node, `mkdir /run/real && cp -a "$1" /run/real/copy && umount "$1" && find "$1" -mindepth 1 -delete &&
		cp -a /run/real/copy/. "$1" && rm -rf /run/real`, dir)
}

// Squeeze sets the memory limit of a Pod's program to what it occupies now, so that the kernel kills it when it wants more.
func Squeeze(pod *corev1.Pod, program string) error {
	pids, err := Processes(pod, program)
	if err != nil || len(pids) == 0 {
		return fmt.Errorf("squeeze %s of Pod %s: no process: %w", program, pod.Name, err)
	}
	group, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pids[0]))
	if err != nil {
		return fmt.Errorf("squeeze %s: %w", pod.Name, err)
	}
	for line := range bytes.Lines(group) {
		parts := strings.SplitN(strings.TrimSpace(string(line)), ":", 3)
		switch {
		case len(parts) != 3:
		case parts[1] == "memory": // cgroup v1 refuses a limit below what is in use
			return squeezeV1(filepath.Join("/sys/fs/cgroup/memory", parts[2]))
		case parts[0] == "0" && parts[1] == "":
			if path := filepath.Join("/sys/fs/cgroup", parts[2], "memory.max"); exists(path) {
				return os.WriteFile(path, []byte("4M"), 0)
			}
		}
	}
	return fmt.Errorf("squeeze %s: it has no memory cgroup", pod.Name)
}

func squeezeV1(dir string) error {
	for mb := 4; mb < 1024; mb++ {
		err := os.WriteFile(filepath.Join(dir, "memory.limit_in_bytes"), fmt.Appendf(nil, "%dM", mb), 0)
		if !errors.Is(err, syscall.EBUSY) {
			return err
		}
	}
	return fmt.Errorf("squeeze %s: it uses too much", dir)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
