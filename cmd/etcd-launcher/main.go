// Command etcd-launcher is PID 1 of every member: it checks the volume and becomes etcd.
//
//	etcd-launcher install TARGET
//	etcd-launcher prepare FLAGS -- ETCD ARGS...   as start does, and ends before etcd starts; with --install=TARGET as install does, too
//	etcd-launcher start FLAGS -- ETCD ARGS...
//	etcd-launcher rehearse FLAGS -- ETCD ARGS...  sees whether etcd starts so, alone and on an empty directory
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/cozystack/etcd-operator/internal/launcher"
)

const terminationLog = "/dev/termination-log"

func main() {
	err := run(os.Args[1:])
	if err == nil {
		return
	}
	if refusal := (*launcher.Refusal)(nil); errors.As(err, &refusal) {
		report(refusal)
		os.Exit(refusal.Reason.ExitCode())
	}
	if end := (*exec.ExitError)(nil); errors.As(err, &end) { // etcd has said why
		os.Exit(codeOf(end))
	}
	fmt.Fprintln(os.Stderr, "etcd-launcher:", err)
	os.Exit(1)
}

func run(args []string) error {
	if len(args) == 2 && args[0] == "install" {
		return install(args[1])
	}
	if len(args) > 0 && args[0] == "rehearse" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		return rehearse(ctx, args[1:])
	}
	if len(args) == 0 || args[0] != "prepare" && args[0] != "start" {
		return errors.New("use: etcd-launcher install TARGET | etcd-launcher prepare|start|rehearse FLAGS -- ETCD ARGS")
	}
	o, err := parse(args[1:])
	if err != nil {
		return err
	}
	if err := install(o.install); err != nil {
		return err
	}
	if err := o.launcher.Admit(); err != nil || args[0] == "prepare" {
		return err
	}
	return start(o)
}

func install(target string) error {
	if target == "" {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the launcher: %w", err)
	}
	return launcher.Install(self, target)
}

// options are what the operator says of one start.
type options struct {
	launcher         launcher.Launcher
	snapshot         launcher.Snapshot
	awaited, joining string
	install          string
	command          []string
}

func parse(args []string) (options, error) {
	o := options{}
	l := &o.launcher
	flags := flag.NewFlagSet("start", flag.ContinueOnError)
	flags.StringVar(&l.Marker.ClusterToken, "token", "", "cluster token")
	flags.StringVar(&l.Marker.Member, "member", "", "name of the member")
	flags.StringVar(&l.Marker.VolumeUID, "volume", "", "UID of the volume")
	flags.StringVar((*string)(&l.Grant), "grant", "", `permission to start without a marker: "", empty or adopted`)
	flags.StringVar(&l.Volume.DataDir, "data-dir", "", "etcd's data directory")
	flags.StringVar(&l.Volume.Marker, "marker", "", "file that holds the marker, beside the data directory")
	flags.StringVar(&l.StateDir, "state-dir", "", "directory that lives as long as the Pod")
	flags.StringVar(&o.install, "install", "", "where to copy the launcher first; empty copies nothing")
	flags.StringVar(&o.awaited, "await-host", "", "the member's DNS name, to be waited for; empty waits for nothing")
	flags.StringVar(&o.joining, "watch-join", "", "etcd's metrics, to watch the first start of a member that joins; empty watches nothing")
	flags.StringVar(&o.snapshot.File, "restore", "", "the snapshot that the first start begins with; empty begins with nothing")
	flags.Int64Var(&o.snapshot.Bump, "revision-bump", 0, "what is added to the revision of the snapshot")
	if err := flags.Parse(args); err != nil {
		return options{}, fmt.Errorf("parse the arguments: %w", err)
	}
	o.command = flags.Args()
	return o, complete(*l, o.command)
}

// start becomes etcd; it returns only if it must not, or cannot.
func start(o options) error {
	if o.snapshot.File != "" {
		if goOn, err := restore(o); !goOn {
			return err
		}
	}
	if o.awaited != "" && !await(o.awaited) {
		return nil // asked to stop before etcd was there
	}
	if o.joining != "" && o.launcher.Volume.IsVirgin() {
		if again, err := join(o.command, o.joining); !again {
			return err
		}
	}
	if err := syscall.Exec(o.command[0], o.command, os.Environ()); err != nil {
		return fmt.Errorf("start %s: %w", o.command[0], err)
	}
	return nil
}

// complete refuses to guess: an empty part of the marker would match another empty one.
func complete(l launcher.Launcher, command []string) error {
	for name, value := range map[string]string{
		"token": l.Marker.ClusterToken, "member": l.Marker.Member, "volume": l.Marker.VolumeUID,
		"data-dir": l.Volume.DataDir, "marker": l.Volume.Marker, "state-dir": l.StateDir,
	} {
		if value == "" {
			return fmt.Errorf("flag --%s is missing", name)
		}
	}
	switch l.Grant {
	case launcher.GrantNone, launcher.GrantEmpty, launcher.GrantAdopted:
	default:
		return fmt.Errorf("unknown grant %q", l.Grant)
	}
	if len(command) == 0 {
		return errors.New("no command after --")
	}
	return nil
}

// restore makes the data of the first start, and says whether to go on.
func restore(o options) (bool, error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	err := o.launcher.Restore(ctx, o.snapshot, o.command)
	if ctx.Err() != nil { // asked to stop: the next start begins where this one has ended
		return false, nil
	}
	return err == nil, err
}

// await waits for the member's own name, and says whether to go on.
func await(host string) bool {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if !launcher.AwaitHost(ctx, net.DefaultResolver, host) {
		fmt.Fprintf(os.Stderr, "etcd-launcher: %s does not resolve to this Pod yet: starting anyway\n", host)
	}
	return ctx.Err() == nil
}

// join runs etcd for the first time, and says whether it is to be started again.
func join(command []string, metrics string) (bool, error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	again, err := launcher.Join(ctx, command, metrics)
	if again {
		fmt.Fprintln(os.Stderr, "etcd-launcher: etcd has got its data and waits for what is in them already: starting it again")
	}
	return again && ctx.Err() == nil, err
}

// codeOf is what a container ends with whose first process ended so.
func codeOf(end *exec.ExitError) int {
	if status, ok := end.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return end.ExitCode()
}

// report tells the kubelet and the log. The kubelet reads the termination log first.
func report(r *launcher.Refusal) {
	fmt.Fprintf(os.Stderr, "%s", r.Line())
	if f, err := os.OpenFile(terminationLog, os.O_WRONLY, 0); err == nil {
		_, _ = f.Write(r.Line()) // if this fails the kubelet reads the log instead
		_ = f.Close()
	}
}
