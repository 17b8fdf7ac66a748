package snapshot

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

func TestASnapshotIsCompleteOnceTheAgentHasReadItBack(t *testing.T) {
	w := newWorld(t, nil)
	w.settle()
	w.is(v1alpha2.SnapshotStarted, "Saving", "now-1")
	w.hasJobs("now-1")
	kind, given := w.taskOf("now-1")
	want := task.Task{
		Snapshot: "now", UID: "s1", Location: w.snapshot().Spec.Destination,
		Endpoints: []task.Endpoint{{Member: "demo-a", URL: "http://demo-a.demo.ns.svc:2379"}},
	}
	if diff := cmp.Diff(want, given); kind != "save" || diff != "" {
		t.Errorf("the agent is to %s (-want +got):\n%s", kind, diff)
	}
	if deadline := *w.job("now-1").Spec.ActiveDeadlineSeconds; deadline != 3600 {
		t.Errorf("it may take %d s", deadline)
	}
	w.later(10 * time.Second)
	w.end("now-1", saved())
	if result := w.settle(); result.RequeueAfter != 0 {
		t.Errorf("it is over, and looked at again in %s", result.RequeueAfter)
	}
	w.is(v1alpha2.SnapshotComplete, "Complete", "s3://backup/prod/now.db", "5.0 MiB", "revision 42", "in 3s")
	s := w.snapshot()
	if s.Status.Artifact.Checksum != "sha256:abc" || s.Status.Attempts != 1 || s.Status.CompletedAt == nil || s.Status.Progress != nil {
		t.Errorf("status is %+v", s.Status)
	}
	if !meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha2.ConditionComplete) ||
		meta.FindStatusCondition(s.Status.Conditions, v1alpha2.ConditionReconciling) != nil {
		t.Errorf("conditions are %+v", s.Status.Conditions)
	}
	if got, want := w.told(), []string{eventStarted, eventComplete}; !slices.Equal(got, want) {
		t.Errorf("Events are %q, want %q", got, want)
	}
	w.hasJobs("now-1") // for its log
	w.mustHide("sesame")
}

func TestAFailureIsToldAndTriedAgainUntilItHeals(t *testing.T) {
	w := newWorld(t, nil)
	w.settle()
	w.end("now-1", refused(task.StoreUnreachable, "s3.example.org: nobody listens"))
	w.settle()
	w.is(v1alpha2.SnapshotStarted, "StoreUnreachable", "try 1 failed: s3.example.org: nobody listens", "5s later")
	w.hasJobs("now-1")
	w.later(5 * time.Second)
	w.end("now-2", nil)
	w.settle()
	w.is(v1alpha2.SnapshotStarted, "Interrupted", "its Pod was deleted", "10s later")
	w.hasJobs("now-2") // of tries that failed, the last one's
	w.later(10 * time.Second)
	w.hasJobs("now-2", "now-3")
	w.end("now-3", saved())
	w.settle()
	w.is(v1alpha2.SnapshotComplete, "Complete")
	if got, want := w.told(), []string{eventStarted, eventRetried, eventRetried, eventComplete}; !slices.Equal(got, want) {
		t.Errorf("Events are %q, want %q", got, want)
	}
	for result, want := range map[string]float64{"StoreUnreachable": 1, "Interrupted": 1, "Complete": 1} {
		if got := w.metric("etcd_operator_snapshot_tries_total", "result", result); got != want {
			t.Errorf("%v tries ended with %s, want %v", got, result, want)
		}
	}
}

func TestWhatNoTryWouldChangeIsNotTriedAgain(t *testing.T) {
	w := newWorld(t, nil)
	w.settle()
	w.end("now-1", refused(task.ForeignObject, "somebody else's object is there"))
	w.settle()
	w.is(v1alpha2.SnapshotFailed, "ForeignObject", "somebody else's object is there")
	s := w.snapshot()
	if !meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha2.ConditionFailed) ||
		!meta.IsStatusConditionTrue(s.Status.Conditions, v1alpha2.ConditionStalled) || s.Status.CompletedAt == nil || s.Status.Artifact != nil {
		t.Errorf("status is %+v", s.Status)
	}
	w.later(time.Hour)
	w.hasJobs("now-1")
}

