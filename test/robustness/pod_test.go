//go:build robustness

package robustness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/test/e2e/traffic"
)

// runner lives as long as its Pod, and a little longer when the Pod is deleted by force: a kubelet hears of it late.
type runner struct {
	k     *kubelet
	uid   types.UID
	name  string
	began time.Time

	mu      sync.Mutex
	pod     *corev1.Pod
	gone    bool // the object is no more
	changed chan struct{}

	net     *sandbox
	root    string // the file system that its containers see
	data    string // the directory that is its data volume
	mounted bool

	etcd     *clientv3.Client // for those who look at this member alone
	proc     *process
	oom      bool // the next end by a signal is told as the memory limit
	status   corev1.ContainerStatus
	podReady bool
}

func newRunner(k *kubelet, pod *corev1.Pod) *runner {
	return &runner{
		k: k, uid: pod.UID, name: pod.Name, began: time.Now(), pod: pod, changed: make(chan struct{}, 1),
		root:   work + "/pods/" + string(pod.UID),
		status: corev1.ContainerStatus{Name: "etcd"},
	}
}

func (r *runner) see(pod *corev1.Pod, gone bool) {
	r.mu.Lock()
	r.pod, r.gone = pod, r.gone || gone
	r.mu.Unlock()
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *runner) latest() *corev1.Pod {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pod
}

func (r *runner) isGone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone
}

func (r *runner) isEnding() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone || r.pod.DeletionTimestamp != nil
}

func (r *runner) node() string { return r.latest().Spec.NodeName }

func (r *runner) address() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.net == nil {
		return ""
	}
	return r.net.ip
}

func (r *runner) process() *process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.proc
}

// isRunning says whether a process of the Pod is alive.
func (r *runner) isRunning() bool {
	p := r.process()
	return p != nil && !p.hasEnded()
}

func (r *runner) isReady() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.podReady
}

// signal sends a signal to the process, if there is one. The launcher may have etcd beside it: what the kernel does to one
// process of a container it does to both.
func (r *runner) signal(s syscall.Signal) {
	p := r.process()
	switch {
	case p == nil || p.hasEnded():
	case s == syscall.SIGTERM:
		_ = p.cmd.Process.Signal(s)
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, s)
	}
}

// live is the life of the Pod.
func (r *runner) live(ctx context.Context) {
	defer r.k.forget(r)
	if !r.schedule(ctx) {
		return
	}
	err := r.prepare(ctx)
	if err != nil {
		r.k.w.logf("kubelet: prepare %s: %v", r.name, err)
	}
	if err == nil && !r.isEnding() {
		r.run(ctx)
	}
	r.finish(ctx)
}

// pause waits for d or for a change, and says whether to go on.
func (r *runner) pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-r.changed:
	case <-time.After(d):
	}
	return ctx.Err() == nil
}

// schedule waits for gates and a node. A Pod that is deleted before it has a node is gone at once.
func (r *runner) schedule(ctx context.Context) bool {
	said := false
	for r.node() == "" {
		if r.isGone() {
			return false
		}
		pod := r.latest()
		name, fits := r.k.place(pod)
		switch {
		case len(pod.Spec.SchedulingGates) > 0:
		case fits:
			r.bind(ctx, pod, name)
		case !said:
			said = true
			r.write(ctx, corev1.PodPending, []corev1.PodCondition{{
				Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
				Message: "no node takes the Pod", LastTransitionTime: metav1.Now(),
			}})
		}
		if r.node() == "" && !r.pause(ctx, 300*time.Millisecond) {
			return false
		}
	}
	return true
}

// bind gives the Pod a node and waits until the watch shows it.
func (r *runner) bind(ctx context.Context, pod *corev1.Pod, name string) {
	binding := &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: name},
	}
	if err := r.k.w.h.kube.SubResource("binding").Create(ctx, pod.DeepCopy(), binding); err != nil {
		return
	}
	for r.node() == "" && !r.isGone() && r.pause(ctx, 50*time.Millisecond) {
		continue
	}
}

// prepare makes the volumes, the network and the file system, and installs the launcher.
func (r *runner) prepare(ctx context.Context) error {
	for {
		err := r.attach(ctx)
		if err == nil {
			break
		}
		if !r.pause(ctx, 200*time.Millisecond) || r.isEnding() {
			return err
		}
	}
	for r.k.imageGone() {
		r.status.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "not found"}}
		r.report(ctx)
		if !r.pause(ctx, 300*time.Millisecond) || r.isEnding() {
			return errors.New("ended while the image was missing")
		}
	}
	if err := r.furnish(); err != nil {
		return err
	}
	net, err := newSandbox()
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.net = net
	r.mu.Unlock()
	return r.install()
}

// attach finds the directory of the data volume.
func (r *runner) attach(ctx context.Context) error {
	pod := r.latest()
	for _, v := range pod.Spec.Volumes {
		if v.Name != "data" {
			continue
		}
		if v.PersistentVolumeClaim == nil {
			r.data = r.root + "-memory"
			return makeVolume(r.data)
		}
		have, err := r.k.provision(ctx, v.PersistentVolumeClaim.ClaimName, pod.Spec.NodeName)
		if err != nil {
			return err
		}
		r.data = have.dir
	}
	return nil
}

