package member

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// fromSnapshot is a world whose member starts from a snapshot. The credentials of the store are people's.
func fromSnapshot(t *testing.T, change func(*v1alpha2.EtcdCluster)) *world {
	t.Helper()
	w := newWorld(t, change)
	edit(w, w.member(), func(m *v1alpha2.EtcdMember) {
		m.Spec.Restore = &v1alpha2.MemberRestore{RevisionBump: 1000, Source: v1alpha2.SnapshotLocation{S3: &v1alpha2.S3Location{
			Endpoint: "https://s3.example.com", Bucket: "backups", Key: "db/now.db",
			CredentialsSecretRef: &corev1.LocalObjectReference{Name: "s3"},
		}}}
	})
	w.people(credentials(w, resource.S3AccessKey, resource.S3SecretKey))
	return w
}

func credentials(w *world, keys ...string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.key.Namespace, Name: "s3"}, Data: map[string][]byte{}}
	for _, key := range keys {
		s.Data[key] = []byte("x")
	}
	return s
}

// people create an object.
func (w *world) people(o client.Object) {
	w.t.Helper()
	n := w.writes
	if err := w.api.Create(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
	w.writes = n
}

func (w *world) secret() *corev1.Secret {
	s := &corev1.Secret{}
	w.get(s, "s3")
	return s
}

// rekey gives the Secret other credentials.
func (w *world) rekey() {
	w.t.Helper()
	s, n := w.secret(), w.writes
	s.Data[resource.S3AccessKey] = []byte("other")
	if err := w.api.Update(w.t.Context(), s); err != nil {
		w.t.Fatal(err)
	}
	w.writes = n
}

// fetched is the status of a Pod whose fetch has ended.
func (w *world) fetched(code int32, message string) {
	edit(w, w.pod(), func(pod *corev1.Pod) {
		pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{
			Name: resource.FetchContainer, State: terminated(code),
		}}
		pod.Status.InitContainerStatuses[0].State.Terminated.Message = message
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: resource.EtcdContainer, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}},
		}}
	})
}

const denied = `{"succeeded":false,"reason":"StoreAccessDenied","message":"the store does not accept the credentials"}`

func TestASeedWaitsForWhatItsSnapshotIsFetchedWith(t *testing.T) {
	w := fromSnapshot(t, nil)
	w.vanish(w.secret())
	w.settle()
	if f := w.member().Status.Failure; w.pod() != nil || w.failure() != v1alpha2.FailureRestore || !strings.Contains(f.Message, "Secret s3") {
		t.Fatalf("failure %+v, Pod %v", f, w.pod())
	}
	if result, err := w.r.Reconcile(t.Context(), requestFor(w)); err != nil || result.RequeueAfter == 0 {
		t.Errorf("nobody looks again for what is not watched: %+v, %v", result, err)
	}
	w.people(credentials(w, resource.S3AccessKey))
	w.settle()
	if f := w.member().Status.Failure; w.pod() != nil || f == nil || !strings.Contains(f.Message, "key AWS_SECRET_ACCESS_KEY of Secret s3") {
		t.Fatalf("failure %+v, Pod %v", f, w.pod())
	}
	w.vanish(w.secret())
	w.people(credentials(w, resource.S3AccessKey, resource.S3SecretKey))
	w.settle()
	if w.pod() == nil || !resource.Restores(w.pod()) || w.failure() != "" {
		t.Errorf("failure %q, Pod %v", w.failure(), w.pod())
	}
}

// TestNoPodOfASeedStartsEmptyInsteadOfRestoring: the Pod that held the grant may go before the data are there.
func TestNoPodOfASeedStartsEmptyInsteadOfRestoring(t *testing.T) {
	w := fromSnapshot(t, nil)
	w.settle()
	if pod := w.pod(); !resource.HoldsGrant(pod) || !resource.Restores(pod) {
		t.Fatalf("the first Pod: %v", pod.Spec.Containers[0].Args)
	}
	w.vanish(w.pod())
	w.settle()
	if pod := w.pod(); resource.HoldsGrant(pod) || !resource.Restores(pod) {
		t.Errorf("the next Pod: %v", pod.Spec.Containers[0].Args)
	}
}

