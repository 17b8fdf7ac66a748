package member

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
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

const (
	lostData = `{"reason":"DataLost","message":"the volume is empty","volume":"v"}` + "\n"
	crashed  = `{"level":"info","ts":"1","msg":"starting"}
{"level":"fatal","ts":"2","caller":"etcdmain/etcd.go:1","msg":"discovery failed","error":"something new"}
`
	unclear = `{"level":"fatal","ts":"2","caller":"etcdmain/etcd.go:1","msg":"failed to read WAL","error":"read: input/output error"}`
	corrupt = `{"level":"fatal","ts":"2","caller":"etcdmain/etcd.go:1","msg":"discovery failed","error":"walpb: crc mismatch"}`
)

var (
	running = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	nothing = corev1.ContainerState{}
	backOff = waiting("CrashLoopBackOff")
)

func TestPodFailure(t *testing.T) {
	dataLost := func(times, restarts int32) *v1alpha2.MemberFailure {
		return &v1alpha2.MemberFailure{
			Reason: v1alpha2.FailureDataLost, Message: "the volume is empty", ExitCode: new(int32(42)), Times: times, RestartCount: restarts,
		}
	}
	crashing := func(code int32, words string) *v1alpha2.MemberFailure {
		return &v1alpha2.MemberFailure{
			Reason: v1alpha2.FailureCrashing, ExitCode: &code, Times: 1, RestartCount: 2,
			Message: fmt.Sprintf("etcd ends again and again with exit code %d: %s", code, words),
		}
	}
	for _, tt := range []struct {
		name   string
		status corev1.PodStatus
		want   *v1alpha2.MemberFailure
	}{
		{"nothing said yet", corev1.PodStatus{}, nil},
		{"running", etcd(running, nothing, 0), nil},
		{"refused just now", etcd(ended(42, lostData), ended(1, ""), 1), dataLost(1, 1)},
		{"refused twice", etcd(ended(42, lostData), ended(42, lostData), 1), dataLost(2, 1)},
		{"refused before", etcd(backOff, ended(42, "etcd-launcher: waiting\n"+lostData), 1), dataLost(1, 1)},
		{"refused before and trying again", etcd(running, ended(42, lostData), 3), dataLost(1, 2)},
		{"refused once and up since", etcd(running, ended(42, lostData), 9), nil},
		{"the same code from etcd itself", etcd(ended(42, "killed"), nothing, 0), nil},
		{"ended once", etcd(ended(1, crashed), nothing, 0), nil},
		{"ended again and again", etcd(backOff, ended(1, crashed), 2), crashing(1, "discovery failed: something new")},
		{"panics again and again", etcd(backOff, ended(2, "{}\npanic: tocommit is out of range\n"), 2),
			crashing(2, "tocommit is out of range")},
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
		var got *v1alpha2.MemberFailure
		if f := podFailure(&corev1.Pod{Status: tt.status}); f != nil {
			got = &f.MemberFailure
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	stopping := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: new(metav1.Now())}, Status: etcd(ended(42, lostData), nothing, 1)}
	if podFailure(stopping) != nil {
		t.Error("a Pod that is being deleted has failed")
	}
}

// TestEndsInARowAreCountedOnce plays what the kubelet shows one after the other.
func TestEndsInARowAreCountedOnce(t *testing.T) {
	bad, other := ended(1, corrupt), ended(1, crashed)
	up := etcd(running, bad, 9)
	type sight struct {
		pod    corev1.PodStatus
		reason string
		times  int32
	}
	const none, log = "", v1alpha2.FailureCorruptLog
	for _, tt := range []struct {
		name   string
		sights []sight
	}{
		{"each phase of each end", []sight{
			{etcd(bad, nothing, 0), log, 1}, {etcd(running, bad, 1), log, 1}, {etcd(bad, bad, 1), log, 2},
			{etcd(backOff, bad, 1), log, 2}, {etcd(running, bad, 2), log, 2}, {etcd(bad, bad, 2), log, 3}, {etcd(backOff, bad, 2), log, 3},
		}},
		{"two at once", []sight{{etcd(bad, bad, 1), log, 2}, {etcd(backOff, bad, 1), log, 2}}},
		{"some were not seen", []sight{{etcd(backOff, bad, 1), log, 1}, {etcd(backOff, bad, 5), log, 2}, {etcd(bad, bad, 7), log, 4}}},
		{"another end between", []sight{
			{etcd(backOff, bad, 3), log, 1}, {etcd(backOff, other, 4), v1alpha2.FailureCrashing, 1}, {etcd(backOff, bad, 5), log, 1},
		}},
		{"another end between, seen late", []sight{{etcd(backOff, bad, 3), log, 1}, {etcd(bad, other, 5), log, 1}}},
		{"started in between", []sight{{etcd(bad, bad, 1), log, 2}, {up, none, 0}, {etcd(bad, nothing, 9), log, 1}}},
		{"back-off does not hide it", []sight{{etcd(bad, bad, 1), log, 2}, {etcd(waiting("ContainerCreating"), bad, 1), log, 2}}},
	} {
		w := newWorld(t, nil)
		w.settle()
		start, since := w.now, metav1.Time{}
		for i, sight := range tt.sights {
			w.now = start.Add(time.Duration(i+1) * time.Second)
			edit(w, w.pod(), func(p *corev1.Pod) { p.Status = sight.pod })
			w.settle()
			f := w.member().Status.Failure
			if f == nil {
				f = &v1alpha2.MemberFailure{Since: &metav1.Time{}}
			}
			if f.Reason != sight.reason || f.Times != sight.times {
				t.Errorf("%s: sight %d: got %s for the %d. time, want %s for the %d.", tt.name, i, f.Reason, f.Times, sight.reason, sight.times)
			}
			if i > 0 && sight.reason == tt.sights[i-1].reason && !f.Since.Equal(&since) {
				t.Errorf("%s: sight %d: the same failure is seen since %s, not since %s", tt.name, i, f.Since, since)
			}
			if (i == 0 || sight.reason != tt.sights[i-1].reason) && sight.reason != none && !f.Since.Time.Equal(w.now) {
				t.Errorf("%s: sight %d: the failure is new, and seen since %s", tt.name, i, f.Since)
			}
			since = *f.Since
			w.wantWrites(nil)
		}
	}
}

