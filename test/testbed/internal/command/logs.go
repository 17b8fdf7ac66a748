package command

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func newLogs(o *options) *cobra.Command {
	var (
		follow bool
		lines  int
	)
	cmd := &cobra.Command{
		Use: "logs [COMPONENT]", Short: "Show the log of a component; without one, list them",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.cluster()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return listLogs(cmd, c.Layout.Logs())
			}
			file := c.Layout.Logs(filepath.Base(args[0]) + ".log")
			if _, err := os.Stat(file); err != nil {
				return fmt.Errorf("find the log of %s: %w", args[0], errors.Join(err, errors.New("`testbed logs` lists them")))
			}
			tail, err := exec.LookPath("tail")
			if err != nil {
				return fmt.Errorf("find tail: %w", err)
			}
			argv := []string{"tail", fmt.Sprintf("--lines=%d", lines)}
			if follow {
				argv = append(argv, "--follow")
			}
			return syscall.Exec(tail, append(argv, file), os.Environ())
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on as the log grows")
	cmd.Flags().IntVarP(&lines, "lines", "n", 1000, "show the last so many lines")
	return cmd
}

func listLogs(cmd *cobra.Command, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		return fmt.Errorf("list logs: %w", err)
	}
	for _, f := range files {
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), strings.TrimSuffix(filepath.Base(f), ".log")); err != nil {
			return fmt.Errorf("print logs: %w", err)
		}
	}
	return nil
}
