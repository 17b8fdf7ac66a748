//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/onsi/gomega"
	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// soon is the time that one call may take.
func (c *cluster) soon() context.Context {
	ctx, cancel := context.WithTimeout(c.ctx, 5*time.Second)
	c.t.Cleanup(cancel)
	return ctx
}

// dial connects to some members for the rest of the test.
func (c *cluster) dial(endpoints ...string) *clientv3.Client {
	c.t.Helper()
	client, err := c.dialer()(endpoints...)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	c.t.Cleanup(func() { client.Close() })
	return client
}

func (c *cluster) dialAll() *clientv3.Client {
	c.t.Helper()
	all, err := c.endpoints(c.ctx)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	c.Expect(all).NotTo(gomega.BeEmpty())
	return c.dial(all...)
}

// memberIDs are etcd's own, by name.
func (c *cluster) memberIDs() map[string]string {
	c.t.Helper()
	list, err := c.dialAll().MemberList(c.soon())
	c.Expect(err).NotTo(gomega.HaveOccurred())
	ids := map[string]string{}
	for _, m := range list.Members {
		ids[m.Name] = strconv.FormatUint(m.ID, 16)
	}
	return ids
}

// leader asks etcd who leads.
func (c *cluster) leader() string {
	c.t.Helper()
	var name string
	c.await("somebody leads", func() {
		client := c.dialAll()
		defer client.Close()
		st, err := client.Status(c.soon(), client.Endpoints()[0])
		c.Expect(err).NotTo(gomega.HaveOccurred())
		list, err := client.MemberList(c.soon())
		c.Expect(err).NotTo(gomega.HaveOccurred())
		name = ""
		for _, m := range list.Members {
			if m.ID == st.Leader {
				name = m.Name
			}
		}
		c.Expect(name).NotTo(gomega.BeEmpty())
	})
	return name
}

// lead makes a member the leader.
func (c *cluster) lead(name string) {
	c.t.Helper()
	c.await(name+" leads", func() {
		now := c.leader()
		if now == name {
			return
		}
		id, err := strconv.ParseUint(c.memberIDs()[name], 16, 64)
		c.Expect(err).NotTo(gomega.HaveOccurred())
		_, err = c.dial(endpoint(c.pod(now))).MoveLeader(c.soon(), id)
		c.Expect(err).NotTo(gomega.HaveOccurred())
	})
}

func (c *cluster) clientService() *corev1.Service {
	c.t.Helper()
	s := &corev1.Service{}
	c.Expect(testbed.Get(c.ctx, client.ObjectKey{Namespace: c.namespace, Name: c.name + "-client"}, s)).To(gomega.Succeed())
	return s
}

// put writes a key through the client Service, as applications do.
func (c *cluster) put(key, value string) {
	c.t.Helper()
	client := c.dial(c.clientService().Spec.ClusterIP + ":2379")
	c.await("a write through the client Service", func() {
		_, err := client.Put(c.soon(), key, value)
		c.Expect(err).NotTo(gomega.HaveOccurred())
	})
}

// value reads a key through the client Service; empty if it is not there.
func (c *cluster) value(key string) (value string) {
	c.t.Helper()
	client := c.dial(c.clientService().Spec.ClusterIP + ":2379")
	c.await("a read through the client Service", func() {
		got, err := client.Get(c.soon(), key)
		c.Expect(err).NotTo(gomega.HaveOccurred())
		value = ""
		for _, kv := range got.Kvs {
			value = string(kv.Value)
		}
	})
	return value
}

// identity is what a cluster must keep whatever happens to its Pods.
type identity struct {
	ClusterID string
	Members   map[string]string // etcd's member ID by name
	Volumes   map[string]string // UID of the claim by name
}

func (c *cluster) identity() identity {
	c.t.Helper()
	id := identity{ClusterID: c.get().Status.ClusterID, Members: c.memberIDs(), Volumes: map[string]string{}}
	c.Expect(id.ClusterID).NotTo(gomega.BeEmpty())
	for _, claim := range c.claims() {
		id.Volumes[claim.Name] = string(claim.UID)
	}
	return id
}

// exitCode is that of a member's etcd container when it ended last.
func exitCode(p *corev1.Pod) (code int32, message string) {
	for _, s := range p.Status.ContainerStatuses {
		for _, state := range []corev1.ContainerState{s.State, s.LastTerminationState} {
			if ended := state.Terminated; s.Name == "etcd" && ended != nil {
				return ended.ExitCode, ended.Message
			}
		}
	}
	return 0, ""
}

// awaitEvent waits for an event about the cluster with this reason.
func (c *cluster) awaitEvent(reason string) {
	c.t.Helper()
	c.awaitFor(15*time.Second, "event "+reason, func() {
		out, err := testbed.Kubectl(c.t, "get", "events.events.k8s.io", "--namespace="+c.namespace, "-o",
			fmt.Sprintf("jsonpath={.items[?(@.reason==%q)].regarding.name}", reason))
		c.Expect(err).NotTo(gomega.HaveOccurred())
		c.Expect(out).To(gomega.ContainSubstring(c.name))
	})
}

func (c *cluster) awaitCondition(kind, want string) *v1alpha2.EtcdCluster {
	c.t.Helper()
	var o *v1alpha2.EtcdCluster
	c.await(fmt.Sprintf("condition %s is %q", kind, want), func() {
		o = c.get()
		c.Expect(condition(o, kind)).To(gomega.HavePrefix(want))
	})
	return o
}
