//go:build robustness

package robustness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// versions are the etcd versions that the worlds take turns with.
var versions = []string{"3.6.16", "3.7.3", "3.5.35"}

// harness is what all worlds share.
type harness struct {
	admin  *rest.Config
	kube   client.WithWatch
	scheme *runtime.Scheme
	cache  cache.Cache

	mu     sync.Mutex
	worlds map[string]*world // by namespace

	foreign map[string]string // by version: a volume of a cluster that is not of this world
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	h := &harness{scheme: runtime.NewScheme(), worlds: map[string]*world{}, foreign: map[string]string{}}
	must(t, errors.Join(clientgoscheme.AddToScheme(h.scheme), apiextensionsv1.AddToScheme(h.scheme), v1alpha2.AddToScheme(h.scheme)))
	must(t, h.stage())
	must(t, serveNames(h.lookup))

	server := &envtest.Environment{BinaryAssetsDirectory: assets(), ControlPlaneStartTimeout: 2 * time.Minute, Scheme: h.scheme}
	server.ControlPlane.GetAPIServer().Configure().Set("advertise-address", hostIP).
		Append("max-requests-inflight", "2000").Append("max-mutating-requests-inflight", "2000")
	crds, err := definitions()
	must(t, err)
	server.CRDInstallOptions.CRDs = crds
	h.admin, err = server.Start()
	must(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	h.admin.QPS = -1
	h.kube, err = client.NewWithWatch(h.admin, client.Options{Scheme: h.scheme})
	must(t, err)
	h.watch(t)
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// definitions are the CRDs of the rendered chart.
func definitions() (crds []*apiextensionsv1.CustomResourceDefinition, err error) {
	text, err := os.ReadFile(filepath.Join(repository, "dist", "install.yaml"))
	if err != nil {
		return nil, err
	}
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := decoder.Decode(crd); errors.Is(err, io.EOF) {
			return crds, nil
		} else if err != nil {
			return nil, fmt.Errorf("read dist/install.yaml: %w", err)
		}
		if crd.Kind == "CustomResourceDefinition" {
			crds = append(crds, crd)
		}
	}
}

// stage puts the programs where Pods can have them without a copy.
func (h *harness) stage() error {
	if err := os.MkdirAll(work+"/bin", 0o755); err != nil {
		return err
	}
	for _, v := range versions {
		from := filepath.Join(assets(), "etcd-v"+v, "etcd")
		if err := command("cp", from, etcdBinary(v)); err != nil {
			return fmt.Errorf("%w: run \"make robustness\", which builds it", err)
		}
	}
	args := []string{"build", "-trimpath", "-ldflags", "-s -w", "-o", launcherBinary}
	if overlay := os.Getenv(overlayVariable); overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.Command("go", append(args, "./cmd/etcd-launcher")...)
	cmd.Dir = repository
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the launcher: %w: %s", err, out)
	}
	return nil
}

const launcherBinary = work + "/bin/etcd-launcher"

func etcdBinary(version string) string { return work + "/bin/etcd-v" + version }

func (h *harness) world(namespace string) *world {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.worlds[namespace]
}

// lookup resolves <pod>.<subdomain>.<namespace>.svc.
func (h *harness) lookup(host string) (net.IP, bool) {
	parts := strings.Split(host, ".")
	if len(parts) < 4 || parts[3] != "svc" {
		return nil, false
	}
	w := h.world(parts[2])
	if w == nil {
		return nil, false
	}
	return w.kubelet.resolve(parts[0], parts[1])
}

// watch feeds the kubelets. One cache serves all worlds.
func (h *harness) watch(t *testing.T) {
	t.Helper()
	var err error
	h.cache, err = cache.New(h.admin, cache.Options{Scheme: h.scheme})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	for _, o := range []client.Object{
		&corev1.Pod{}, &corev1.PersistentVolumeClaim{}, &v1alpha2.EtcdMember{}, &v1alpha2.EtcdCluster{},
	} {
		informer, err := h.cache.GetInformer(ctx, o, cache.BlockUntilSynced(false))
		must(t, err)
		_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc:    func(o any) { h.seen(o.(client.Object), false) },
			UpdateFunc: func(_, o any) { h.seen(o.(client.Object), false) },
			DeleteFunc: func(o any) {
				if last, unknown := o.(toolscache.DeletedFinalStateUnknown); unknown {
					o = last.Obj
				}
				h.seen(o.(client.Object), true)
			},
		})
		must(t, err)
	}
	go func() { _ = h.cache.Start(ctx) }()
	if !h.cache.WaitForCacheSync(ctx) {
		t.Fatal("the cache of the harness does not fill")
	}
}

func (h *harness) seen(o client.Object, gone bool) {
	w := h.world(o.GetNamespace())
	if w == nil {
		return
	}
	switch o := o.(type) {
	case *corev1.Pod:
		w.kubelet.podSeen(o, gone)
	case *corev1.PersistentVolumeClaim:
		w.kubelet.claimSeen(o, gone)
		w.observer.claimSeen(o, gone)
	case *v1alpha2.EtcdMember:
		w.observer.memberSeen(o, gone)
		if gone {
			go w.kubelet.collect(o.UID)
		}
	}
}
