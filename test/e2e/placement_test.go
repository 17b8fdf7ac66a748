//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// place is a set of nodes that one test opens to its members. Unlike a cordon it disturbs nobody else.
type place struct {
	t     *testing.T
	label string
}

func newPlace(t *testing.T) *place {
	return &place{t, "e2e.test/" + rand.String(8)}
}

// only lets members run on nodes of the place.
func (p *place) only(o *v1alpha2.EtcdCluster) {
	o.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: p.label, Operator: corev1.NodeSelectorOpExists}},
		}}},
	}}
}

// apart lets members run on nodes of the place, on each at most one.
func (p *place) apart(o *v1alpha2.EtcdCluster) {
	p.only(o)
	o.Spec.Affinity.PodAntiAffinity = &corev1.PodAntiAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha2.LabelCluster: o.Name}},
			TopologyKey:   corev1.LabelHostname,
		}},
	}
}

func (p *place) open(nodes ...string) {
	p.t.Helper()
	for _, name := range nodes {
		if err := p.patch(p.t.Context(), name, `{"metadata":{"labels":{"`+p.label+`":""}}}`); err != nil {
			p.t.Fatalf("open %s: %v", name, err)
		}
		p.t.Cleanup(func() {
			if err := p.patch(context.Background(), name, `{"metadata":{"labels":{"`+p.label+`":null}}}`); err != nil {
				p.t.Errorf("close %s: %v", name, err)
			}
		})
	}
}

func (p *place) patch(ctx context.Context, node, patch string) error {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}
	return testbed.Patch(ctx, n, client.RawPatch("application/merge-patch+json", []byte(patch)))
}

// manifest puts text into a file for kubectl.
func manifest(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "manifest.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMemberThatCannotBeScheduledHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	place := newPlace(t)
	place.open("node1", "node2")
	c := newCluster(t, place.apart)

	o := c.awaitCondition(v1alpha2.ConditionAvailable, "True QuorumAvailable")
	c.Expect(condition(o, v1alpha2.ConditionReady)).To(gomega.HavePrefix("False"))
	c.put("before", "the third") // the client Service is there as soon as the cluster says that it is available
	c.await("the status names who waits for a node, and why", func() {
		var waiting string
		for _, p := range c.pods() {
			if unschedulable(&p) {
				waiting = p.Name
			}
		}
		c.Expect(waiting).NotTo(gomega.BeEmpty())
		o := c.get()
		c.Expect(condition(o, v1alpha2.ConditionReady)).To(gomega.And(gomega.ContainSubstring(waiting), gomega.ContainSubstring("Unschedulable")))
		c.Expect(condition(o, v1alpha2.ConditionStalled)).To(gomega.BeEmpty(), "a node may come")
		c.Expect(c.member(waiting).Status.Failure).To(gomega.HaveField("Reason", v1alpha2.FailureUnschedulable))
		c.Expect(o.Status.ReadyMembers).To(gomega.BeEquivalentTo(2))
	})

	place.open("node3")
	c.awaitReady(3)
	c.Expect(c.value("before")).To(gomega.Equal("the third"))
}
