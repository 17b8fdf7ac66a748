//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

func TestCreatedClusterServesAndSaysSo(t *testing.T) {
	t.Parallel()
	// As short as a manifest can be: everything else is a default.
	c := newCluster(t, func(o *v1alpha2.EtcdCluster) {
		o.Spec = v1alpha2.EtcdClusterSpec{Version: etcdVersion}
	})
	_, err := testbed.Kubectl(t, "wait", "--for=condition=Ready", "etcd/"+c.name, "--namespace="+c.namespace, "--timeout=90s")
	c.Expect(err).NotTo(gomega.HaveOccurred())

	o := c.get()
	c.Expect(*o.Spec.Replicas).To(gomega.BeEquivalentTo(3))
	c.Expect(o.Status.ReadyMembers).To(gomega.BeEquivalentTo(3))
	c.Expect(condition(o, v1alpha2.ConditionAvailable)).To(gomega.HavePrefix("True QuorumHealthy"))
	c.Expect(condition(o, v1alpha2.ConditionReconciling)).To(gomega.BeEmpty())
	c.Expect(condition(o, v1alpha2.ConditionStalled)).To(gomega.BeEmpty())
	c.Expect(o.Status.Leader).To(gomega.Equal(c.leader()))

	out, err := testbed.Kubectl(t, "get", "etcd", c.name, "--namespace="+c.namespace)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	lines := strings.Split(strings.TrimSpace(out), "\n")
	c.Expect(strings.Fields(lines[0])).To(gomega.Equal([]string{"NAME", "VERSION", "REPLICAS", "READY", "AVAILABLE", "STATUS", "AGE"}))
	c.Expect(lines[1]).To(gomega.MatchRegexp(`^main +3\.6\.16 +3 +3 +True +AsDesired +\d`))

	// The address that hosted control planes use, and the one for everybody else.
	c.put("hello", "world")
	c.Expect(c.value("hello")).To(gomega.Equal("world"))
	c.await("the client Service leads to the three voters", func() {
		c.Expect(c.clientAddresses()).To(gomega.ConsistOf(c.addresses()))
	})
	for _, p := range c.pods() {
		c.Expect(p.Labels).To(gomega.HaveKeyWithValue(v1alpha2.LabelRole, v1alpha2.RoleVoter))
		c.Expect(p.Name).To(gomega.MatchRegexp(`^main-[a-z0-9]{5}$`))
	}
}

func (c *cluster) addresses() (all []string) {
	c.t.Helper()
	for _, p := range c.pods() {
		all = append(all, p.Status.PodIP)
	}
	return all
}

// clientAddresses are those that the client Service leads to.
func (c *cluster) clientAddresses() (all []string) {
	var slices discoveryv1.EndpointSliceList
	c.Expect(testbed.List(c.ctx, &slices, client.InNamespace(c.namespace),
		client.MatchingLabels{discoveryv1.LabelServiceName: c.name + "-client"})).To(gomega.Succeed())
	for _, s := range slices.Items {
		for _, e := range s.Endpoints {
			if e.Conditions.Ready != nil && *e.Conditions.Ready {
				all = append(all, e.Addresses...)
			}
		}
	}
	return all
}

func TestReplicasChangedDuringBootstrapWaitForTheClusterToForm(t *testing.T) {
	t.Parallel()
	place := newPlace(t)
	c := newCluster(t, place.only)
	c.await("three founders wait for a node", func() {
		c.Expect(c.pods()).To(gomega.HaveLen(3))
		for _, p := range c.pods() {
			c.Expect(unschedulable(&p)).To(gomega.BeTrue())
		}
	})
	founders := c.memberNames()
	c.scale(5)
	c.awaitCondition(v1alpha2.ConditionReady, "False Bootstrapping")
	c.Expect(c.memberNames()).To(gomega.Equal(founders), "replicas is not looked at until the cluster has formed")

	place.open("node1", "node2", "node3")
	c.awaitReady(5)
	c.Expect(c.get().Status.InitialMembers).To(gomega.ConsistOf(founders))
	c.Expect(c.memberNames()[:3]).To(gomega.Equal(founders))
}

func TestBadInputIsRefusedWithAdvice(t *testing.T) {
	t.Parallel()
	namespace := testbed.Namespace(t)
	for _, bad := range []struct{ claim, patch, advice string }{
		{"a malformed version", `"version":"v3.6"`, "without a leading v, for example 3.6.16"},
		{
			"a pause that loses the data", `"version":"3.6.16","replicas":0,"storage":{"size":"1Gi","medium":"Memory"}`,
			"keep at least one replica",
		},
		{"a password in plain", `"version":"3.6.16","auth":{"enabled":true}`, "auth.enabled and auth.users need tls.client"},
	} {
		out, err := testbed.Kubectl(t, "create", "--raw=/apis/"+v1alpha2.GroupVersion.String()+"/namespaces/"+namespace+"/etcdclusters",
			"--filename="+manifest(t, `{"apiVersion":"`+v1alpha2.GroupVersion.String()+
				`","kind":"EtcdCluster","metadata":{"name":"bad"},"spec":{`+bad.patch+`}}`))
		if err == nil || !strings.Contains(out, bad.advice) {
			t.Errorf("%s: want the advice %q, got %v %s", bad.claim, bad.advice, err, out)
		}
	}
}

func unschedulable(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return true
		}
	}
	return false
}
