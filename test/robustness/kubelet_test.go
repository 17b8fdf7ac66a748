//go:build robustness

package robustness

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/internal/resource"
)

// kubelet is what runs the Pods of one world: scheduler, volume controller, garbage collector and the kubelets of all its nodes.
type kubelet struct {
	w *world

	mu      sync.Mutex
	pods    map[types.UID]*runner
	claims  map[string]*corev1.PersistentVolumeClaim // by name
	volumes map[types.UID]*volume                    // by UID of the claim
	nodes   []*node
	knobs   knobs
}

// knobs are what faults turn.
type knobs struct {
	imageGone     bool            // no image can be pulled
	unschedulable bool            // no node takes Pods
	held          map[string]bool // containers of these Pods do not start
}

// node is a machine. What runs on one that is off ends at once, and nobody reports it.
type node struct {
	name string
	off  bool
}

// volume is what lies behind a claim.
type volume struct {
	claim types.UID
	name  string // of the PersistentVolume
	node  string // where it lies
	dir   string
}

const nobody = 65532

func newKubelet(w *world, nodes int) *kubelet {
	k := &kubelet{
		w: w, pods: map[types.UID]*runner{}, claims: map[string]*corev1.PersistentVolumeClaim{}, volumes: map[types.UID]*volume{},
		knobs: knobs{held: map[string]bool{}},
	}
	for i := range nodes {
		k.nodes = append(k.nodes, &node{name: fmt.Sprintf("%s-n%d", w.ns, i+1)})
	}
	return k
}

// start makes the nodes and begins to tidy up.
func (k *kubelet) start(ctx context.Context) error {
	for _, n := range k.nodes {
		if err := k.join(ctx, n.name); err != nil {
			return err
		}
	}
	go k.tidy(ctx)
	return nil
}

// join makes the object of a node.
func (k *kubelet) join(ctx context.Context, name string) error {
	o := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}}}
	if err := k.w.h.kube.Create(ctx, o); err != nil {
		return fmt.Errorf("create Node: %w", err)
	}
	// The API server taints new nodes as not ready, and takes the controller for nodes to be there, which lifts that.
	if err := patch(ctx, k.w.h.kube, o, map[string]any{"spec": map[string]any{"taints": nil}}); err != nil {
		return fmt.Errorf("lift taints: %w", err)
	}
	return k.ready(ctx, name, corev1.ConditionTrue)
}

func (k *kubelet) ready(ctx context.Context, name string, status corev1.ConditionStatus) error {
	now := metav1.Now()
	condition := corev1.NodeCondition{
		Type: corev1.NodeReady, Status: status, Reason: "KubeletReady", LastTransitionTime: now, LastHeartbeatTime: now,
	}
	o := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	return patchStatus(ctx, k.w.h.kube, o, map[string]any{"conditions": []corev1.NodeCondition{condition}})
}

// podSeen starts and informs runners.
func (k *kubelet) podSeen(pod *corev1.Pod, gone bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if resource.IsRehearsal(pod) {
		if !gone && pod.Status.Phase != corev1.PodSucceeded {
			go k.rehearse(pod)
		}
		return
	}
	r := k.pods[pod.UID]
	if r == nil && !gone {
		r = newRunner(k, pod)
		k.pods[pod.UID] = r
		go r.live(k.w.ctx)
	}
	if r != nil {
		r.see(pod, gone)
	}
}

// rehearse lets a rehearsal come out well: faults are for members.
func (k *kubelet) rehearse(pod *corev1.Pod) {
	end := corev1.ContainerStatus{
		Name: resource.RehearsalContainer, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}},
	}
	status := map[string]any{"phase": corev1.PodSucceeded, "containerStatuses": []corev1.ContainerStatus{end}}
	o := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}}
	if err := patchStatus(k.w.ctx, k.w.h.kube, o, status); err != nil {
		k.w.logf("the rehearsal in Pod %s: %v", pod.Name, err)
	}
}

func (k *kubelet) forget(r *runner) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.pods, r.uid)
}

// all are the Pods that there are, in the order of their names.
func (k *kubelet) all() []*runner {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.SortedFunc(maps.Values(k.pods), func(a, b *runner) int {
		switch {
		case a.name < b.name:
			return -1
		case a.name > b.name:
			return 1
		}
		return a.began.Compare(b.began)
	})
}

// resolve is the name service's view: the newest Pod of this name that has an address.
func (k *kubelet) resolve(host, subdomain string) (net.IP, bool) {
	var newest *runner
	for _, r := range k.all() {
		pod, address := r.latest(), r.address()
		if pod.Spec.Hostname == host && pod.Spec.Subdomain == subdomain && address != "" && !r.isGone() {
			if newest == nil || r.began.After(newest.began) {
				newest = r
			}
		}
	}
	if newest == nil {
		return nil, false
	}
	return net.ParseIP(newest.address()), true
}

// turn changes a knob.
func (k *kubelet) turn(f func(*knobs)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f(&k.knobs)
}

func (k *kubelet) imageGone() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.knobs.imageGone
}

func (k *kubelet) held(pod string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.knobs.held[pod]
}

func (k *kubelet) isOff(name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.nodes, func(n *node) bool { return n.name == name && n.off })
}

