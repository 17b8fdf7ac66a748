package simulation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/observe"
)

// watchdog holds what must be true at any time. It trusts nobody's status.
type watchdog struct {
	t         *testing.T
	clusterID string
	names     map[string]types.UID // of EtcdMembers, for ever
	started   map[string]string    // member -> volume that it started on empty
	frozen    bool                 // the cluster was deleted: nothing is promised any more
	robbed    bool                 // somebody deleted EtcdMembers: they come back under their names
}

func (d *watchdog) look(w *world) {
	d.t.Helper()
	if d.frozen {
		return
	}
	var members v1alpha2.EtcdMemberList
	w.must(w.store.List(context.Background(), &members))
	for _, m := range members.Items {
		if uid, ok := d.names[m.Name]; ok && uid != m.UID && !d.robbed {
			d.t.Fatalf("the name %s was used twice", m.Name)
		}
		d.names[m.Name] = m.UID
	}
	if id := w.cluster().Status.ClusterID; id != "" {
		if d.clusterID != "" && id != d.clusterID {
			d.t.Fatalf("the recorded cluster ID changed from %s to %s", d.clusterID, id)
		}
		d.clusterID = id
	}
	if list, ok := w.memberList(); ok {
		learners := slices.DeleteFunc(slices.Clone(list.Members), func(m etcd.Member) bool { return !m.Learner })
		if len(learners) > 1 {
			d.t.Fatalf("%d learners at once", len(learners))
		}
		if d.clusterID != "" && observe.FormatID(list.ClusterID) != d.clusterID {
			d.t.Fatalf("cluster %x serves, not %s", list.ClusterID, d.clusterID)
		}
	}
}

// startedEmpty: a member may start on an empty volume once; a memory member only on its first Pod.
func (d *watchdog) startedEmpty(m marker) {
	d.t.Helper()
	if before, ok := d.started[m.member]; ok && before != m.volume {
		d.t.Fatalf("%s was started on the empty volume %s, and before on %s", m.member, m.volume, before)
	}
	d.started[m.member] = m.volume
}

// refused: the operator starts no etcd that is older than the cluster has agreed on, and nobody for the first time during a downgrade.
func (d *watchdog) refused(err error) {
	d.t.Helper()
	for _, why := range []string{"invalid downgrade", "incompatible with current running cluster"} {
		if strings.Contains(err.Error(), why) {
			d.t.Fatalf("etcd was started although it could not: %v", err)
		}
	}
}

// restored: the first member to start empty starts from the snapshot, before there is a cluster, and nobody does so after it.
func (d *watchdog) restored(w *world, fromSnapshot bool) {
	d.t.Helper()
	if d.frozen {
		return
	}
	first := w.cluster().Spec.Bootstrap != nil && len(d.started) == 1
	if fromSnapshot != first || first && d.clusterID != "" {
		d.t.Fatalf("%d members have started empty, the cluster ID is %q, and one starts from a snapshot: %v", len(d.started), d.clusterID,
			fromSnapshot)
	}
}

// deleted: no volume of a listed member is ever deleted.
func (d *watchdog) deleted(w *world, o client.Object) {
	d.t.Helper()
	claim, ok := o.(*corev1.PersistentVolumeClaim)
	list, known := w.memberList()
	if !ok || d.frozen || !known {
		return
	}
	for _, m := range list.Members {
		if m.Name == claim.Labels[v1alpha2.LabelMember] {
			d.t.Fatalf("the volume of %s was deleted while etcd lists it", m.Name)
		}
	}
}

// memberList is etcd's own, from any member that reads linearizably.
func (w *world) memberList() (etcd.MemberList, bool) {
	for _, p := range w.kubelet.processes {
		if !p.Ready() {
			continue
		}
		c, err := w.etcd.Dialer().Dial(etcd.Target{Endpoint: p.url})
		w.must(err)
		if list, err := c.Members(context.Background()); err == nil {
			return list, true
		}
	}
	return etcd.MemberList{}, false
}

// writer writes unique keys and remembers which were acknowledged.
type writer struct {
	seq   int
	acked []string
}

func (c *writer) write(w *world) {
	if len(w.kubelet.processes) == 0 {
		return
	}
	p := w.kubelet.processes[w.rng.IntN(len(w.kubelet.processes))]
	c.seq++
	if key := fmt.Sprintf("key-%d", c.seq); p.Ready() && p.Put(key) == nil {
		c.acked = append(c.acked, key)
	}
}

// verify demands every acknowledged write of a member that reads linearizably.
func (c *writer) verify(w *world) {
	w.t.Helper()
	var reader *process
	for _, p := range w.kubelet.processes {
		if p.Ready() {
			reader = p
		}
	}
	if reader == nil {
		w.t.Fatal("no member is ready to read from")
	}
	keys := reader.Keys()
	for _, key := range c.acked {
		if !slices.Contains(keys, key) {
			w.t.Fatalf("the acknowledged write %s is lost", key)
		}
	}
}