func TestTriesEndWithTheDeadline(t *testing.T) {
	w := newWorld(t, func(s *v1alpha2.EtcdSnapshot) { s.Spec.ActiveDeadlineSeconds = new(int64(30)) })
	w.settle()
	w.later(20 * time.Second)
	w.end("now-1", refused(task.StoreUnreachable, "nobody listens"))
	w.later(5 * time.Second)
	if deadline := *w.job("now-2").Spec.ActiveDeadlineSeconds; deadline != 5 {
		t.Errorf("the second try may take %d s", deadline)
	}
	w.clock.Step(5 * time.Second)
	w.finish("now-2", batchv1.JobFailed, batchv1.JobReasonDeadlineExceeded)
	w.settle()
	w.is(v1alpha2.SnapshotFailed, "DeadlineExceeded", "not done within 30s", "stopped at its deadline")
}

func TestASuccessWithoutAnArtifactIsNone(t *testing.T) {
	broken := saved()
	broken.Artifact.Checksum = ""
	for claim, report := range map[string]*task.Report{
		"no artifact": {Succeeded: true}, "no checksum": broken, "not even a success": refused("", ""),
	} {
		t.Run(claim, func(t *testing.T) {
			w := newWorld(t, nil)
			w.settle()
			w.end("now-1", report)
			w.job("now-1")
			w.finish("now-1", batchv1.JobComplete, "")
			w.settle()
			w.is(v1alpha2.SnapshotStarted, "Interrupted")
		})
	}
}

func TestAReportCountsOnlyFromThePodOfTheJob(t *testing.T) {
	w := newWorld(t, nil)
	w.settle()
	text, err := saved().Encode()
	must(t, err)
	must(t, w.store.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "impostor", Labels: map[string]string{batchv1.JobNameLabel: "now-1"}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Name: resource.AgentContainer, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: string(text)}},
		}}},
	}))
	w.finish("now-1", batchv1.JobComplete, "")
	w.settle()
	w.is(v1alpha2.SnapshotStarted, "Interrupted")
}

func TestAJobOfAnotherIsLeftAlone(t *testing.T) {
	w := newWorld(t, nil)
	must(t, w.store.Create(t.Context(), &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: "now-1", Labels: map[string]string{v1alpha2.LabelSnapshot: "now"},
	}}))
	for range 2 {
		_, err := w.Reconcile(t.Context(), reconcile.Request{NamespacedName: now})
		must(t, err)
	}
	w.is(v1alpha2.SnapshotPending, v1alpha2.ReasonNameTaken, "Job now-1")
	w.hasJobs("now-1")
}

