package integration_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cozystack/etcd-operator/internal/metrics"
)

// registered collects the descriptions of metrics that are registered.
type registered struct {
	prometheus.Registerer
	descriptions []string
}

func (r *registered) MustRegister(all ...prometheus.Collector) {
	described := make(chan *prometheus.Desc)
	go func() {
		defer close(described)
		for _, c := range all {
			c.Describe(described)
		}
	}()
	for d := range described {
		r.descriptions = append(r.descriptions, d.String())
	}
}

func (r *registered) has(metric string) bool {
	for _, d := range r.descriptions {
		if strings.Contains(d, `fqName: "`+metric+`"`) {
			return true
		}
	}
	return false
}

func TestAlertsSpeakOfMetricsThatThereAre(t *testing.T) {
	objects, err := renderChart("--set", "alerts.enabled=true", "--set", "alerts.snapshotWithinHours=2")
	if err != nil {
		t.Fatal(err)
	}
	known := &registered{}
	metrics.New(known)
	metric := regexp.MustCompile(`etcd_operator_[a-z_]+`)
	seen := map[string]bool{}
	for _, o := range objects {
		if o.GetKind() != "PrometheusRule" {
			continue
		}
		groups, _, err := unstructured.NestedSlice(o.Object, "spec", "groups")
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range groups {
			rules, _, err := unstructured.NestedSlice(g.(map[string]any), "rules")
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rules {
				rule := r.(map[string]any)
				name, expr := rule["alert"].(string), rule["expr"].(string)
				seen[name] = true
				for _, m := range metric.FindAllString(expr, -1) {
					if !known.has(m) {
						t.Errorf("%s asks for %s, which there is not", name, m)
					}
				}
				if name == "EtcdSnapshotTooOld" && !strings.HasSuffix(strings.TrimSpace(expr), "> 7200") {
					t.Errorf("%s does not ask for 2 hours: %s", name, expr)
				}
			}
		}
	}
	for _, name := range []string{
		"EtcdRolloutFailed", "EtcdRolloutStuck",
		"EtcdSnapshotsFailing", "EtcdSnapshotTooOld", "EtcdSnapshotMissing", "EtcdSnapshotNotVerified",
	} {
		if !seen[name] {
			t.Errorf("there is no alert %s", name)
		}
	}
}