func TestNothingIsRestoredOnceTheClusterHasFormed(t *testing.T) {
	w := fromSnapshot(t, nil)
	w.settle()
	w.vanish(w.secret())
	c := &v1alpha2.EtcdCluster{}
	w.get(c, "db")
	edit(w, c, func(c *v1alpha2.EtcdCluster) { c.Status.ClusterID = "c1" })
	w.vanish(w.pod())
	w.settle()
	pod := w.pod()
	if pod == nil || resource.Restores(pod) || len(pod.Spec.InitContainers) != 1 {
		t.Errorf("failure %q, Pod %v", w.failure(), pod)
	}
}

func TestAFetchThatFailsIsToldAndTriedAnewWithOtherCredentials(t *testing.T) {
	for _, medium := range []v1alpha2.StorageMedium{v1alpha2.StorageMediumDefault, v1alpha2.StorageMediumMemory} {
		w := fromSnapshot(t, func(c *v1alpha2.EtcdCluster) { c.Spec.Storage.Medium = medium })
		w.settle()
		first := w.pod()
		w.fetched(1, denied)
		w.settle()
		f := w.member().Status.Failure
		if f == nil || f.Reason != v1alpha2.FailureRestore || !strings.Contains(f.Message, "does not accept the credentials") ||
			!strings.Contains(f.Message, "credentialsSecretRef") {
			t.Fatalf("failure %+v", f)
		}
		if w.pod().UID != first.UID {
			t.Error("the kubelet was not left to try again")
		}
		w.rekey()
		last := w.pod()
		last.DeletionTimestamp, last.Status.Phase = &metav1.Time{Time: w.now}, corev1.PodFailed
		w.r.stillborn.note(last) // the kubelet's last word
		w.served = map[types.UID]bool{}
		w.settle()
		if next := w.pod(); next == nil || next.UID == first.UID || !resource.Restores(next) || w.failure() != "" {
			t.Errorf("medium %q: failure %q, Pod %v, wrote %v", medium, w.failure(), next, w.writes)
		}
	}
}

func TestOtherCredentialsDisturbNobodyWhomTheyDoNotHelp(t *testing.T) {
	for claim, given := range map[string]func(*world){
		"a fetch that runs":                       func(*world) {},
		"one that has succeeded, and etcd starts": func(w *world) { w.fetched(0, "") },
		"etcd that crashes after a fetch that failed once": func(w *world) {
			w.fetched(1, denied)
			edit(w, w.pod(), func(pod *corev1.Pod) { pod.Status.ContainerStatuses[0].ContainerID = "containerd://1" })
		},
	} {
		t.Run(claim, func(t *testing.T) {
			w := fromSnapshot(t, nil)
			w.settle()
			first := w.pod().UID
			given(w)
			w.rekey()
			w.settle()
			if w.pod() == nil || w.pod().UID != first {
				t.Errorf("wrote %v", w.writes)
			}
		})
	}
}

// TestASeedInMemoryBeginsAnewOnlyIfNothingHasRun: what etcd had acknowledged would be gone.
func TestASeedInMemoryBeginsAnewOnlyIfNothingHasRun(t *testing.T) {
	for claim, tc := range map[string]struct {
		change func(*corev1.Pod)
		anew   bool
	}{
		"the fetch was cut off":        {func(*corev1.Pod) {}, true},
		"the fetch had succeeded":      {func(pod *corev1.Pod) { pod.Status.InitContainerStatuses[0].State.Terminated.ExitCode = 0 }, false},
		"etcd was started":             {func(pod *corev1.Pod) { pod.Status.ContainerStatuses[0].ContainerID = "containerd://1" }, false},
		"etcd was started before":      {func(pod *corev1.Pod) { pod.Status.ContainerStatuses[0].RestartCount = 1 }, false},
		"the kubelet did not say":      {func(pod *corev1.Pod) { pod.Status.Phase = corev1.PodPending }, false},
		"its container ended unknown":  {func(pod *corev1.Pod) { pod.Status.ContainerStatuses[0].State = terminated(137) }, false},
		"it is no Pod with a snapshot": {func(pod *corev1.Pod) { pod.Spec.Containers[0].Args = pod.Spec.Containers[0].Args[:4] }, false},
	} {
		t.Run(claim, func(t *testing.T) {
			w := fromSnapshot(t, func(c *v1alpha2.EtcdCluster) { c.Spec.Storage.Medium = v1alpha2.StorageMediumMemory })
			w.settle()
			first := w.pod().UID
			w.fetched(137, "")
			last := w.pod()
			last.DeletionTimestamp, last.Status.Phase, last.Spec.NodeName = &metav1.Time{Time: w.now}, corev1.PodFailed, "n1"
			tc.change(last)
			w.r.stillborn.note(last)
			w.vanish(w.pod())
			w.served = map[types.UID]bool{}
			w.settle()
			if anew := w.pod() != nil && w.pod().UID != first; anew != tc.anew || !anew && w.failure() != v1alpha2.FailureMemoryLost {
				t.Errorf("begins anew: %v, failure %q", anew, w.failure())
			}
		})
	}
}