func TestWhatIsMissingIsNamedAndWaitedFor(t *testing.T) {
	name := func(n string) types.NamespacedName { return types.NamespacedName{Namespace: "ns", Name: n} }
	for _, tc := range []struct {
		claim  string
		spec   func(*v1alpha2.EtcdSnapshot)
		breaks func(*world)
		reason string
		says   string
		heal   func(*world)
	}{
		{"a cluster", func(s *v1alpha2.EtcdSnapshot) { s.Spec.ClusterRef.Name = "other" }, nil,
			"ClusterMissing", "EtcdCluster other is not there", nil},
		{"a cluster that has formed", nil, func(w *world) {
			c := &v1alpha2.EtcdCluster{}
			w.change(c, "demo", func() { c.Status.ClusterID = "" })
		}, "ClusterNotReady", "yet to form", func(w *world) {
			c := &v1alpha2.EtcdCluster{}
			w.change(c, "demo", func() { c.Status.ClusterID = "c1" })
		}},
		{"a cluster that is not paused", nil, func(w *world) {
			c := &v1alpha2.EtcdCluster{}
			w.change(c, "demo", func() { c.Spec.Replicas = new(int32(0)) })
		}, "ClusterNotReady", "paused", func(w *world) {
			c := &v1alpha2.EtcdCluster{}
			w.change(c, "demo", func() { c.Spec.Replicas = new(int32(1)) })
		}},
		{"a quorum", nil, func(w *world) {
			c := &v1alpha2.EtcdCluster{}
			w.change(c, "demo", func() {
				c.Status.Conditions = []metav1.Condition{{
					Type: v1alpha2.ConditionAvailable, Status: metav1.ConditionFalse, Reason: "QuorumLost", Message: "1 of 3",
				}}
			})
		}, "ClusterNotReady", "1 of 3", func(w *world) {
			c := &v1alpha2.EtcdCluster{}
			w.change(c, "demo", func() { c.Status.Conditions = nil })
		}},
		{"a Secret", func(s *v1alpha2.EtcdSnapshot) { s.Spec.Destination.S3.CredentialsSecretRef.Name = "late" }, nil,
			"SecretMissing", "Secret late with the credentials of the store is not there", func(w *world) {
				must(w.t, w.store.Create(w.t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "late"},
					Data: map[string][]byte{resource.S3AccessKey: {1}, resource.S3SecretKey: {1}}}))
			}},
		{"a key of it", nil, func(w *world) {
			s := &corev1.Secret{}
			must(w.t, w.store.Get(w.t.Context(), name("creds"), s))
			delete(s.Data, resource.S3SecretKey)
			must(w.t, w.store.Update(w.t.Context(), s))
		}, "SecretMissing", "has no key AWS_SECRET_ACCESS_KEY", nil},
		{"a CA", func(s *v1alpha2.EtcdSnapshot) {
			s.Spec.Destination.S3.CASecretRef = &corev1.LocalObjectReference{Name: "creds"}
		}, nil, "SecretMissing", "the CAs of the store has no key ca.crt", nil},
		{"a claim", func(s *v1alpha2.EtcdSnapshot) {
			s.Spec.Destination = v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "disk"}}
		}, nil, "ClaimMissing", "PersistentVolumeClaim disk is not there", func(w *world) {
			must(w.t, w.store.Create(w.t.Context(), &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "disk"}}))
		}},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			w := newWorld(t, tc.spec)
			if tc.breaks != nil {
				tc.breaks(w)
			}
			w.settle()
			w.is(v1alpha2.SnapshotPending, tc.reason, tc.says)
			w.hasJobs()
			if tc.heal != nil {
				tc.heal(w)
				w.later(3 * time.Second)
				w.hasJobs("now-1")
				return
			}
			w.later(time.Hour)
			w.is(v1alpha2.SnapshotFailed, "DeadlineExceeded", tc.says)
			w.hasJobs()
		})
	}
}

func TestACrashAtAnyWriteLeavesOneTry(t *testing.T) {
	for failAt := 1; failAt <= 8; failAt++ {
		for _, done := range []bool{false, true} {
			w := newWorld(t, func(s *v1alpha2.EtcdSnapshot) { s.Spec.DeletionPolicy = v1alpha2.SnapshotDelete })
			w.failAt, w.done = failAt, done
			w.settle()
			w.hasJobs("now-1")
			if s := w.snapshot(); s.Status.Attempts != 1 || len(s.Finalizers) != 1 {
				t.Errorf("write %d: status is %+v, finalizers %v", failAt, s.Status, s.Finalizers)
			}
			w.end("now-1", saved())
			w.settle()
			w.is(v1alpha2.SnapshotComplete, "Complete")
			w.hasJobs("now-1")
		}
	}
}

