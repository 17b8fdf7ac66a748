// Package bed is the Kubernetes that the end-to-end tests run on: access to it, a namespace for each test, and the faults
// that only root on the machine of the testbed can cause. It knows nothing of what is tested.
package bed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Bed is access to the Kubernetes under test, past every cache.
type Bed struct {
	client.Client
	kubeconfig string
	home       string // the folder of the testbed: programs, logs

	pods corev1client.PodsGetter
	Confidences

	mu    sync.Mutex
	going []*corev1.Namespace // deleted, and perhaps not gone yet
}

// Connect returns access to the cluster of KUBECONFIG, else to the testbed of this repository.
func Connect() (*Bed, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	b := &Bed{home: filepath.Join(root, ".testbed"), kubeconfig: os.Getenv("KUBECONFIG")}
	if b.kubeconfig == "" {
		b.kubeconfig = filepath.Join(b.home, "kubeconfig")
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", b.kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig (is the testbed up?): %w", err)
	}
	cfg.QPS, cfg.Burst = 200, 400 // tests poll side by side
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha2.AddToScheme, cmv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("register types: %w", err)
		}
	}
	if b.Client, err = client.NewWithWatch(cfg, client.Options{Scheme: scheme}); err != nil {
		return nil, fmt.Errorf("connect to Kubernetes: %w", err)
	}
	if b.pods, err = corev1client.NewForConfig(cfg); err != nil {
		return nil, fmt.Errorf("connect to Kubernetes: %w", err)
	}
	return b, nil
}

// Kubeconfig is the file that says where the Kubernetes is.
func (b *Bed) Kubeconfig() string { return b.kubeconfig }

// repository climbs to the folder with go.mod.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("find the repository: no go.mod above the current folder")
		}
		dir = up
	}
}

// Kubectl runs kubectl as a person would, and returns all that it says and whether it succeeded.
func (b *Bed) Kubectl(t testing.TB, args ...string) (string, error) {
	t.Helper()
	kubectl := filepath.Join(b.home, "bin", "kubectl")
	if _, err := os.Stat(kubectl); err != nil {
		kubectl = "kubectl"
	}
	out, err := exec.Command(kubectl, append([]string{"--kubeconfig=" + b.kubeconfig}, args...)...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %q: %w: %s", args, err, out)
	}
	return string(out), nil
}