func (k *kubelet) switchNode(name string, off bool) {
	k.mu.Lock()
	for _, n := range k.nodes {
		if n.name == name {
			n.off = off
		}
	}
	k.mu.Unlock()
	for _, r := range k.all() {
		if off && r.node() == name {
			r.signal(syscall.SIGKILL)
		}
	}
}

// place finds a node for a Pod: where its volume is, else where the fewest Pods of the world are.
func (k *kubelet) place(pod *corev1.Pod) (string, bool) {
	pinned := ""
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		k.mu.Lock()
		claim := k.claims[v.PersistentVolumeClaim.ClaimName]
		if claim == nil || claim.DeletionTimestamp != nil {
			k.mu.Unlock()
			return "", false
		}
		if have := k.volumes[claim.UID]; have != nil {
			pinned = have.node
		}
		k.mu.Unlock()
	}
	count := map[string]int{}
	for _, r := range k.all() {
		count[r.node()]++
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	best := ""
	for _, n := range k.nodes {
		if n.off || k.knobs.unschedulable || pinned != "" && n.name != pinned {
			continue
		}
		if best == "" || count[n.name] < count[best] {
			best = n.name
		}
	}
	return best, best != ""
}

// provision makes the volume of a claim on a node and binds them.
func (k *kubelet) provision(ctx context.Context, claimName, nodeName string) (*volume, error) {
	k.mu.Lock()
	claim := k.claims[claimName]
	if claim == nil {
		k.mu.Unlock()
		return nil, fmt.Errorf("the claim %s is not there", claimName)
	}
	if v := k.volumes[claim.UID]; v != nil {
		k.mu.Unlock()
		return v, nil
	}
	v := &volume{claim: claim.UID, name: "pv-" + string(claim.UID), node: nodeName, dir: work + "/volumes/" + string(claim.UID)}
	k.mu.Unlock()
	if err := makeVolume(v.dir); err != nil {
		return nil, err
	}
	if err := k.w.h.kube.Create(ctx, persistentVolume(v, claim)); client.IgnoreAlreadyExists(err) != nil {
		return nil, fmt.Errorf("create PersistentVolume: %w", err)
	}
	bound := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID}}
	binding := map[string]any{"metadata": map[string]any{"uid": claim.UID}, "spec": map[string]any{"volumeName": v.name}}
	if err := patch(ctx, k.w.h.kube, bound, binding); err != nil {
		return nil, fmt.Errorf("bind claim: %w", err)
	}
	if err := patchStatus(ctx, k.w.h.kube, bound, map[string]any{
		"phase": corev1.ClaimBound, "capacity": claim.Spec.Resources.Requests,
	}); err != nil {
		return nil, fmt.Errorf("bind claim: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.volumes[claim.UID] = v
	return v, nil
}

func makeVolume(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.Chown(dir, nobody, nobody); err != nil {
		return err
	}
	return os.Chmod(dir, 0o2775)
}

func persistentVolume(v *volume, claim *corev1.PersistentVolumeClaim) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: v.name},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:               claim.Spec.Resources.Requests,
			AccessModes:            claim.Spec.AccessModes,
			PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: v.dir}},
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{v.node},
				}},
			}}}},
		},
	}
}

func (k *kubelet) claimSeen(claim *corev1.PersistentVolumeClaim, gone bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !gone {
		k.claims[claim.Name] = claim
		return
	}
	if have := k.claims[claim.Name]; have != nil && have.UID == claim.UID {
		delete(k.claims, claim.Name)
	}
	if v := k.volumes[claim.UID]; v != nil {
		delete(k.volumes, claim.UID)
		go k.discard(v)
	}
}

// discard deletes a volume whose claim is gone.
func (k *kubelet) discard(v *volume) {
	o := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: v.name}}
	ctx := k.w.ctx
	_ = k.w.h.kube.Delete(ctx, o)
	_ = patch(ctx, k.w.h.kube, o, map[string]any{"metadata": map[string]any{"finalizers": nil}})
	_ = os.RemoveAll(v.dir)
}

// tidy does what the controllers for claims in use and for owner references do.
func (k *kubelet) tidy(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		k.mu.Lock()
		var going []*corev1.PersistentVolumeClaim
		for _, c := range k.claims {
			if c.DeletionTimestamp != nil && len(c.Finalizers) > 0 && !k.inUse(c.Name) {
				going = append(going, c)
			}
		}
		k.mu.Unlock()
		for _, c := range going {
			o := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.Name}}
			_ = patch(ctx, k.w.h.kube, o, map[string]any{"metadata": map[string]any{"uid": c.UID, "finalizers": nil}})
		}
	}
}

func (k *kubelet) inUse(claim string) bool {
	for _, r := range k.pods {
		pod := r.latest()
		for _, v := range pod.Spec.Volumes {
			if v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim && !r.isGone() && pod.Spec.NodeName != "" {
				return true
			}
		}
	}
	return false
}

// collect deletes the Pods of an owner that is gone.
func (k *kubelet) collect(owner types.UID) {
	for _, r := range k.all() {
		if pod := r.latest(); resource.ControlledBy(pod, owner) && pod.DeletionTimestamp == nil {
			_ = k.w.h.kube.Delete(k.w.ctx, pod, client.Preconditions{UID: &pod.UID})
		}
	}
}