// finish ends what still runs and lets the object go.
func (r *runner) finish(ctx context.Context) {
	for !r.isEnding() {
		if !r.pause(ctx, time.Second) {
			return
		}
	}
	if r.isGone() {
		// The object was deleted by force: the process goes on for a while.
		time.Sleep(time.Duration(rand.IntN(1500)) * time.Millisecond)
	} else {
		r.mu.Lock()
		r.podReady = false
		r.mu.Unlock()
		r.stop(ctx)
	}
	if p := r.process(); p != nil {
		r.signal(syscall.SIGKILL)
		<-p.ended
	}
	if !r.isGone() && !r.k.isOff(r.node()) {
		_ = r.k.w.h.kube.Delete(ctx, r.latest(), client.GracePeriodSeconds(0), client.Preconditions{UID: &r.uid})
	}
	for r.k.isOff(r.node()) && !r.isGone() { // nobody tells the API server
		if !r.pause(ctx, time.Second) {
			return
		}
	}
	r.clear()
}

// stop asks the process to end and gives it its time.
func (r *runner) stop(ctx context.Context) {
	p := r.process()
	if p == nil || p.hasEnded() {
		return
	}
	r.signal(syscall.SIGTERM)
	deadline := time.After(time.Duration(ptr.Deref(r.latest().DeletionGracePeriodSeconds, 30)) * time.Second)
	for {
		select {
		case <-p.ended:
			return
		case <-deadline:
			return
		case <-ctx.Done():
			return
		case <-r.changed:
			if r.isGone() {
				return
			}
		}
	}
}

func (r *runner) clear() {
	if r.mounted {
		_ = syscall.Unmount(r.root+"/var/lib/etcd", syscall.MNT_DETACH)
		_ = syscall.Unmount(r.root+"/proc", syscall.MNT_DETACH)
	}
	_ = os.RemoveAll(r.root)
	_ = os.RemoveAll(r.root + "-memory")
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.net != nil {
		_ = r.net.close()
	}
	if r.etcd != nil {
		_ = r.etcd.Close()
		r.etcd = nil
	}
}

// client is a connection to this member alone. It is kept: making one costs more than using it.
func (r *runner) client() (*clientv3.Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.net == nil {
		return nil, fmt.Errorf("%s has no address", r.name)
	}
	if r.etcd == nil {
		c, err := traffic.Dial("http://" + r.net.ip + ":2379")
		if err != nil {
			return nil, err
		}
		r.etcd = c
	}
	return r.etcd, nil
}

// says is what this member says of itself.
func (r *runner) says(ctx context.Context) (*clientv3.StatusResponse, error) {
	c, err := r.client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return c.Status(ctx, c.Endpoints()[0])
}

// list is the member list as a majority has it, from whoever answers.
func (k *kubelet) list(ctx context.Context) (*clientv3.MemberListResponse, error) {
	err := errors.New("no member runs")
	for _, r := range k.all() {
		if p := r.process(); !r.isRunning() || p.frozen.Load() {
			continue
		}
		var c *clientv3.Client
		if c, err = r.client(); err != nil {
			continue
		}
		var list *clientv3.MemberListResponse
		limited, cancel := context.WithTimeout(ctx, time.Second)
		list, err = c.MemberList(limited)
		cancel()
		if err == nil {
			return list, nil
		}
	}
	return nil, fmt.Errorf("list members: %w", err)
}

// report writes the status of a Pod that has a node.
func (r *runner) report(ctx context.Context) {
	r.mu.Lock()
	ready := r.podReady
	r.mu.Unlock()
	now := metav1.Now()
	of := func(kind corev1.PodConditionType, is bool) corev1.PodCondition {
		c := corev1.PodCondition{Type: kind, Status: corev1.ConditionFalse, LastTransitionTime: now}
		if is {
			c.Status = corev1.ConditionTrue
		}
		return c
	}
	phase := corev1.PodPending
	if r.proc != nil {
		phase = corev1.PodRunning
	}
	r.write(ctx, phase, []corev1.PodCondition{
		of(corev1.PodScheduled, true), of(corev1.PodInitialized, phase == corev1.PodRunning), of(corev1.ContainersReady, ready),
		of(corev1.PodReady, ready),
	})
}

func (r *runner) write(ctx context.Context, phase corev1.PodPhase, conditions []corev1.PodCondition) {
	if r.k.isOff(r.node()) || r.isGone() {
		return
	}
	r.mu.Lock()
	status := r.status.DeepCopy()
	status.Ready = r.podReady
	r.mu.Unlock()
	pod := r.latest()
	status.Image, status.ImageID = pod.Spec.Containers[0].Image, "image"
	change := map[string]any{"phase": phase, "conditions": conditions}
	if phase == corev1.PodRunning || status.State.Waiting != nil {
		change["containerStatuses"] = []corev1.ContainerStatus{*status}
	}
	if address := r.address(); address != "" {
		change["podIP"], change["podIPs"] = address, []corev1.PodIP{{IP: address}}
		change["hostIP"] = hostIP
	}
	o := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}}
	body := map[string]any{"metadata": map[string]any{"uid": pod.UID}, "status": change}
	if err := send(ctx, r.k.w.h.kube.Status().Patch, o, body); client.IgnoreNotFound(err) != nil && ctx.Err() == nil {
		r.k.w.logf("kubelet: report %s: %v", r.name, err)
	}
}

// patch merges a change into an object.
func patch(ctx context.Context, c client.Client, o client.Object, change map[string]any) error {
	text, err := json.Marshal(change)
	if err != nil {
		return err
	}
	return c.Patch(ctx, o, client.RawPatch(types.MergePatchType, text))
}

func patchStatus(ctx context.Context, c client.Client, o client.Object, status map[string]any) error {
	return send(ctx, c.Status().Patch, o, map[string]any{"status": status})
}

type statusPatch func(context.Context, client.Object, client.Patch, ...client.SubResourcePatchOption) error

func send(ctx context.Context, to statusPatch, o client.Object, body map[string]any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	return to(ctx, o, client.RawPatch(types.MergePatchType, text))
}
