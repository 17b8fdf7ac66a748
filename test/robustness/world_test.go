//go:build robustness

package robustness

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/traffic"
)

// config is what a world is like.
type config struct {
	version string
	size    int32
	memory  bool
}

func (c config) String() string {
	medium := "volumes"
	if c.memory {
		medium = "memory"
	}
	return fmt.Sprintf("etcd %s, %d members, %s", c.version, c.size, medium)
}

// nodeGrace is spec.memberReplacement.nodeLossGracePeriodSeconds of the worlds; the default is five minutes.
const nodeGrace = 5

// world is one etcd cluster with its own namespace, nodes, operator, traffic and observer.
type world struct {
	h      *harness
	ns     string
	cfg    config
	rng    *rand.Rand
	dir    string
	ctx    context.Context
	cancel context.CancelFunc

	out    *os.File
	logger logr.Logger

	kubelet  *kubelet
	observer *observer
	load     *load

	mu sync.Mutex
	op *operator
}

const clusterName = "etcd"

// newWorld makes a world and waits until its cluster serves.
func (h *harness) newWorld(ns string, cfg config, seed uint64) (*world, error) {
	w := &world{h: h, ns: ns, cfg: cfg, rng: rand.New(rand.NewPCG(seed, 7)), dir: work + "/worlds/" + ns}
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		return nil, err
	}
	var err error
	if w.out, err = os.Create(w.dir + "/log"); err != nil {
		return nil, err
	}
	w.logger = zap.New(zap.WriteTo(w.out), zap.UseDevMode(true))
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.kubelet = newKubelet(w, int(cfg.size)+3)
	w.observer = newObserver(w)
	h.mu.Lock()
	h.worlds[ns] = w
	h.mu.Unlock()
	if err := w.found(); err != nil {
		return w, fmt.Errorf("make a world of %s: %w", cfg, err)
	}
	return w, nil
}

func (w *world) found() error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.ns}}
	if err := w.h.kube.Create(w.ctx, ns); err != nil {
		return err
	}
	if err := w.kubelet.start(w.ctx); err != nil {
		return err
	}
	if err := w.employ(); err != nil {
		return err
	}
	c := &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: clusterName},
		Spec: v1alpha2.EtcdClusterSpec{
			Replicas: ptr.To(w.cfg.size), Version: w.cfg.version,
			Storage: v1alpha2.StorageSpec{Size: resource.MustParse("1Gi"), ReplacedVolumeTTLSeconds: ptr.To(int64(20))},
			MemberReplacement: v1alpha2.MemberReplacement{
				NodeLossGracePeriodSeconds: ptr.To(int32(nodeGrace)), MaxPerHour: ptr.To(int32(1000)),
			},
			// Small snapshots often, so that a member that lags is sent one.
			Options: &v1alpha2.EtcdOptions{SnapshotCount: ptr.To(int64(500))},
		},
	}
	if w.cfg.memory {
		c.Spec.Storage.Medium = v1alpha2.StorageMediumMemory
	}
	if err := w.h.kube.Create(w.ctx, c); err != nil {
		return err
	}
	if err := w.await(time.Minute, w.whole); err != nil {
		return err
	}
	if err := w.startLoad(); err != nil {
		return err
	}
	w.observer.start()
	return nil
}

// end stops everything; keep says whether the logs are worth keeping.
func (w *world) end(keep bool) {
	if w.load != nil {
		w.load.stop()
	}
	if o := w.operator(); o != nil {
		o.kill()
	}
	w.cancel()
	for _, r := range w.kubelet.all() {
		if p := r.process(); p != nil && !p.hasEnded() {
			_ = p.cmd.Process.Kill()
			<-p.ended
		}
		r.clear()
	}
	if keep || *flagKeepAll {
		to := filepath.Join(keptLogs, time.Now().Format("0102-150405-")+w.ns)
		_ = command("cp", "-r", w.dir, to)
		w.logf("kept in %s", to)
	}
	_ = w.out.Close()
	_ = os.RemoveAll(w.dir)
	w.h.mu.Lock()
	delete(w.h.worlds, w.ns)
	w.h.mu.Unlock()
	w.clear()
}

// clear takes the objects of a world away, so that watches stay small.
func (w *world) clear() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	in := client.InNamespace(w.ns)
	_ = w.h.kube.DeleteAllOf(ctx, &v1alpha2.EtcdCluster{}, in)
	_ = w.h.kube.DeleteAllOf(ctx, &v1alpha2.EtcdMember{}, in)
	_ = w.h.kube.DeleteAllOf(ctx, &corev1.Pod{}, in, client.GracePeriodSeconds(0))
	var claims corev1.PersistentVolumeClaimList
	_ = w.h.kube.List(ctx, &claims, in)
	for i := range claims.Items {
		c := &claims.Items[i]
		_ = w.h.kube.Delete(ctx, c)
		_ = patch(ctx, w.h.kube, c, map[string]any{"metadata": map[string]any{"finalizers": nil}})
	}
	for _, v := range w.kubelet.volumes {
		o := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: v.name}}
		_ = w.h.kube.Delete(ctx, o)
		_ = patch(ctx, w.h.kube, o, map[string]any{"metadata": map[string]any{"finalizers": nil}})
		_ = os.RemoveAll(v.dir)
	}
	for _, n := range w.kubelet.nodes {
		_ = w.h.kube.Delete(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.name}})
	}
}

