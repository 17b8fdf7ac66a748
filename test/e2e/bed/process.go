package bed

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	corev1 "k8s.io/api/core/v1"
)

// Processes are those of a Pod whose program has this name. The nodes of the testbed are namespaces of this machine, so
// root sees them all; a Pod's processes are told by its UID in the path of their cgroup.
func Processes(pod *corev1.Pod, program string) ([]int, error) {
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var pids []int
	for _, path := range groups {
		group, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(group, []byte(pod.UID)) {
			continue // a process that has ended meanwhile is nobody's
		}
		dir := filepath.Dir(path)
		exe, err := os.Readlink(filepath.Join(dir, "exe"))
		if err != nil || filepath.Base(exe) != program {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Signal sends a signal to the processes of a Pod whose program has this name. There must be one.
func Signal(pod *corev1.Pod, program string, signal syscall.Signal) error {
	pids, err := Processes(pod, program)
	if err != nil {
		return err
	}
	if len(pids) == 0 {
		return fmt.Errorf("signal %s of Pod %s: it runs no such process on this machine", program, pod.Name)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, signal); err != nil {
			return fmt.Errorf("signal %s of Pod %s: %w", program, pod.Name, err)
		}
	}
	return nil
}

// Resident is the memory that a Pod's program occupies, in bytes.
func Resident(pod *corev1.Pod, program string) (int64, error) {
	resident, _, err := Memory(pod, program)
	return resident, err
}

// Memory is what a Pod's program occupies, and how much of that is its own: the rest are pages of files, its own code first of all, which
// the node takes back when it needs them, and which do not count twice.
func Memory(pod *corev1.Pod, program string) (resident, own int64, err error) {
	pids, err := Processes(pod, program)
	if err != nil || len(pids) == 0 {
		return 0, 0, fmt.Errorf("measure %s of Pod %s: no process: %w", program, pod.Name, err)
	}
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pids[0]))
	if err != nil {
		return 0, 0, fmt.Errorf("measure %s of Pod %s: %w", program, pod.Name, err)
	}
	var size, all, ofFiles int64
	if _, err := fmt.Sscan(string(statm), &size, &all, &ofFiles); err != nil {
		return 0, 0, fmt.Errorf("measure %s of Pod %s: %w", program, pod.Name, err)
	}
	page := int64(os.Getpagesize())
	return all * page, (all - ofFiles) * page, nil
}

// SignalAll sends a signal to the processes of several Pods at once: all are found before the first one is signalled.
func SignalAll(pods []corev1.Pod, program string, signal syscall.Signal) error {
	var all []int
	for i := range pods {
		pids, err := Processes(&pods[i], program)
		if err != nil {
			return err
		}
		all = append(all, pids...)
	}
	for _, pid := range all {
		if err := syscall.Kill(pid, signal); err != nil {
			return fmt.Errorf("signal process %d: %w", pid, err)
		}
	}
	return nil
}
