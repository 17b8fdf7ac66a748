package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"strconv"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/utils/clock"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// Command is "etcd-operator snapshot".
func Command(getenv func(string) string) *cobra.Command {
	cmd := &cobra.Command{Use: "snapshot", Short: "Save, delete, fetch and try out snapshots (for Pods that the operator starts)"}
	for kind, short := range map[task.Kind]string{
		task.Save:   "Stream a snapshot from a member to a store, and verify what is stored",
		task.Delete: "Delete what a save has stored",
		task.Fetch:  "Bring a stored snapshot to a file, verified",
		task.Drill:  "Restore a stored snapshot into a throwaway member, and compare",
	} {
		cmd.AddCommand(taskCommand(kind, short, getenv))
	}
	cmd.AddCommand(&cobra.Command{
		Use: "install FILE", Short: "Copy this program", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return install(args[0]) },
	})
	return cmd
}

const (
	// memory is what the collector of garbage aims at, garbage the percentage by which it may be missed for speed. Buffers take 18 MiB,
	// what is under way 8 MiB; the program itself, which does not count here, 34 MiB, and what is mapped of a database as much as 10.
	memory  = 48 << 20
	garbage = 30
)

func taskCommand(kind task.Kind, short string, getenv func(string) string) *cobra.Command {
	var text string
	cmd := &cobra.Command{
		Use: string(kind), Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			debug.SetMemoryLimit(memory)
			debug.SetGCPercent(garbage)
			agent := &Agent{
				Roots: PodRoots(), Getenv: getenv, Dial: etcd.Adapter{}.DialSaver, Now: clock.RealClock{}.Now, Progress: &Progress{},
				Log: logTo(cmd.ErrOrStderr()),
			}
			report := agent.runText(cmd, kind, text)
			return tell(report, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&text, "task", "", "what to do, as JSON")
	return cmd
}

func (a *Agent) runText(cmd *cobra.Command, kind task.Kind, text string) task.Report {
	var t task.Task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return task.Report{Reason: task.BadTask, Message: fmt.Sprintf("read --task: %v", err), EndedAt: a.Now()}
	}
	if listener, err := net.Listen("tcp", ":"+strconv.Itoa(task.ProgressPort)); err == nil { // only for people to see
		go func() { _ = a.Progress.Serve(cmd.Context(), listener) }()
	}
	return a.Run(cmd.Context(), kind, t)
}

// errReported ends the process with a code; why is in the report.
var errReported = errors.New("not done")

// tell leaves the report where the kubelet looks for it. Outside a Pod only the output tells.
func tell(report task.Report, out io.Writer) error {
	text, err := report.Encode()
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%s\n", text)
	if file, err := os.OpenFile(task.TerminationPath, os.O_WRONLY|os.O_TRUNC, 0); err == nil {
		_, err = file.Write(text)
		if err = errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("leave the report: %w", err)
		}
	}
	if !report.Succeeded {
		return fmt.Errorf("%w: %s", errReported, report.Reason)
	}
	return nil
}

// logTo writes what happens as JSON, one line each.
func logTo(out io.Writer) logr.Logger { return logr.FromSlogHandler(slog.NewJSONHandler(out, nil)) }
