package build

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// KubeVersion is the Kubernetes version of modules/kube.
const KubeVersion = "1.36.3"

// CertManagerVersion is the version of modules/certmanager, S3Version that of the S3 server of modules/s3.
const (
	CertManagerVersion = "1.21.2"
	S3Version          = "1.8.0"
)

// CRDFolder is the folder in bin with cert-manager's CustomResourceDefinitions.
const CRDFolder = "cert-manager-crds"

// DefaultEtcd is the version that etcd, etcdctl and etcdutl in the bin folder are.
const DefaultEtcd = "3.6.16"

// etcdModules maps each etcd version to its module.
var etcdModules = map[string]string{
	"3.5.35": "etcd35",
	"3.6.14": "etcd36old",
	"3.6.16": "etcd36",
	"3.7.3":  "etcd37",
}

// Target is one go build command.
type Target struct {
	// Name is what the user calls it.
	Name string
	// Module is the folder of the module in the sources.
	Module string
	// Packages are compiled by the one command.
	Packages []string
	// Out is the folder in bin that gets the programs.
	Out string
	// Programs maps the name that go build gives to the final name.
	Programs map[string]string
	// Links are more names in bin for programs, as link and relative target.
	Links map[string]string
	// LDFlags go to the linker.
	LDFlags string
	// Folder is taken from a module that the target's module requires.
	Folder ModuleFolder
}

// ModuleFolder is a folder of a module whose files are wanted in bin beside the programs.
type ModuleFolder struct {
	// Module is its path, From the folder in it, Pattern which of the files.
	Module, From, Pattern string
	// To is the folder in bin.
	To string
}

// EtcdVersions lists the versions that can be built, sorted.
func EtcdVersions() []string {
	versions := make([]string, 0, len(etcdModules))
	for v := range etcdModules {
		versions = append(versions, v)
	}
	slices.Sort(versions)
	return versions
}

// Basic lists the names of the targets that every testbed is made of, with all versions of etcd.
func Basic() []string {
	names := []string{"kube", "pause"}
	for _, v := range EtcdVersions() {
		names = append(names, "etcd-"+v)
	}
	return names
}

// Names lists the names of all targets. Those that are not basic take minutes to build and are built only by name.
func Names() []string { return append(Basic(), "cert-manager", "s3") }

// Lookup returns the target of a name.
func Lookup(name string) (Target, error) {
	switch {
	case name == "kube":
		return kubeTarget(), nil
	case name == "pause":
		return pauseTarget(), nil
	case name == "cert-manager":
		return certManagerTarget(), nil
	case name == "s3":
		return s3Target(), nil
	case strings.HasPrefix(name, "etcd-"):
		return etcdTarget(strings.TrimPrefix(strings.TrimPrefix(name, "etcd-"), "v"))
	}
	return Target{}, fmt.Errorf("find target %q: known are %s, all", name, strings.Join(Names(), ", "))
}

func kubeTarget() Target {
	t := Target{
		Name: "kube", Module: "modules/kube",
		Packages: []string{"./cmd/kube", "./cmd/coredns", "./cmd/provisioner"},
		Programs: map[string]string{"kube": "kube", "coredns": "coredns", "provisioner": "provisioner"},
		Links:    map[string]string{},
		LDFlags:  "-s -w" + kubeStamps(),
	}
	for _, c := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"} {
		t.Links[c] = "kube"
	}
	return t
}

// kubeStamps sets the version in both packages that carry one: the version skew checks compare them.
func kubeStamps() string {
	minor := strings.Split(KubeVersion, ".")[1]
	values := []string{
		"gitVersion=v" + KubeVersion, "gitMajor=1", "gitMinor=" + minor, "gitTreeState=clean",
		"gitCommit=" + strings.Repeat("0", 40), "buildDate=2026-01-01T00:00:00Z",
	}
	var b strings.Builder
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, v := range values {
			b.WriteString(" -X " + pkg + "." + v)
		}
	}
	return b.String()
}

func pauseTarget() Target {
	return Target{
		Name: "pause", Module: ".", Packages: []string{"./cmd/pause"},
		Programs: map[string]string{"pause": "pause"}, LDFlags: "-s -w",
	}
}

func certManagerTarget() Target {
	const module = "github.com/cert-manager/cert-manager"
	return Target{
		Name: "cert-manager", Module: "modules/certmanager", Packages: []string{"./cmd/cert-manager"},
		Programs: map[string]string{"cert-manager": "cert-manager"},
		LDFlags:  "-s -w -X " + module + "/pkg/util.AppVersion=v" + CertManagerVersion,
		Folder:   ModuleFolder{Module: module, From: "deploy/crds", Pattern: "*.yaml", To: CRDFolder},
	}
}

func s3Target() Target {
	return Target{
		Name: "s3", Module: "modules/s3", Packages: []string{"github.com/versity/versitygw/cmd/versitygw"},
		Programs: map[string]string{"versitygw": "versitygw"},
		LDFlags:  "-s -w -X main.Version=v" + S3Version,
	}
}

func etcdTarget(version string) (Target, error) {
	module, ok := etcdModules[version]
	if !ok {
		return Target{}, fmt.Errorf("find etcd %q: known are %s", version, strings.Join(EtcdVersions(), ", "))
	}
	out := "etcd-v" + version
	t := Target{
		Name: "etcd-" + version, Module: filepath.Join("modules", module), Out: out,
		Packages: []string{"go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/etcdctl/v3", "go.etcd.io/etcd/etcdutl/v3"},
		Programs: map[string]string{"server": "etcd", "etcdctl": "etcdctl", "etcdutl": "etcdutl"},
		LDFlags:  "-s -w",
	}
	if version == DefaultEtcd {
		t.Links = map[string]string{}
		for _, p := range []string{"etcd", "etcdctl", "etcdutl"} {
			t.Links[p] = filepath.Join(out, p)
		}
	}
	return t, nil
}