func TestWhatAPodEndedWithOutlivesIt(t *testing.T) {
	w := newWorld(t, nil)
	w.settle()
	edit(w, w.pod(), func(p *corev1.Pod) { p.Status = etcd(ended(1, corrupt), nothing, 0) })
	w.settle()
	since := w.member().Status.Failure.Since
	w.now = w.now.Add(time.Minute)
	w.vanish(w.pod())
	w.settle()
	if f := w.member().Status.Failure; f == nil || f.Times != 1 || !f.Since.Equal(since) {
		t.Fatalf("a new Pod over the same data makes it %+v", f)
	}
	edit(w, w.pod(), func(p *corev1.Pod) { p.Status = etcd(ended(1, corrupt), nothing, 0) })
	w.settle()
	if f := w.member().Status.Failure; f == nil || f.Times != 2 || !f.Since.Equal(since) {
		t.Fatalf("the second end makes it %+v", f)
	}
	edit(w, w.pod(), func(p *corev1.Pod) { p.Status = etcd(running, nothing, 9) })
	w.settle()
	if f := w.member().Status.Failure; f != nil {
		t.Errorf("etcd has started, and yet there is %+v", f)
	}
}

func TestAnEndThatHasToBeProvenIsTriedAgainAtOnceAndOnce(t *testing.T) {
	for _, tt := range []struct {
		name     string
		recorded bool
		status   corev1.PodStatus
		again    bool
	}{
		{"waiting after a log that was not read", true, etcd(backOff, ended(1, unclear), 1), true},
		{"started once more already", true, etcd(running, ended(1, unclear), 1), false},
		{"twice", true, etcd(ended(1, unclear), ended(1, unclear), 1), false},
		{"proven by a checksum", true, etcd(backOff, ended(1, corrupt), 1), false},
		{"for a reason that a second end does not prove", true, etcd(backOff, ended(1, crashed), 3), false},
		{"by the launcher, which needs no proof", true, etcd(backOff, ended(42, lostData), 1), false},
		{"a member that has never served", false, etcd(backOff, ended(1, unclear), 1), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.settle()
			edit(w, w.member(), func(m *v1alpha2.EtcdMember) {
				if tt.recorded {
					m.Status.Incarnation = &v1alpha2.MemberIncarnation{MemberID: "1", VolumeUID: m.Status.VolumeUID}
				}
			})
			first := w.pod().UID
			for range 3 {
				edit(w, w.pod(), func(p *corev1.Pod) { p.Status = tt.status })
				w.settle()
			}
			if again := w.pod().UID != first; again != tt.again {
				t.Errorf("another Pod: %v", again)
			}
			if deletes := strings.Count(strings.Join(w.writes, ","), "delete"); tt.again && deletes != 1 {
				t.Errorf("%d Pods were deleted: %v", deletes, w.writes)
			}
		})
	}
}

func TestADiskThatIsTooSmallForEtcdIsSaidSo(t *testing.T) {
	full := endOf(t, "testdata/ends/disk-small-3.6.16.txt")
	for size, want := range map[string]bool{"100Mi": true, "1Gi": false} {
		w := newWorld(t, func(c *v1alpha2.EtcdCluster) { c.Spec.Storage.Size = apiresource.MustParse(size) })
		w.settle()
		edit(w, w.pod(), func(p *corev1.Pod) { p.Status = etcd(corev1.ContainerState{Terminated: full}, nothing, 0) })
		w.settle()
		said := w.member().Status.Failure.Message
		if w.failure() != v1alpha2.FailureDiskFull || strings.Contains(said, "spec.storage.size is "+size+", and should be 192Mi") != want {
			t.Errorf("%s: %s %q", size, w.failure(), said)
		}
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
