package bed

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// occupyVariable makes a program that calls Occupy do nothing else.
const occupyVariable = "E2E_OCCUPY_PORT"

// Occupy listens on a port and never returns if TakePort started this program for that.
func Occupy() {
	port := os.Getenv(occupyVariable)
	if port == "" {
		return
	}
	for {
		if _, err := net.Listen("tcp", ":"+port); err == nil {
			fmt.Println("listening")
			select {}
		}
		time.Sleep(time.Millisecond)
	}
}

// TakePort listens on a port of a Pod as soon as it is free, until the context ends. The channel is closed once it does.
// This program must call Occupy first of all.
func TakePort(ctx context.Context, pod *corev1.Pod, port int) (<-chan struct{}, error) {
	pid, err := sandbox(pod)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "nsenter", "-t", strconv.Itoa(pid), "--net", "--", "/proc/self/exe")
	if self, err := os.Executable(); err == nil {
		cmd.Args[len(cmd.Args)-1] = self
	}
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", occupyVariable, port))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("take port %d of Pod %s: %w", port, pod.Name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("take port %d of Pod %s: %w", port, pod.Name, err)
	}
	taken := make(chan struct{})
	go func() {
		if _, err := bufio.NewReader(out).ReadString('\n'); err == nil {
			close(taken)
		}
		_ = cmd.Wait() // killed with the context
	}()
	return taken, nil
}
