package build

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// counter follows what the go command prints on stderr.
type counter struct {
	log        io.Writer
	total      atomic.Int64
	compiled   atomic.Int64
	downloaded atomic.Int64
	lines      sync.WaitGroup
}

// status says how far the build is. Packages out of the build cache are not printed by the go command,
// so a total is only an upper bound.
func (c *counter) status() string {
	n, total := c.compiled.Load(), c.total.Load()
	switch {
	case total > 0:
		return fmt.Sprintf("compiled %d packages of at most %d (%d %%)", n, total, min(100, n*100/total))
	case c.downloaded.Load() > 0:
		return fmt.Sprintf("downloaded %d modules", c.downloaded.Load())
	}
	return "looking at the packages"
}

func (c *counter) follow(r io.Reader) {
	defer c.lines.Done()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		_, _ = fmt.Fprintln(c.log, line)
		switch {
		case strings.HasPrefix(line, "go: downloading "):
			c.downloaded.Add(1)
		case line != "" && !strings.ContainsAny(line, " #:\t"):
			c.compiled.Add(1)
		}
	}
}

// compile runs go build for a target, with its output in a log that is shown when it fails.
func (b Builder) compile(ctx context.Context, t Target, out string) error {
	logFile := filepath.Join(b.Logs, "build-"+t.Name+".log")
	log, err := os.Create(logFile)
	if err != nil {
		return fmt.Errorf("create build log: %w", err)
	}
	defer func() { _ = log.Close() }()
	c := &counter{log: log}
	programs := make([]string, 0, len(t.Programs)+len(t.Links))
	for _, p := range t.Programs {
		programs = append(programs, p)
	}
	step := b.Out.Step("building "+t.Name+" ("+strings.Join(slices.Sorted(slices.Values(programs)), ", ")+")", c.status)
	err = b.count(ctx, t, c)
	if err == nil {
		args := append(append([]string{"build", "-v"}, buildFlags...), "-ldflags", t.LDFlags, "-o", out+string(filepath.Separator))
		err = b.gocmd(ctx, t, c, io.Discard, append(args, t.Packages...)...)
	}
	if err == nil && t.Folder.To != "" {
		err = b.copyFolder(ctx, t, c, filepath.Join(out, t.Folder.To))
	}
	step.Done(err)
	if err != nil {
		return fmt.Errorf("build %s: %w\n%s\n(whole log: %s)", t.Name, err, tail(logFile, 30), logFile)
	}
	return nil
}

// count learns how many packages the target has; it downloads the modules on the way.
func (b Builder) count(ctx context.Context, t Target, c *counter) error {
	var list bytes.Buffer
	if err := b.gocmd(ctx, t, c, &list, append([]string{"list", "-deps"}, t.Packages...)...); err != nil {
		return err
	}
	c.total.Store(int64(bytes.Count(list.Bytes(), []byte("\n"))))
	return nil
}

// copyFolder copies the wanted files of a module, which the go command has downloaded.
func (b Builder) copyFolder(ctx context.Context, t Target, c *counter, to string) error {
	var dir bytes.Buffer
	if err := b.gocmd(ctx, t, c, &dir, "list", "-m", "-f", "{{.Dir}}", t.Folder.Module); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(dir.String()), filepath.FromSlash(t.Folder.From), t.Folder.Pattern))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("find %s in folder %s of %s: %w", t.Folder.Pattern, t.Folder.From, t.Folder.Module, errors.Join(err, os.ErrNotExist))
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("create folder: %w", err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return fmt.Errorf("read file of module: %w", err)
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(f)), raw, 0o644); err != nil {
			return fmt.Errorf("copy file of module: %w", err)
		}
	}
	return nil
}

func (b Builder) gocmd(ctx context.Context, t Target, c *counter, stdout io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = filepath.Join(b.Source, t.Module)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	cmd.Stdout = stdout
	// A group of its own: a cancelled build takes its compilers with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	r, w := io.Pipe()
	cmd.Stderr = w
	c.lines.Add(1)
	go c.follow(r)
	err := cmd.Run()
	_ = w.Close()
	c.lines.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("run go %s: %w", args[0], err)
	}
	return nil
}

// tail returns the last lines of a file.
func tail(file string, n int) string {
	raw, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(raw), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
