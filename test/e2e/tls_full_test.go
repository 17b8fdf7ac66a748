//go:build e2e && full

package e2e

import (
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

// Not parallel: nobody renews anything while the operator is away.
func TestEverythingExpiredAtOnceIsReplacedWithoutLosingData(t *testing.T) {
	lives := v1alpha2.AutoCertificates{CertificateDuration: &metav1.Duration{Duration: time.Minute}}
	w := newWard(t, 3, func(o *v1alpha2.EtcdCluster) {
		automatic(o)
		o.Spec.TLS.Client.Auto.AutoCertificates, o.Spec.TLS.Peer.Auto.AutoCertificates = lives, lives
	})
	before := w.identity()
	w.awaitAcks(w.load, 100)
	w.scaleOperator(0)
	t.Cleanup(func() { w.scaleOperator(2) })
	time.Sleep(70 * time.Second) // longer than any certificate lives

	w.Expect(bed.SignalAll(w.pods(), "etcd", syscall.SIGKILL)).To(gomega.Succeed())
	w.await("every etcd was started again", func() {
		for _, p := range w.pods() {
			w.Expect(p.Status.ContainerStatuses[0].RestartCount).To(gomega.BeNumerically(">", 0))
		}
	})
	w.refuses(w.client(), "with certificates that have expired")
	w.scaleOperator(2)
	w.awaitAcks(w.load, 20) // what status says is of the time before
	w.awaitReady(3)
	w.Expect(w.identity()).To(gomega.Equal(before))
	w.Expect(w.replacements()).To(gomega.BeEmpty())
	w.settle(w.load)
}

func (c *cluster) scaleOperator(n int) {
	c.t.Helper()
	_, err := testbed.Kubectl(c.t, "scale", "deploy/etcd-operator", "--namespace=etcd-operator-system", "--replicas="+strconv.Itoa(n))
	c.Expect(err).NotTo(gomega.HaveOccurred())
}

// TestSourcesChangeUnderLoad goes from plain to a CA of the cluster's own, to a person's Secrets, and back to plain.
func TestSourcesChangeUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	before := w.identity()
	w.change(func(o *v1alpha2.EtcdCluster) {
		automatic(o)
		o.Spec.TLS.Client.AcceptPlaintext = true
	})
	w.awaitTransport(v1alpha2.TLSMutual, v1alpha2.TLSSecured)
	w.move(true)
	p := w.person()
	p.swapCA(1, 12*time.Minute, time.Minute) // clients have a minute
	p.giveAll()
	w.change(func(o *v1alpha2.EtcdCluster) {
		theirs(o)
		o.Spec.TLS.Client.AcceptPlaintext = true
	})
	w.awaitShown(p)
	w.awaitTransport(v1alpha2.TLSMutual, v1alpha2.TLSSecured)
	for _, plane := range []resource.Plane{resource.ClientPlane, resource.PeerPlane} {
		former := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: resource.AuthorityName(w.name, plane)}}
		w.await("the former CA is gone", func() {
			w.Expect(apierrors.IsNotFound(testbed.Get(w.ctx, client.ObjectKeyFromObject(former), former))).To(gomega.BeTrue())
		})
	}
	w.move(false)
	w.change(func(o *v1alpha2.EtcdCluster) { o.Spec.TLS = nil })
	w.await("nothing is left of TLS", func() { w.Expect(w.get().Status.TLS).To(gomega.BeNil()) })
	w.awaitReady(3)
	w.Expect(w.identity()).To(gomega.Equal(before))
	w.settle(w.load)
}

// TestClusterThatIsPausedMeanwhileComesBackAndThenTurnsTLSOn: etcd of parked members remembers where the others listened.
func TestClusterThatIsPausedMeanwhileComesBackAndThenTurnsTLSOn(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.awaitReady(3)
	before := c.identity()
	for _, set := range []option{automatic, func(o *v1alpha2.EtcdCluster) { o.Spec.TLS = nil }} {
		c.scale(0)
		c.await("it is paused", func() { c.Expect(c.pods()).To(gomega.BeEmpty()) })
		c.change(set)
		c.await("everything is there for the resume", func() {
			c.Expect(c.get().Status.ObservedGeneration).To(gomega.Equal(c.get().Generation))
		})
		c.scale(3)
		w := &ward{cluster: c}
		wanted := v1alpha2.TLSPlain
		if c.get().Spec.TLS != nil {
			wanted = v1alpha2.TLSSecured
		}
		w.await("peers are "+string(wanted), func() {
			w.Expect(resource.StageOf(w.get(), resource.PeerPlane)).To(gomega.Equal(wanted))
			for _, p := range w.pods() {
				w.Expect(resource.ListensSecured(&p)).To(gomega.Equal(wanted == v1alpha2.TLSSecured))
			}
		})
		w.awaitReady(3)
		c.secured = wanted == v1alpha2.TLSSecured
		c.Expect(c.identity()).To(gomega.Equal(before))
	}
}
