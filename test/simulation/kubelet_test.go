package simulation

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cozystack/etcd-operator/internal/etcd/etcdfake"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// marker is what the launcher keeps beside the data.
type marker struct{ token, member, volume string }

// kubelet runs Pods: each is an etcd of the fake, behind the launcher's rules.
type kubelet struct {
	w         *world
	volumes   map[types.UID]marker
	prepared  map[types.UID]marker // volumes that the launcher has admitted for a snapshot that was not there yet
	processes []*process           // in the order of their start, so that a seed replays
}

type process struct {
	*etcdfake.Process
	pod types.UID
	url string
}

func (k *kubelet) sync(ctx context.Context) {
	var pods corev1.PodList
	k.w.must(k.w.store.List(ctx, &pods))
	exist := map[types.UID]bool{}
	for i := range pods.Items {
		exist[pods.Items[i].UID] = true
		k.run(ctx, &pods.Items[i])
	}
	k.processes = slices.DeleteFunc(k.processes, func(p *process) bool {
		if !exist[p.pod] {
			p.Stop()
		}
		return !exist[p.pod] || p.Exited() != nil
	})
}

func (k *kubelet) find(pod types.UID) *process {
	if i := slices.IndexFunc(k.processes, func(p *process) bool { return p.pod == pod && p.Exited() == nil }); i >= 0 {
		return k.processes[i]
	}
	return nil
}

func (k *kubelet) run(ctx context.Context, pod *corev1.Pod) {
	if len(pod.Spec.SchedulingGates) > 0 {
		return
	}
	if pod.Spec.NodeName == "" {
		pod.Spec.NodeName = "node"
		k.w.must(k.w.store.Update(ctx, pod))
	}
	if resource.IsRehearsal(pod) {
		k.rehearse(ctx, pod)
		return
	}
	p := k.find(pod.UID)
	status := corev1.ContainerStatus{Name: resource.EtcdContainer}
	if p == nil {
		var code int32
		switch p, code = k.start(pod); {
		case p != nil:
			k.processes = append(k.processes, p)
		case code == 0:
			status.State.Waiting = &corev1.ContainerStateWaiting{Reason: "PodInitializing"}
		default:
			status.State.Terminated = &corev1.ContainerStateTerminated{ExitCode: code, Message: refusals[code]}
		}
	}
	ready := corev1.ConditionFalse
	if p != nil {
		status.State.Running = &corev1.ContainerStateRunning{}
		if p.Ready() {
			ready = corev1.ConditionTrue
		}
	}
	before := pod.Status.DeepCopy()
	pod.Status.Phase = corev1.PodRunning
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{status}
	since := metav1.NewTime(k.w.clock.Now())
	if old := before.Conditions; len(old) == 1 && old[0].Status == ready {
		since = old[0].LastTransitionTime
	}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready, LastTransitionTime: since}}
	if !equality.Semantic.DeepEqual(before, &pod.Status) {
		k.w.must(k.w.store.Status().Update(ctx, pod))
	}
}

// rehearse runs etcd once for nothing. A flag that says so is one that etcd refuses.
func (k *kubelet) rehearse(ctx context.Context, pod *corev1.Pod) {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return
	}
	end := corev1.ContainerStateTerminated{}
	pod.Status.Phase = corev1.PodSucceeded
	if parse(pod)["auto-compaction-retention"] == refusedRetention {
		pod.Status.Phase = corev1.PodFailed
		end = corev1.ContainerStateTerminated{ExitCode: 45, Message: `{"reason":"RehearsalFailed","message":"etcd does not start"}`}
	}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: resource.RehearsalContainer, State: corev1.ContainerState{Terminated: &end},
	}}
	k.w.must(k.w.store.Status().Update(ctx, pod))
}

const refusedRetention = "99999999999h"

// refusals are what the launcher says with its exit codes.
var refusals = map[int32]string{
	41: `{"reason":"ForeignData","message":"somebody else's"}`,
	42: `{"reason":"DataLost","message":"the volume is empty"}`,
}

// start follows the launcher's rules, then etcd's. The code is the launcher's refusal, or etcd's exit.
func (k *kubelet) start(pod *corev1.Pod) (*process, int32) {
	args := parse(pod)
	volume := types.UID(args["volume"])
	if volume == "$(POD_UID)" {
		volume = pod.UID
	}
	mine := marker{args["token"], args["member"], string(volume)}
	found, marked := k.volumes[volume]
	hasData := k.w.etcd.HasData(string(volume))
	if args["restore"] != "" && !hasData {
		if code, there := k.prepare(args, volume, mine); !there {
			return nil, code
		}
	}
	switch {
	case hasData && found != mine:
		return nil, 41
	case k.prepared[volume] == mine && args["restore"] != "":
	case !hasData && (marked || args["grant"] != string(resource.GrantEmpty)):
		return nil, 42
	}
	if !hasData {
		k.w.watchdog.startedEmpty(mine)
		k.w.watchdog.restored(k.w, args["restore"] != "")
	}
	k.volumes[volume] = mine
	p, err := k.w.etcd.Start(etcdfake.Args{
		Name: args["name"], PeerURL: args["initial-advertise-peer-urls"], ClientURL: args["advertise-client-urls"],
		InitialCluster: args["initial-cluster"], Token: args["initial-cluster-token"],
		Existing: args["initial-cluster-state"] == "existing", Volume: string(volume), Version: versionOf(pod),
	})
	if err != nil {
		k.w.watchdog.refused(err)
		if !k.w.etcd.HasData(string(volume)) {
			delete(k.volumes, volume) // the canary: etcd has never had a log here
		}
		return nil, 1
	}
	return &process{p, pod.UID, args["advertise-client-urls"]}, 0
}

// versionOf reads the tag of the image.
func versionOf(pod *corev1.Pod) string {
	_, tag, _ := strings.Cut(pod.Spec.Containers[0].Image, ":v")
	return tag
}

// prepare lets the volume be admitted at one look, and the snapshot be there at the next.
func (k *kubelet) prepare(args map[string]string, volume types.UID, mine marker) (code int32, there bool) {
	switch before, admitted := k.prepared[volume]; {
	case !admitted && args["grant"] != string(resource.GrantEmpty), admitted && before != mine:
		return 42, false
	case !admitted:
		k.prepared[volume] = mine
		return 0, false
	}
	return 0, true
}

// parse reads the flags of the launcher and of etcd from a Pod, and what the environment says of the Pod itself.
func parse(pod *corev1.Pod) map[string]string {
	args := map[string]string{}
	for _, a := range pod.Spec.Containers[0].Args {
		if key, value, ok := strings.Cut(strings.TrimLeft(a, "-"), "="); ok {
			args[key] = value
		}
	}
	return args
}
