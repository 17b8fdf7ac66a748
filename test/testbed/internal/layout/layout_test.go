package layout

import (
	"os"
	"path/filepath"
	"testing"
)

// clone makes a folder that looks like the repository.
func clone(t *testing.T) string {
	t.Helper()
	repo, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(repo, sourceMark)
	if err := os.MkdirAll(filepath.Dir(mark), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(mark, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return repo
}

func TestFind(t *testing.T) {
	repo := clone(t)
	deep := filepath.Join(repo, "a", "b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(deep)
	t.Setenv(EnvDir, "")
	for _, c := range []struct{ flag, env, want string }{
		{"", "", filepath.Join(repo, DirName)},
		{"", "/from/env", "/from/env"},
		{"/from/flag", "/from/env", "/from/flag"},
		{"here", "", filepath.Join(deep, "here")},
	} {
		t.Setenv(EnvDir, c.env)
		l, err := Find(c.flag)
		if err != nil || l.Root != c.want {
			t.Errorf("flag %q, environment %q: %q, %v", c.flag, c.env, l.Root, err)
		}
	}
}

func TestSourceOfAFolderElsewhere(t *testing.T) {
	repo := clone(t)
	t.Chdir(repo)
	want := filepath.Join(repo, "test", "testbed")
	for _, root := range []string{filepath.Join(repo, DirName), t.TempDir()} {
		if got, err := (Layout{Root: root}).Source(); err != nil || got != want {
			t.Errorf("the source of %s is %s, %v", root, got, err)
		}
	}
}

func TestMake(t *testing.T) {
	l := Layout{Root: filepath.Join(t.TempDir(), DirName)}
	if err := l.Make(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(l.Run("pki")); err != nil {
		t.Error(err)
	}
}
