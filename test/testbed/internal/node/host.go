package node

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/cozystack/etcd-operator/test/testbed/internal/cgroup"
	"github.com/cozystack/etcd-operator/test/testbed/internal/network"
	"github.com/cozystack/etcd-operator/test/testbed/internal/process"
)

// InitCommand is the hidden command of the launcher that a node's PID 1 runs.
const InitCommand = "node-init"

const namespaces = syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNET

// Start starts the node and plugs it into the network; a running node is left alone.
func (n Node) Start(ctx context.Context, table process.Table) (started bool, err error) {
	if table.Running(n.Name()) {
		return false, nil
	}
	if err := n.Prepare(); err != nil {
		return false, err
	}
	exe, err := os.Executable()
	if err != nil {
		return false, fmt.Errorf("find the launcher: %w", err)
	}
	_, err = table.Start(process.Program{
		Name: n.Name(), Path: exe, Args: []string{InitCommand, n.Dir("node.json")},
		Log: n.Layout.Logs(n.Name() + ".log"), Owner: n.Layout.Root, Namespaces: namespaces,
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	})
	if err != nil {
		return false, err
	}
	id, _ := table.Get(n.Name())
	if err := network.Connect(ctx, n.Number, id.PID); err != nil {
		return true, err
	}
	return true, nil
}

// Kill ends everything in the node at once, by its number alone: the node's files may be gone.
func Kill(ctx context.Context, table process.Table, number int) error {
	if err := table.Stop(Name(number), 0); err != nil {
		return err
	}
	if err := network.Disconnect(ctx, number); err != nil {
		return err
	}
	return cgroup.Tree{Root: cgroup.Mount}.Remove(Name(number))
}

// Exec replaces this process by a command in the node's namespaces.
func Exec(id process.Identity, argv []string) error {
	nsenter, err := exec.LookPath("nsenter")
	if err != nil {
		return fmt.Errorf("find nsenter: %w", err)
	}
	args := append([]string{"nsenter", "-t", strconv.Itoa(id.PID), "--mount", "--pid", "--uts", "--net", "--"}, argv...)
	if err := syscall.Exec(nsenter, args, os.Environ()); err != nil {
		return fmt.Errorf("enter the node: %w", err)
	}
	return nil
}
