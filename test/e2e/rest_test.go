//go:build e2e

package e2e

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Not parallel: what others do to the machine shows in the readiness of Pods.
func TestClusterAtRestCausesNoWrites(t *testing.T) {
	c := newCluster(t)
	c.awaitReady(3)
	// A machine that is busy may cost a leader or an answer: that is told, and then a minute has to pass in silence again.
	before := c.versions()
	since := time.Now()
	for began := since; time.Since(since) < time.Minute; time.Sleep(time.Second) {
		now := c.versions()
		if diff := cmp.Diff(before, now); diff != "" {
			t.Logf("written %v after the cluster was ready:\n%s", time.Since(began).Round(time.Second), diff)
			before, since = now, time.Now()
		}
		if time.Since(began) > 2*patience {
			t.Fatalf("there was no minute without a write within %v", 2*patience)
		}
	}

	bytes, err := testbed.OperatorResident(c.ctx)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	t.Logf("the operator occupies %.1f MB with one cluster (goal: below 60)", float64(bytes)/1e6)
}

// versions are the resource versions of all objects of the cluster, and of the events about them; of the cluster also its status,
// so that a difference says what was written.
func (c *cluster) versions() map[string]string {
	c.t.Helper()
	all := map[string]string{}
	for kind, list := range map[string]client.ObjectList{
		"EtcdCluster": &v1alpha2.EtcdClusterList{}, "EtcdMember": &v1alpha2.EtcdMemberList{}, "Pod": &corev1.PodList{},
		"PersistentVolumeClaim": &corev1.PersistentVolumeClaimList{}, "Service": &corev1.ServiceList{},
		"PodDisruptionBudget": &policyv1.PodDisruptionBudgetList{}, "Event": &corev1.EventList{},
	} {
		c.Expect(testbed.List(c.ctx, list, client.InNamespace(c.namespace))).To(gomega.Succeed())
		c.Expect(eachItem(list, func(o client.Object) { all[kind+" "+o.GetName()] = o.GetResourceVersion() })).To(gomega.Succeed())
	}
	status, err := json.MarshalIndent(c.get().Status, "", " ")
	c.Expect(err).NotTo(gomega.HaveOccurred())
	all["status"] = string(status)
	return all
}

func eachItem(list client.ObjectList, do func(client.Object)) error {
	return meta.EachListItem(list, func(o runtime.Object) error {
		do(o.(client.Object))
		return nil
	})
}
