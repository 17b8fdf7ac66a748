package member

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// queue remembers what was added to it.
type queue struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]
	added []reconcile.Request
}

func (q *queue) Add(r reconcile.Request) { q.added = append(q.added, r) }

func requestFor(w *world) reconcile.Request { return reconcile.Request{NamespacedName: w.key} }

func ended(code int32, message string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Message: message}}
}

func waiting(reason string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "back-off 10s"}}
}

func etcd(state, last corev1.ContainerState, restarts int32) corev1.PodStatus {
	return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
		Name: "etcd", Image: "etcd:v3.6.16", State: state, LastTerminationState: last, RestartCount: restarts,
		Started: new(state.Running != nil && restarts == 9),
	}}}
}

func TestPodFailure(t *testing.T) {
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	nothing := corev1.ContainerState{}
	lostData := `{"reason":"DataLost","message":"the volume is empty","volume":"v"}` + "\n"
	crashed := `{"level":"info","ts":"1","msg":"starting"}
{"level":"fatal","ts":"2","caller":"etcdmain/etcd.go:1","msg":"discovery failed","error":"member count is unequal"}
`
	for _, tt := range []struct {
		name   string
		status corev1.PodStatus
		want   *v1alpha2.MemberFailure
	}{
		{"nothing said yet", corev1.PodStatus{}, nil},
		{"running", etcd(running, nothing, 0), nil},
		{"refused just now", etcd(ended(42, lostData), ended(1, ""), 1),
			&v1alpha2.MemberFailure{Reason: v1alpha2.FailureDataLost, Message: "the volume is empty", ExitCode: new(int32(42))}},
		{"refused before", etcd(waiting("CrashLoopBackOff"), ended(42, "etcd-launcher: waiting\n"+lostData), 1),
			&v1alpha2.MemberFailure{Reason: v1alpha2.FailureDataLost, Message: "the volume is empty", ExitCode: new(int32(42))}},
		{"refused before and trying again", etcd(running, ended(42, lostData), 3),
			&v1alpha2.MemberFailure{Reason: v1alpha2.FailureDataLost, Message: "the volume is empty", ExitCode: new(int32(42))}},
		{"refused once and up since", etcd(running, ended(42, lostData), 9), nil},
		{"the same code from etcd itself", etcd(ended(42, "killed"), nothing, 0), nil},
		{"ended once", etcd(ended(1, crashed), nothing, 0), nil},
		{"ended again and again", etcd(waiting("CrashLoopBackOff"), ended(1, crashed), 2), &v1alpha2.MemberFailure{
			Reason: v1alpha2.FailureCrashing, ExitCode: new(int32(1)),
			Message: "etcd ends again and again with exit code 1: discovery failed: member count is unequal",
		}},
		{"panics again and again", etcd(waiting("CrashLoopBackOff"), ended(2, "{}\npanic: tocommit is out of range\n"), 2),
			&v1alpha2.MemberFailure{
				Reason: v1alpha2.FailureCrashing, ExitCode: new(int32(2)),
				Message: "etcd ends again and again with exit code 2: tocommit is out of range",
			}},
		{"no image", etcd(waiting("ImagePullBackOff"), nothing, 0),
			&v1alpha2.MemberFailure{Reason: v1alpha2.FailureImage, Message: "the image etcd:v3.6.16 cannot be pulled"}},
		{"held", corev1.PodStatus{Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonSchedulingGated},
		}}, nil},
		{"no node", corev1.PodStatus{Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/3 nodes"},
		}}, &v1alpha2.MemberFailure{Reason: v1alpha2.FailureUnschedulable, Message: "0/3 nodes"}},
		{"installed", corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{
			{Name: "install-launcher", State: ended(0, ""), RestartCount: 3},
		}}, nil},
	} {
		if diff := cmp.Diff(tt.want, podFailure(&corev1.Pod{Status: tt.status})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	stopping := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: new(metav1.Now())}, Status: etcd(ended(42, lostData), nothing, 1)}
	if podFailure(stopping) != nil {
		t.Error("a Pod that is being deleted has failed")
	}
}

func TestReadySaysWhatIsWaitedFor(t *testing.T) {
	ready := corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
	broken := etcd(ended(42, `{"reason":"DataLost","message":"gone"}`), corev1.ContainerState{}, 0)
	up := etcd(corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, corev1.ContainerState{}, 9)
	for _, tt := range []struct {
		name   string
		pod    corev1.PodStatus
		voter  bool
		status metav1.ConditionStatus
		reason string
	}{
		{"serving", ready, true, metav1.ConditionTrue, v1alpha2.ReasonMemberServing},
		{"starting", corev1.PodStatus{}, true, metav1.ConditionFalse, v1alpha2.ReasonMemberStarting},
		{"a learner", up, false, metav1.ConditionFalse, v1alpha2.ReasonMemberStarting},
		{"without a quorum", up, true, metav1.ConditionFalse, v1alpha2.ReasonMemberNotServing},
		{"broken", broken, true, metav1.ConditionFalse, v1alpha2.FailureDataLost},
	} {
		w := newWorld(t, nil)
		w.settle()
		edit(w, w.member(), func(m *v1alpha2.EtcdMember) { m.Status.IsVoter = tt.voter })
		edit(w, w.pod(), func(p *corev1.Pod) { p.Status = tt.pod })
		w.settle()
		found := false
		for _, c := range w.member().Status.Conditions {
			found = found || c.Type == v1alpha2.ConditionReady && c.Status == tt.status && c.Reason == tt.reason && c.Message != ""
		}
		if !found {
			t.Errorf("%s: %+v", tt.name, w.member().Status.Conditions)
		}
		w.wantWrites(nil)
	}
}

func TestVersionDriftIsSeenInTheImage(t *testing.T) {
	w := newWorld(t, nil)
	w.settle()
	edit(w, w.member(), func(m *v1alpha2.EtcdMember) { m.Spec.Version = "3.6.17" })
	w.settle()
	m := w.member()
	for _, c := range m.Status.Conditions {
		if c.Type == v1alpha2.ConditionVersionDrifted && c.Status == metav1.ConditionTrue && m.Status.Version == "3.6.16" {
			return
		}
	}
	t.Errorf("got %s, %+v", m.Status.Version, m.Status.Conditions)
}