func TestWhatKeepsASnapshotFromBeingFetchedIsSaid(t *testing.T) {
	waiting := func(reason, message string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
	}
	said := func(code int32, reason task.Reason) corev1.ContainerState {
		text, err := task.Report{Succeeded: code == 0, Reason: reason, Message: "so it is"}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		s := terminated(code)
		s.Terminated.Message = string(text)
		return s
	}
	const failed, tooNew = v1alpha2.FailureRestore, v1alpha2.FailureSnapshotTooNew
	none := corev1.ContainerState{}
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	for claim, tc := range map[string]struct {
		now, before  corev1.ContainerState
		reason, word string
	}{
		"nothing yet":                     {running, none, "", ""},
		"it was fetched":                  {said(0, ""), none, "", ""},
		"the store":                       {said(1, task.SnapshotMissing), none, failed, "SnapshotMissing: so it is; put"},
		"while it is tried again":         {running, said(1, task.SnapshotDamaged), failed, "another snapshot"},
		"while it waits to":               {waiting("CrashLoopBackOff", "back-off"), said(1, task.StoreFull), failed, "so it is"},
		"a newer minor, by its own name":  {said(1, task.SnapshotTooNew), none, tooNew, "spec.version"},
		"a Secret without a key":          {waiting("CreateContainerConfigError", "couldn't find key"), none, failed, "key"},
		"an agent that ends without word": {terminated(137), none, failed, "Interrupted"},
	} {
		t.Run(claim, func(t *testing.T) {
			f := containerFailure(corev1.ContainerStatus{Name: resource.FetchContainer, State: tc.now, LastTerminationState: tc.before})
			if f == nil && tc.reason != "" || f != nil && (f.Reason != tc.reason || !strings.Contains(f.Message, tc.word)) {
				t.Errorf("got %+v", f)
			}
		})
	}
}

func terminated(code int32) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}
}

func TestHowFarARestoreIsIsTold(t *testing.T) {
	running, waiting := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, corev1.ContainerState{}
	for claim, tc := range map[string]struct {
		fetch, etcd corev1.ContainerState
		answer      *v1alpha2.SnapshotProgress
		want        string
	}{
		"bytes":             {running, waiting, &v1alpha2.SnapshotProgress{Bytes: 3 << 20, TotalBytes: 7 << 20}, "fetched: 3 MiB of 7 MiB"},
		"of nobody knows":   {running, waiting, &v1alpha2.SnapshotProgress{Bytes: 3 << 20}, "fetched: 3 MiB"},
		"without an answer": {running, waiting, nil, "the snapshot is fetched"},
		"what comes then":   {terminated(0), running, nil, "the data are made of the snapshot, and etcd starts with them"},
	} {
		t.Run(claim, func(t *testing.T) {
			w := fromSnapshot(t, nil)
			w.settle()
			w.fetched(0, "")
			edit(w, w.pod(), func(pod *corev1.Pod) {
				pod.Status.InitContainerStatuses[0].State, pod.Status.ContainerStatuses[0].State = tc.fetch, tc.etcd
				pod.Status.PodIP = "10.0.0.7"
			})
			w.r.Progress = func(_ context.Context, ip string) (*v1alpha2.SnapshotProgress, error) {
				if tc.answer == nil || ip != "10.0.0.7" {
					return nil, errCrash
				}
				return tc.answer, nil
			}
			result, err := w.r.Reconcile(t.Context(), requestFor(w))
			ready := meta.FindStatusCondition(w.member().Status.Conditions, v1alpha2.ConditionReady)
			if err != nil || !strings.HasSuffix(ready.Message, tc.want) || result.RequeueAfter == 0 {
				t.Errorf("says %q, looks again after %s: %v", ready.Message, result.RequeueAfter, err)
			}
		})
	}
}
