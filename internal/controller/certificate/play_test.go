package certificate

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// begin creates the EtcdMembers, as the cluster controller does once it is known whom they are to trust, and starts them.
func (w *world) begin() {
	w.t.Helper()
	c := w.cluster()
	if !resource.Securable(c) {
		w.t.Fatalf("not secured: %+v", c.Status.TLS)
	}
	for n := range c.Status.LastOrdinal {
		must(w.t, w.store.Create(w.t.Context(), resource.Member(c, resource.MemberIntent{Ordinal: n + 1, Founder: true})))
	}
	for _, name := range w.names() {
		w.start(name)
	}
	w.change(func(c *v1alpha2.EtcdCluster) { c.Status.ClusterID = "c1" })
	w.restarts = 0
}

// join creates one more EtcdMember.
func (w *world) join() {
	w.t.Helper()
	w.change(func(c *v1alpha2.EtcdCluster) {
		c.Status.LastOrdinal++
		c.Status.InitialMembers = append(c.Status.InitialMembers, resource.MemberName(c.Name, c.UID, c.Status.LastOrdinal))
	})
	c := w.cluster()
	must(w.t, w.store.Create(w.t.Context(), resource.Member(c, resource.MemberIntent{Ordinal: c.Status.LastOrdinal})))
}

func (w *world) memberNamed(name string) *v1alpha2.EtcdMember {
	w.t.Helper()
	m := &v1alpha2.EtcdMember{}
	must(w.t, w.store.Get(w.t.Context(), types.NamespacedName{Namespace: demo.Namespace, Name: name}, m))
	return m
}

// start makes the Pod of a member, which runs with what is there now.
func (w *world) start(name string) {
	w.t.Helper()
	w.stop(name)
	m := w.memberNamed(name)
	pod := resource.Pod(m, resource.PodIntent{VolumeUID: "v"})
	pod.UID = types.UID(fmt.Sprintf("%s-%d", name, w.restarts))
	pod.Status.Phase = corev1.PodRunning
	must(w.t, w.store.Create(w.t.Context(), pod))
	p := &process{trusts: map[resource.Plane]pki.Bundle{}, shows: map[resource.Plane]pki.Material{}}
	for _, kind := range kinds {
		hash, secured := resource.RunsWith(pod, demo.Name, kind)
		if !secured {
			continue
		}
		p.shows[kind] = w.paper(resource.LeafName(name, kind)).material
		if hash != "" {
			trust := &corev1.ConfigMap{}
			key := types.NamespacedName{Namespace: demo.Namespace, Name: resource.TrustName(demo.Name, kind, hash)}
			must(w.t, w.store.Get(w.t.Context(), key, trust))
			bundle, err := pki.ParseBundle([]byte(trust.Data["ca.crt"]))
			must(w.t, err)
			p.trusts[kind] = bundle
		}
	}
	w.running[name] = p
	w.restarts++
	w.mustAccept()
}

func (w *world) stop(name string) {
	w.t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: name}}
	must(w.t, client.IgnoreNotFound(w.store.Delete(w.t.Context(), pod)))
	delete(w.running, name)
}

// carry is what kubelets do: running members show what their Secrets hold.
func (w *world) carry() (carried bool) {
	w.t.Helper()
	for name, p := range w.running {
		for kind := range p.shows {
			now := read(w.secret(resource.LeafName(name, kind)))
			if now.usable && !now.is(p.shows[kind].Leaf()) {
				p.shows[kind], carried = now.material, true
			}
		}
	}
	w.mustAccept()
	return w.carryToApplications() || carried
}

// roll is what the cluster controller does: one member is given what status says, and restarted; all of them if that is said.
func (w *world) roll() (rolled bool) {
	w.t.Helper()
	c := w.cluster()
	once := false
	if tls := c.Status.TLS; tls != nil {
		once = tls.Peer != nil && tls.Peer.AtOnce || tls.Client != nil && tls.Client.AtOnce
	}
	for _, name := range slices.Sorted(maps.Keys(w.running)) {
		m := w.memberNamed(name)
		wanted := resource.WantedPeerURL(c, name)
		if d := resource.Differences(c, m, false); len(d.Restart) == 0 && wanted == m.Spec.PeerURL {
			continue
		}
		resource.Update(c, m, wanted, false)
		must(w.t, w.store.Update(w.t.Context(), m))
		w.start(name)
		if rolled = true; !once {
			break
		}
	}
	return rolled
}
