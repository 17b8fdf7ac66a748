package machine

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
)

// volumeSource is what the provisioner's volumes with a size of their own are mounted from.
const volumeSource = "etcd-operator-testbed"

// ShareVolumes lets nodes that start later see what is mounted in the folder of volumes while they run.
func ShareVolumes(dir string) error {
	mounts, err := mountsOf(dir)
	if err != nil || slices.Contains(mounts, dir) {
		return err
	}
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount folder of volumes: %w", err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_SHARED, ""); err != nil {
		return fmt.Errorf("share folder of volumes: %w", err)
	}
	return nil
}

// UnshareVolumes takes that back, and ends all volumes with a size of their own, wherever they are.
func UnshareVolumes(dir string) error {
	mounts, err := mountsOf(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, mount := range slices.Backward(mounts) {
		if err := syscall.Unmount(mount, syscall.MNT_DETACH); err != nil {
			errs = append(errs, fmt.Errorf("unmount %s: %w", mount, err))
		}
	}
	return errors.Join(errs...)
}

// mountsOf lists where dir and the volumes are mounted, in the order of their mounting.
func mountsOf(dir string) ([]string, error) {
	raw, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	return findMounts(string(raw), dir), nil
}

func findMounts(mountinfo, dir string) (found []string) {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(mountinfo) {
		place, kind, ok := strings.Cut(line, " - ")
		fields, source := strings.Fields(place), strings.Fields(kind)
		if !ok || len(fields) < 5 || len(source) < 2 {
			continue
		}
		if where := unescape.Replace(fields[4]); where == dir || source[1] == volumeSource {
			found = append(found, where)
		}
	}
	return found
}