func (w *world) podLog(pod string) string { return w.dir + "/" + pod + ".log" }

func (w *world) logf(format string, args ...any) {
	fmt.Fprintf(w.out, "%s\t%s\n", time.Now().Format("15:04:05.000"), fmt.Sprintf(format, args...))
}

// await waits until a check holds and says what was still wrong if it never did.
func (w *world) await(limit time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(w.ctx, limit)
	defer cancel()
	var last error
	for {
		if err := check(ctx); err == nil {
			return nil
		} else if ctx.Err() == nil || last == nil {
			last = err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("not within %s: %w", limit, last)
		}
		sleep(ctx, 250*time.Millisecond)
	}
}

func (w *world) cluster(ctx context.Context) (*v1alpha2.EtcdCluster, error) {
	c := &v1alpha2.EtcdCluster{}
	return c, w.h.kube.Get(ctx, client.ObjectKey{Namespace: w.ns, Name: clusterName}, c)
}

func (w *world) members(ctx context.Context) ([]v1alpha2.EtcdMember, error) {
	var list v1alpha2.EtcdMemberList
	err := w.h.kube.List(ctx, &list, client.InNamespace(w.ns))
	return list.Items, err
}

// whole says why the cluster is not as its spec asks. Status counts last: etcd and the processes are asked themselves.
func (w *world) whole(ctx context.Context) error {
	c, err := w.cluster(ctx)
	if err != nil {
		return err
	}
	want := int(*c.Spec.Replicas)
	objects, err := w.members(ctx)
	if err != nil {
		return err
	}
	if len(objects) != want && want > 0 {
		return fmt.Errorf("%d EtcdMembers, %d wanted", len(objects), want)
	}
	if want > 0 {
		if err := w.serving(ctx, want, objects); err != nil {
			return err
		}
	} else if n := len(w.kubelet.endpoints()); n > 0 {
		return fmt.Errorf("%d members still run", n)
	}
	ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha2.ConditionReady)
	switch {
	case ready == nil || ready.Status != metav1.ConditionTrue:
		return fmt.Errorf("the cluster is not Ready: %s", conditions(c))
	case ready.ObservedGeneration != c.Generation || c.Status.ObservedGeneration != c.Generation:
		return errors.New("status is of an earlier generation")
	case want > 0 && int(c.Status.ReadyMembers) != want:
		return fmt.Errorf("status says %d ready members of %d", c.Status.ReadyMembers, want)
	}
	return nil
}

func conditions(c *v1alpha2.EtcdCluster) string {
	var all []string
	for _, x := range c.Status.Conditions {
		all = append(all, fmt.Sprintf("%s=%s %s: %s", x.Type, x.Status, x.Reason, x.Message))
	}
	return strings.Join(all, "; ")
}

// serving asks every member.
func (w *world) serving(ctx context.Context, want int, objects []v1alpha2.EtcdMember) error {
	for _, r := range w.kubelet.all() {
		if !r.isReady() {
			return fmt.Errorf("the Pod %s is not ready", r.name)
		}
	}
	endpoints := w.kubelet.endpoints()
	if len(endpoints) != want {
		return fmt.Errorf("%d members run, %d wanted", len(endpoints), want)
	}
	list, err := w.kubelet.list(ctx)
	if err != nil {
		return err
	}
	if len(list.Members) != want {
		return fmt.Errorf("etcd lists %d members, %d wanted", len(list.Members), want)
	}
	for _, m := range list.Members {
		if m.IsLearner {
			return fmt.Errorf("%s is a learner", m.Name)
		}
		if !slices.ContainsFunc(objects, func(o v1alpha2.EtcdMember) bool { return o.Name == m.Name }) {
			return fmt.Errorf("etcd lists %x %q, which has no EtcdMember", m.ID, m.Name)
		}
	}
	for _, r := range w.kubelet.all() {
		status, err := r.says(ctx)
		if err != nil {
			return fmt.Errorf("ask %s: %w", r.name, err)
		}
		if len(status.Errors) > 0 {
			return fmt.Errorf("%s reports %s", r.name, status.Errors)
		}
	}
	return nil
}

// sameData compares the data of all members at one revision.
func (w *world) sameData(ctx context.Context) error {
	var err error
	for range 3 {
		if err = traffic.SameData(ctx, traffic.Dial, w.kubelet.endpoints()); err == nil {
			return nil
		}
		sleep(ctx, 300*time.Millisecond)
	}
	return fmt.Errorf("HASHKV: %w", err)
}

// identities are the member IDs by name.
func (w *world) identities(ctx context.Context) (map[string]uint64, error) {
	list, err := w.kubelet.list(ctx)
	if err != nil {
		return nil, err
	}
	ids := map[string]uint64{}
	for _, m := range list.Members {
		ids[m.Name] = m.ID
	}
	return ids, nil
}
