package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Tools are the programs of the machine that the testbed uses.
type Tools struct {
	Containerd, Ctr, Runc string
	// CNI is the folder of the network plugins.
	CNI string
}

// need is a program and the Debian package that has it.
type need struct{ program, pkg string }

var needs = []need{
	{"containerd", "containerd"}, {"containerd-shim-runc-v2", "containerd"}, {"ctr", "containerd"},
	{"runc", "runc"}, {"ip", "iproute2"}, {"nft", "nftables"}, {"nsenter", "util-linux"},
	{"mount", "mount"}, {"umount", "mount"},
}

var cniFolders = []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"}

// searched are folders that a PATH may lack.
var searched = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// FindTools looks for the programs and returns the Debian packages of those that are missing.
func FindTools() (tools Tools, missing []string) {
	found := map[string]string{}
	for _, n := range needs {
		if found[n.program] = find(n.program); found[n.program] == "" && !slices.Contains(missing, n.pkg) {
			missing = append(missing, n.pkg)
		}
	}
	tools = Tools{Containerd: found["containerd"], Ctr: found["ctr"], Runc: found["runc"], CNI: findCNI()}
	if tools.CNI == "" {
		missing = append(missing, "containernetworking-plugins")
	}
	return tools, missing
}

func find(program string) string {
	if p, err := exec.LookPath(program); err == nil {
		return p
	}
	for _, d := range searched {
		if p, err := exec.LookPath(filepath.Join(d, program)); err == nil {
			return p
		}
	}
	return ""
}

func findCNI() string {
	for _, d := range cniFolders {
		complete := true
		for _, plugin := range []string{"bridge", "host-local", "portmap", "loopback"} {
			if _, err := os.Stat(filepath.Join(d, plugin)); err != nil {
				complete = false
			}
		}
		if complete {
			return d
		}
	}
	return ""
}

// Install installs Debian packages; what apt-get says goes to the log.
func Install(ctx context.Context, packages []string, log io.Writer) error {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("install " + strings.Join(packages, " ") + ": this machine has no apt-get, install them by hand")
	}
	for _, args := range [][]string{
		{"-o", "DPkg::Lock::Timeout=300", "update"},
		append([]string{"-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends"}, packages...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = log, log
		// Let an interrupted apt-get end by itself: a killed one leaves packages half installed.
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
		cmd.WaitDelay = time.Minute
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("run apt-get %s: %w", args[2], err)
		}
	}
	return nil
}
