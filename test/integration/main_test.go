// Package integration_test shows on a real kube-apiserver that the API refuses what it should with a message that helps,
// that status means the same to kubectl, Helm and Flux, and that the operator has the rights it needs and no others.
package integration_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

const (
	operatorName      = "etcd-operator"
	operatorNamespace = "etcd-operator-system"
	repository        = "../.."
)

var (
	admin  *rest.Config
	kube   client.Client
	scheme = runtime.NewScheme()
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctrl.SetLogger(zap.New(zap.WriteTo(&logged)))
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	for _, path := range []string{
		filepath.Join(assets, "kube-apiserver"), filepath.Join(assets, "etcd"), filepath.Join(repository, "bin/tools/chart-render"),
	} {
		if _, err := os.Stat(path); err != nil {
			return 1, fmt.Errorf("%w: run \"make test-integration\", which builds it and sets KUBEBUILDER_ASSETS", err)
		}
	}
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme), v1alpha2.AddToScheme(scheme)); err != nil {
		return 1, err
	}
	server := &envtest.Environment{}
	if admin, err = server.Start(); err != nil {
		return 1, fmt.Errorf("start kube-apiserver: %w", err)
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	if kube, err = client.New(admin, client.Options{Scheme: scheme}); err != nil {
		return 1, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := install(ctx); err != nil {
		return 1, fmt.Errorf("install the chart: %w", err)
	}
	return m.Run(), nil
}

// renderChart gives the chart's objects as "helm install" would make them.
func renderChart(args ...string) ([]*unstructured.Unstructured, error) {
	args = append(args, filepath.Join(repository, "charts/etcd-operator"))
	cmd := exec.Command(filepath.Join(repository, "bin/tools/chart-render"), args...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, complaint.String())
	}
	return decode(out)
}

func decode(manifests []byte) (objects []*unstructured.Unstructured, err error) {
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifests), 4096)
	for {
		o := &unstructured.Unstructured{}
		if err := decoder.Decode(&o.Object); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, err
		}
		if len(o.Object) > 0 {
			objects = append(objects, o)
		}
	}
}

func install(ctx context.Context) error {
	objects, err := renderChart("--set", "createNamespace=true")
	if err != nil {
		return err
	}
	var crds []*apiextensionsv1.CustomResourceDefinition
	for _, o := range objects {
		apply := client.ApplyConfigurationFromUnstructured(o)
		if err := kube.Apply(ctx, apply, client.FieldOwner("integration"), client.ForceOwnership); err != nil {
			return fmt.Errorf("apply %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		if o.GetKind() == "CustomResourceDefinition" {
			crd := &apiextensionsv1.CustomResourceDefinition{}
			crd.Name = o.GetName()
			crds = append(crds, crd)
		}
	}
	if len(crds) != 4 {
		return fmt.Errorf("want 4 CustomResourceDefinitions in the chart, got %d", len(crds))
	}
	for _, crd := range crds {
		if err := awaitEstablished(ctx, crd); err != nil {
			return err
		}
	}
	return nil
}

func awaitEstablished(ctx context.Context, crd *apiextensionsv1.CustomResourceDefinition) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := kube.Get(ctx, client.ObjectKeyFromObject(crd), crd); err != nil {
			return err
		}
		for _, c := range crd.Status.Conditions {
			if c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue {
				return nil
			}
			if c.Type == apiextensionsv1.NonStructuralSchema && c.Status == apiextensionsv1.ConditionTrue {
				return fmt.Errorf("%s: %s", crd.Name, c.Message)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not established: %w", crd.Name, ctx.Err())
		case <-tick.C:
		}
	}
}
