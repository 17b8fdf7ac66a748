// Package internal_test holds the source tree to its dependency rule and its names.
package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/cozystack/etcd-operator/"

// TestDependencyRule asks the compiler's own list, so that nothing is reached by a detour either.
func TestDependencyRule(t *testing.T) {
	kubernetes := []string{"k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go", "sigs.k8s.io"}
	etcd := []string{"go.etcd.io/"}
	rules := []struct {
		claim   string
		from    string // packages of this module, by prefix
		never   []string
		onlyStd bool // besides packages below from and those in also
		also    []string
	}{
		{claim: "quorum is arithmetic", from: "internal/quorum", onlyStd: true, never: []string{"context", "net"}},
		{claim: "plan decides and touches nothing", from: "internal/plan", onlyStd: true,
			also: []string{"internal/quorum"}, never: []string{"context", "net"}},
		{claim: "certificates are the standard library's", from: "internal/pki", onlyStd: true},
		{claim: "the launcher is the standard library", from: "internal/launcher", onlyStd: true},
		{claim: "so is its command", from: "cmd/etcd-launcher", onlyStd: true, also: []string{"internal/launcher"}},
		{claim: "resource builds and sends nothing", from: "internal/resource", never: slices.Concat(etcd,
			[]string{"k8s.io/client-go/", "sigs.k8s.io/controller-runtime/", module + "internal/plan", module + "internal/etcd"})},
		{claim: "etcd is talked to without Kubernetes", from: "internal/etcd", never: slices.Concat(kubernetes,
			[]string{module + "api", module + "internal/plan"})},
		{claim: "users and roles are looked at and changed without Kubernetes", from: "internal/access", never: slices.Concat(kubernetes,
			[]string{module + "api", module + "internal/controller", module + "internal/observe"})},
		{claim: "the cluster controller does not know the member controller", from: "internal/controller/cluster",
			never: []string{module + "internal/controller/member"}},
		{claim: "nor the other way round", from: "internal/controller/member",
			never: []string{module + "internal/controller/cluster"}},
		{claim: "the comparison of data knows neither", from: "internal/controller/consistency",
			never: []string{module + "internal/controller/cluster", module + "internal/controller/member"}},
		{claim: "nor does what clients are told", from: "internal/controller/connection",
			never: []string{module + "internal/controller/cluster", module + "internal/controller/member", module + "internal/etcd",
				module + "internal/controller/consistency", module + "internal/controller/certificate"}},
		{claim: "nor do certificates", from: "internal/controller/certificate",
			never: []string{module + "internal/controller/cluster", module + "internal/controller/member",
				module + "internal/controller/consistency"}},
		{claim: "nor does authentication", from: "internal/controller/authentication",
			never: []string{module + "internal/controller/cluster", module + "internal/controller/member",
				module + "internal/controller/consistency", module + "internal/controller/certificate"}},
		{claim: "nor do schedules, nor what snapshots are made of", from: "internal/controller/schedule",
			never: []string{module + "internal/controller/cluster", module + "internal/controller/member", module + "internal/controller/snapshot",
				module + "internal/etcd", module + "internal/resource"}},
		{claim: "nor do snapshots", from: "internal/controller/snapshot", never: slices.Concat(etcd,
			[]string{module + "internal/controller/cluster", module + "internal/controller/member",
				module + "internal/controller/consistency", module + "internal/controller/certificate",
				module + "internal/controller/authentication", module + "internal/controller/connection"})},
		{claim: "what agents are told is the API's types", from: "internal/snapshot/task", never: slices.Concat(etcd,
			[]string{"k8s.io/client-go/", "sigs.k8s.io/controller-runtime/pkg/client", module + "internal/plan"})},
		{claim: "the API is types", from: "api", never: slices.Concat(etcd, []string{"k8s.io/client-go/", module + "internal"})},
		{claim: "agents of snapshots are told what to do", from: "internal/snapshot", never: []string{"k8s.io/client-go",
			"sigs.k8s.io/controller-runtime/pkg/client", module + "internal/controller", module + "internal/manager", module + "internal/plan"}},
		{claim: "the plugin looks with the operator's eyes and not with its hands", from: "internal/plugin",
			never: []string{module + "internal/controller", module + "internal/manager"}},
		{claim: "commands and tests are used by nobody", from: "internal", never: []string{module + "cmd", module + "test"}},
	}
	dependencies := listDependencies(t)
	for _, rule := range rules {
		t.Run(rule.claim, func(t *testing.T) {
			seen := false
			for pkg, deps := range dependencies {
				if !below(pkg, module+rule.from) {
					continue
				}
				seen = true
				for _, dep := range deps {
					own := below(dep, module+rule.from) || slices.ContainsFunc(rule.also, func(p string) bool { return below(dep, module+p) })
					if slices.ContainsFunc(rule.never, func(p string) bool { return below(dep, p) }) || rule.onlyStd && !own && !isStd(dep) {
						t.Errorf("%s depends on %s", pkg, dep)
					}
				}
			}
			if !seen {
				t.Errorf("no package below %s: the rule holds nothing", rule.from)
			}
		})
	}
}

func listDependencies(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Deps " "}}`, "./...")
	cmd.Dir = ".."
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, complaint.String())
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		all[fields[0]] = fields[1:]
	}
	return all
}

func below(pkg, prefix string) bool {
	prefix = strings.TrimSuffix(prefix, "/")
	return pkg == prefix || strings.HasPrefix(pkg, prefix+"/")
}

func isStd(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return !strings.Contains(first, ".")
}

// TestNamesSayWhatThingsAre refuses the names under which code gathers that belongs elsewhere.
func TestNamesSayWhatThingsAre(t *testing.T) {
	vague := regexp.MustCompile(`^_?(utils?|helpers?|common|misc|shared|interfaces|types)(_test)?(\.go|\.sh|\.tpl)?$`)
	eachFile(t, func(path string) {
		for part := range strings.SplitSeq(path, string(filepath.Separator)) {
			if vague.MatchString(part) {
				t.Errorf("%s: name it after what it is, not %q", path, part)
			}
		}
	})
}

// TestRequeueTimesAreDecided: how long to wait is part of a decision, where tests see it, never a literal beside an error.
func TestRequeueTimesAreDecided(t *testing.T) {
	eachFile(t, func(path string) {
		if !strings.HasPrefix(path, "internal/") || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, filepath.Join("..", path), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			pair, ok := n.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			if key, ok := pair.Key.(*ast.Ident); ok && key.Name == "RequeueAfter" && isLiteral(pair.Value) {
				t.Errorf("%s: RequeueAfter is a literal: take it from a decision", fset.Position(pair.Pos()))
			}
			return true
		})
	})
}

// isLiteral tells whether e is made of numbers and the units of package time.
func isLiteral(e ast.Expr) bool {
	literal := false
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			literal = true
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			literal = literal || ok && x.Name == "time"
		}
		return true
	})
	return literal
}

// eachFile calls visit with the path, from the top of the repository, of every file that is ours.
func eachFile(t *testing.T, visit func(path string)) {
	t.Helper()
	visited := 0
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != ".." && (strings.HasPrefix(entry.Name(), ".") || path == filepath.Join("..", "bin")):
			return filepath.SkipDir
		case entry.IsDir():
			return nil
		}
		visited++
		visit(strings.TrimPrefix(path, ".."+string(filepath.Separator)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if visited < 50 {
		t.Errorf("only %d files seen: this test looks in the wrong place", visited)
	}
}