func TestProgressIsToldWhileATryRuns(t *testing.T) {
	w := newWorld(t, nil)
	var asked string
	bytes := int64(0)
	w.Progress = func(_ context.Context, ip string) (*v1alpha2.SnapshotProgress, error) {
		asked = ip
		return &v1alpha2.SnapshotProgress{Step: "Streaming", Member: "demo-a", Bytes: bytes}, nil
	}
	w.settle()
	w.pod("now-1", waiting("ImagePullBackOff", "no such image"))
	w.later(2 * time.Second)
	w.is(v1alpha2.SnapshotStarted, "Saving", "ImagePullBackOff: no such image")
	if asked != "" {
		t.Errorf("%q was asked before it works", asked)
	}
	w.pod("now-1", corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.7"})
	for bytes = range int64(3) {
		w.later(2 * time.Second)
		if p := w.snapshot().Status.Progress; p == nil || p.Bytes != bytes || asked != "10.0.0.7" {
			t.Errorf("progress is %+v, of %s", p, asked)
		}
	}
}

func TestAPodThatWaitsForWhatIsNotUsedAnyMoreIsGivenUp(t *testing.T) {
	w := newWorld(t, nil)
	w.trust("b1")
	w.settle()
	w.pod("now-1", waiting("ContainerCreating", ""))
	w.later(time.Minute)
	w.hasJobs("now-1") // it is slow, and what it waits for is still there
	w.trust("b2")
	w.later(2 * time.Second)
	w.is(v1alpha2.SnapshotStarted, "Interrupted", "its Job was deleted")
	w.later(5 * time.Second)
	w.hasJobs("now-2")
}

func TestAnAgentIsGivenWhatMembersWantToSee(t *testing.T) {
	w := newWorld(t, nil)
	w.trust("b1")
	c := &v1alpha2.EtcdCluster{}
	w.change(c, "demo", func() { c.Status.TLS.Client.Stage, c.Status.AuthEnabled = v1alpha2.TLSMutual, true })
	w.settle()
	w.is(v1alpha2.SnapshotPending, "ClusterNotReady", "client certificate")
	must(t, w.store.Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "demo-operator-tls"}}))
	root := resource.RootSecret(c, resource.Root{Password: "sesame", Next: "open"})
	must(t, w.store.Create(t.Context(), root))
	w.later(3 * time.Second)
	spec := w.job("now-1").Spec.Template.Spec
	var mounted []string
	for _, source := range spec.Volumes[1].Projected.Sources {
		if source.ConfigMap != nil {
			mounted = append(mounted, source.ConfigMap.Name)
			continue
		}
		mounted = append(mounted, source.Secret.Name)
	}
	if want := []string{"demo-client-trust-b1", "demo-operator-tls"}; !slices.Equal(mounted, want) {
		t.Errorf("mounted are %q, want %q", mounted, want)
	}
	passwords := func(job string) string {
		for _, e := range w.job(job).Spec.Template.Spec.Containers[0].Env {
			if e.Name == task.EnvEtcdPassword {
				return e.ValueFrom.SecretKeyRef.Name + " " + e.ValueFrom.SecretKeyRef.Key
			}
		}
		return ""
	}
	if got := passwords("now-1"); got != "demo-operator-root password" {
		t.Errorf("the password is %s", got)
	}
	if _, of := w.taskOf("now-1"); of.Endpoints[0].URL != "https://demo-a.demo.ns.svc:2379" {
		t.Errorf("endpoints are %+v", of.Endpoints)
	}
	w.end("now-1", refused(task.EtcdAccessDenied, "root is not let in"))
	w.later(5 * time.Second)
	if got := passwords("now-2"); got != "demo-operator-root next-password" {
		t.Errorf("while the password changes the second try takes %s", got)
	}
	w.mustHide("sesame", "open")
}

func TestNoPasswordIsSentInPlain(t *testing.T) {
	w := newWorld(t, nil)
	w.trust("b1")
	w.member("demo-b", nil) // it has yet to be secured
	c := &v1alpha2.EtcdCluster{}
	w.change(c, "demo", func() { c.Status.AuthEnabled = true })
	must(t, w.store.Create(t.Context(), resource.RootSecret(c, resource.Root{Password: "sesame"})))
	w.settle()
	for _, e := range w.job("now-1").Spec.Template.Spec.Containers[0].Env {
		if e.Name == task.EnvEtcdPassword {
			t.Error("a member that speaks no TLS may be sent the password")
		}
	}
}

// trust lets the member speak TLS under a bundle of CAs.
func (w *world) trust(bundle string) {
	w.t.Helper()
	c, m := &v1alpha2.EtcdCluster{}, &v1alpha2.EtcdMember{}
	w.change(c, "demo", func() {
		c.Status.TLS = &v1alpha2.TLSStatus{Client: &v1alpha2.PlaneTLSStatus{Stage: v1alpha2.TLSSecured, Bundle: bundle}}
	})
	w.change(m, "demo-a", func() {
		m.Spec.TLS = &v1alpha2.EtcdMemberTLS{ClientServerSecretRef: &corev1.LocalObjectReference{Name: "leaf"}}
	})
	must(w.t, w.store.Create(w.t.Context(), resource.TrustConfigMap(c, resource.ClientPlane, bundle, "PEM")))
}
