package simulation

import (
	"context"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/observe"
)

// runs is a cluster of a version, at rest.
func runs(version string) func(*world) {
	return func(w *world) {
		w.version = version
		w.create(3, "")
		w.until("setup", settledOf(w, version))
		w.remember()
	}
}

func asks(version string) func(*world) { return func(w *world) { w.ask(version) } }

// asksWithSchedule asks where it is known where snapshots go.
func asksWithSchedule(version string) func(*world) {
	return func(w *world) {
		w.must(w.store.Create(context.Background(), &v1alpha2.EtcdSnapshotSchedule{
			ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: "nightly"},
			Spec: v1alpha2.EtcdSnapshotScheduleSpec{
				ClusterRef:  corev1.LocalObjectReference{Name: demo.Name},
				Destination: v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "backups"}},
			},
		}))
		w.ask(version)
	}
}

// asksHalfWay asks for one version, and for another as soon as a member was given the first.
func asksHalfWay(first, then string) func(*world) {
	return func(w *world) {
		w.ask(first)
		w.until("a member is given "+first, func() bool { return w.given(first) > 0 })
		w.ask(then)
	}
}

// losesHalfWay loses a volume as soon as a member was given the version.
func losesHalfWay(version string) func(*world) {
	return func(w *world) {
		w.ask(version)
		w.until("a member is given "+version, func() bool { return w.given(version) > 0 })
		loseVolume(w)
	}
}

func (w *world) given(version string) (n int) {
	var members v1alpha2.EtcdMemberList
	w.must(w.store.List(context.Background(), &members))
	for _, m := range members.Items {
		if m.Spec.Version == version {
			n++
		}
	}
	return n
}

func (w *world) ask(version string) {
	w.t.Helper()
	for {
		c := w.cluster()
		c.Spec.Version = version
		c.Generation++
		if err := w.store.Update(context.Background(), c); !apierrors.IsConflict(err) {
			w.must(err)
			return
		}
	}
}

func settledOf(w *world, version string) func() bool {
	return func() bool { return settled(version)(w) }
}

// settled: every process runs the version, the cluster has agreed on it, no downgrade is left, and status says so.
func settled(version string) func(*world) bool {
	return func(w *world) bool {
		c := w.cluster()
		if r := c.Status.Rollout; r != nil && (r.Downgrade != nil || r.Failed != nil || len(r.Checks) > 0) {
			return false
		}
		if !w.ready() || c.Status.Version != version || c.Status.Template == nil || c.Status.Template.Version != version ||
			w.given(version) != 3 || len(w.kubelet.processes) != 3 {
			return false
		}
		for _, p := range w.kubelet.processes {
			client, err := w.etcd.Dialer().Dial(etcd.Target{Endpoint: p.url})
			w.must(err)
			status, err := client.Status(context.Background())
			agreed, failed := client.ClusterVersion(context.Background())
			if err != nil || failed != nil || status.Version != version || status.Downgrade != "" || !sameMinor(agreed, version) {
				return false
			}
		}
		return true
	}
}

func sameMinor(a, b string) bool {
	return a != "" && a[:strings.LastIndex(a, ".")] == b[:strings.LastIndex(b, ".")]
}

// refuses: status says that the version cannot be had.
func refuses(w *world) bool {
	c := w.cluster()
	stalled := meta.FindStatusCondition(c.Status.Conditions, v1alpha2.ConditionStalled)
	return stalled != nil && stalled.Reason == "VersionRefused" && strings.Contains(stalled.Message, "set version to 3.6.16 first")
}

// saved: exactly one snapshot was taken before.
func (w *world) saved() {
	var snapshots v1alpha2.EtcdSnapshotList
	w.must(w.store.List(context.Background(), &snapshots))
	if len(snapshots.Items) == 0 || snapshots.Items[0].Labels[v1alpha2.LabelBeforeVersion] == "" {
		w.t.Fatalf("%d snapshots were taken", len(snapshots.Items))
	}
	w.sameMembers()
}

// compare stands for the controllers that compare data and take snapshots.
func (w *world) compare(ctx context.Context) {
	c := &v1alpha2.EtcdCluster{}
	err := w.store.Get(ctx, demo, c)
	if apierrors.IsNotFound(err) {
		return
	}
	w.must(err)
	list, ok := w.memberList()
	if r := c.Status.Rollout; ok && r != nil && len(r.Checks) > 0 {
		check := &v1alpha2.ConsistencyCheck{CheckedAt: metav1.NewTime(w.clock.Now()), Verdict: v1alpha2.ConsistencyAgreed}
		for _, m := range list.Members {
			check.Compared = append(check.Compared, observe.FormatID(m.ID))
		}
		if old := c.Status.Consistency; old == nil || w.clock.Since(old.CheckedAt.Time) > time.Minute {
			c.Status.Consistency = check
			w.must(w.store.Status().Update(ctx, c))
		}
	}
	var snapshots v1alpha2.EtcdSnapshotList
	w.must(w.store.List(ctx, &snapshots))
	for i := range snapshots.Items {
		if s := &snapshots.Items[i]; s.Status.Phase == "" {
			s.Status.Phase, s.Status.CompletedAt = v1alpha2.SnapshotComplete, &metav1.Time{Time: w.clock.Now()}
			w.must(w.store.Status().Update(ctx, s))
		}
	}
}
