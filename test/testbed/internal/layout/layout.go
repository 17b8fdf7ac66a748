package layout

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// DirName is the folder of the repository that holds everything the testbed makes.
const DirName = ".testbed"

// EnvDir names the environment variable that overrides the folder.
const EnvDir = "TESTBED_DIR"

// sourceMark is a file that only the testbed's own sources have.
const sourceMark = "test/testbed/modules/kube/go.mod"

// ErrNoSource says that the sources to build from were not found.
var ErrNoSource = errors.New("find the repository (no " + sourceMark + " above the current folder or the program)")

// Layout is the set of paths of one testbed folder.
type Layout struct {
	// Root is the absolute path of the testbed folder.
	Root string
}

// Find returns the layout of dir, else of the environment, else of the repository around the current folder.
func Find(dir string) (Layout, error) {
	if dir == "" {
		dir = os.Getenv(EnvDir)
	}
	if dir == "" {
		repo, err := repository()
		if err != nil {
			return Layout{}, err
		}
		dir = filepath.Join(repo, DirName)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Layout{}, fmt.Errorf("resolve %s: %w", dir, err)
	}
	return Layout{Root: abs}, nil
}

// Source returns the folder of the testbed's sources.
func (l Layout) Source() (string, error) {
	if repo := climb(filepath.Dir(l.Root)); repo != "" {
		return filepath.Join(repo, "test", "testbed"), nil
	}
	repo, err := repository()
	if err != nil {
		return "", err
	}
	return filepath.Join(repo, "test", "testbed"), nil
}

func repository() (string, error) {
	if wd, err := os.Getwd(); err == nil {
		if repo := climb(wd); repo != "" {
			return repo, nil
		}
	}
	if exe, err := os.Executable(); err == nil {
		if repo := climb(filepath.Dir(exe)); repo != "" {
			return repo, nil
		}
	}
	return "", ErrNoSource
}

// climb walks up from dir to the folder that has the testbed's sources; empty if there is none.
func climb(dir string) string {
	for {
		if _, err := os.Stat(filepath.Join(dir, sourceMark)); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

// Bin returns the folder of the built programs, or a path in it.
func (l Layout) Bin(name ...string) string { return l.in("bin", name) }

// Images returns the folder of the image archives, or a path in it.
func (l Layout) Images(name ...string) string { return l.in("images", name) }

// Volumes returns the folder of the volumes' data, or a path in it.
func (l Layout) Volumes(name ...string) string { return l.in("volumes", name) }

// Buckets returns the folder of the S3 server's buckets, or a path in it.
func (l Layout) Buckets(name ...string) string { return l.in("buckets", name) }

// S3Credentials returns the path of the file that tells how to use the S3 server.
func (l Layout) S3Credentials() string { return filepath.Join(l.Root, "s3.env") }

// Logs returns the folder of the logs, or a path in it.
func (l Layout) Logs(name ...string) string { return l.in("logs", name) }

// Run returns the folder of the running cluster's state, or a path in it.
func (l Layout) Run(name ...string) string { return l.in("run", name) }

// PKI returns the folder of keys and certificates, or a path in it.
func (l Layout) PKI(name ...string) string {
	return filepath.Join(l.Run("pki"), filepath.Join(name...))
}

// Kubeconfig returns the path of the administrator's kubeconfig.
func (l Layout) Kubeconfig() string { return filepath.Join(l.Root, "kubeconfig") }

// Make creates the folders.
func (l Layout) Make() error {
	for _, d := range []string{l.Bin(), l.Images(), l.Volumes(), l.Logs(), l.Run(), l.PKI()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("create testbed folder: %w", err)
		}
	}
	return nil
}

func (l Layout) in(folder string, name []string) string {
	return filepath.Join(append([]string{l.Root, folder}, name...)...)
}
