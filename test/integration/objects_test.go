package integration_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// newNamespace makes a namespace for one test.
func newNamespace(t *testing.T) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := kube.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

// object is of the given kind with a spec in YAML, as a user would write it.
func object(t *testing.T, kind, namespace, name, spec string) *unstructured.Unstructured {
	t.Helper()
	var fields map[string]any
	if err := yaml.Unmarshal([]byte(spec), &fields); err != nil {
		t.Fatalf("parse spec: %v", err)
	}
	if fields == nil {
		fields = map[string]any{}
	}
	o := &unstructured.Unstructured{Object: map[string]any{"spec": fields}}
	o.SetGroupVersionKind(v1alpha2.GroupVersion.WithKind(kind))
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

func create(t *testing.T, o client.Object) {
	t.Helper()
	if err := kube.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

// expectRefusal holds err to be a refusal by the API server whose message contains want.
func expectRefusal(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("accepted, but should be refused with %q", want)
	case !apierrors.IsInvalid(err):
		t.Errorf("want a refusal of the input, got: %v", err)
	case !strings.Contains(err.Error(), want):
		t.Errorf("the refusal should say %q, but says: %v", want, err)
	}
}

// change applies a spec in YAML on top of o as a merge patch.
func change(t *testing.T, o *unstructured.Unstructured, spec string) error {
	t.Helper()
	patch, err := yaml.YAMLToJSON([]byte("spec:\n  " + strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  ")))
	if err != nil {
		t.Fatalf("parse patch: %v", err)
	}
	return kube.Patch(t.Context(), o, client.RawPatch("application/merge-patch+json", patch))
}
