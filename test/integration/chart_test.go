package integration_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// kinds counts the objects of a rendered chart by kind.
func kinds(objects []*unstructured.Unstructured) map[string]int {
	n := map[string]int{}
	for _, o := range objects {
		n[o.GetKind()]++
	}
	return n
}

func TestEveryWayToInstallIsValid(t *testing.T) {
	for _, tc := range []struct {
		claim    string
		settings []string
		kind     string
		want     int
	}{
		{"a replica alone needs no budget", []string{"replicas=1", "leaderElection=false"}, "PodDisruptionBudget", 0},
		{"replicas are not all evicted at once", nil, "PodDisruptionBudget", 1},
		{"nobody connects", []string{"networkPolicy.enabled=true"}, "NetworkPolicy", 1},
		{"without metrics there is no Service", []string{"metrics.enabled=false"}, "Service", 0},
		{"a given account is not made", []string{"serviceAccount.create=false", "serviceAccount.name=mine"}, "ServiceAccount", 0},
		{"CustomResourceDefinitions may be somebody else's", []string{"crds.enabled=false"}, "CustomResourceDefinition", 0},
		{"the namespace is made on demand", []string{"createNamespace=true"}, "Namespace", 1},
		{"a namespace, a Role", []string{"watchNamespaces={default,kube-system}", "leaderElection=false", "replicas=1"}, "Role", 2},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			var args []string
			for _, s := range tc.settings {
				args = append(args, "--set", s)
			}
			objects, err := renderChart(args...)
			if err != nil {
				t.Fatal(err)
			}
			if got := kinds(objects)[tc.kind]; got != tc.want {
				t.Errorf("want %d of kind %s, got %d", tc.want, tc.kind, got)
			}
			for _, o := range objects {
				apply := client.ApplyConfigurationFromUnstructured(o)
				if err := kube.Apply(t.Context(), apply, client.FieldOwner("dry"), client.ForceOwnership, client.DryRunAll); err != nil {
					t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
				}
			}
		})
	}
}

func TestWrongValuesAreRefusedByTheChart(t *testing.T) {
	for setting, want := range map[string]string{
		"replicas=-1":                "/replicas",
		"replica=3":                  "'replica'",
		"image.digest=latest":        "/image/digest",
		"leaderElection=false":       "replicas above 1 need leaderElection: true",
		"watchNamespaces={Default}":  "/watchNamespaces/0",
		"metrics.port=70000":         "/metrics/port",
		"podMonitor.enabled=perhaps": "/podMonitor/enabled",
	} {
		t.Run(setting, func(t *testing.T) {
			if _, err := renderChart("--set", setting); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("want a refusal that names %q, got %v", want, err)
			}
		})
	}
}

// TestTheOperatorIsRestricted: its namespace enforces Pod Security "restricted", so the API server is the judge.
func TestTheOperatorIsRestricted(t *testing.T) {
	objects, err := renderChart()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "Deployment" })
	if at < 0 {
		t.Fatal("the chart gives no Deployment")
	}
	var deployment appsv1.Deployment
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(objects[at].Object, &deployment); err != nil {
		t.Fatal(err)
	}
	template := deployment.Spec.Template
	template.Namespace, template.GenerateName = operatorNamespace, "restricted-"
	if err := kube.Create(t.Context(), podOf(template), client.DryRunAll); err != nil {
		t.Error(err)
	}
	template.Spec.SecurityContext.RunAsNonRoot = nil
	if err := kube.Create(t.Context(), podOf(template), client.DryRunAll); err == nil {
		t.Error("a Pod that may run as root is accepted: this namespace enforces nothing")
	}
}

func podOf(template corev1.PodTemplateSpec) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: template.Spec}
}

func TestCustomResourceDefinitionsOutliveTheRelease(t *testing.T) {
	objects, err := renderChart()
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, o := range objects {
		if o.GetKind() == "CustomResourceDefinition" && o.GetAnnotations()["helm.sh/resource-policy"] == "keep" {
			kept++
		}
	}
	if kept != 4 {
		t.Errorf("want 4 CustomResourceDefinitions that are kept, got %d", kept)
	}
}
