//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

// tuned are options of each kind, none of them etcd's default, and tunedFlags what etcd 3.6 is told then.
func tuned() *v1alpha2.EtcdOptions {
	lasting := func(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }
	return &v1alpha2.EtcdOptions{
		QuotaBackendBytes: new(int64(60 << 20)), AutoCompactionMode: v1alpha2.CompactionRevision, AutoCompactionRetention: "100000",
		SnapshotCount: new(int64(7000)), HeartbeatIntervalMilliseconds: new(int32(200)), ElectionTimeoutMilliseconds: new(int32(2000)),
		LogLevel: v1alpha2.LogLevelWarn, MaxRequestBytes: new(int64(2 << 20)), MaxTxnOps: new(int32(256)),
		MaxConcurrentStreams: new(int64(5000)), SnapshotCatchUpEntries: new(int64(6000)), MaxSnapshots: new(int32(4)), MaxWALs: new(int32(4)),
		CompactionBatchLimit: new(int32(500)), CompactionSleepInterval: lasting(5 * time.Millisecond),
		BackendBatchInterval: lasting(50 * time.Millisecond), BackendBatchLimit: new(int32(5000)),
		GRPCKeepAliveMinTime: lasting(time.Second), GRPCKeepAliveInterval: lasting(90 * time.Minute),
		GRPCKeepAliveTimeout:        lasting(10 * time.Second),
		WatchProgressNotifyInterval: lasting(2 * time.Second), WarningApplyDuration: lasting(time.Second),
		WarningUnaryRequestDuration: lasting(time.Second), CompactHashCheckTime: lasting(2 * time.Minute),
		CorruptCheckTime: lasting(time.Hour), Metrics: "extensive",
	}
}

var tunedFlags = []string{
	"--quota-backend-bytes=62914560", "--auto-compaction-mode=revision", "--auto-compaction-retention=100000", "--snapshot-count=7000",
	"--heartbeat-interval=200", "--election-timeout=2000", "--log-level=warn", "--max-request-bytes=2097152", "--max-txn-ops=256",
	"--max-concurrent-streams=5000", "--snapshot-catchup-entries=6000", "--max-snapshots=4", "--max-wals=4", "--compaction-batch-limit=500",
	"--compaction-sleep-interval=5ms", "--backend-batch-interval=50ms", "--backend-batch-limit=5000", "--grpc-keepalive-min-time=1s",
	"--grpc-keepalive-interval=1h30m0s", "--grpc-keepalive-timeout=10s", "--watch-progress-notify-interval=2s",
	"--warning-apply-duration=1s", "--warning-unary-request-duration=1s", "--compact-hash-check-time=2m0s", "--corrupt-check-time=1h0m0s",
	"--metrics=extensive",
}

// TestEveryOptionTakesEffectOnEveryMember asks the processes, and etcd itself.
func TestEveryOptionTakesEffectOnEveryMember(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	before, fewest := w.identity(), w.watchReady()
	began := time.Now()
	w.change(func(o *v1alpha2.EtcdCluster) { o.Spec.Options = tuned() })
	w.await("what is asked for was tried out", func() {
		r := w.get().Status.Rollout
		w.Expect(r).NotTo(gomega.BeNil())
		w.Expect(r.Rehearsal).NotTo(gomega.BeNil())
		w.Expect(r.Rehearsal.Result).To(gomega.Equal(v1alpha2.RehearsalPassed))
	})
	t.Logf("tried out after %.1f s", time.Since(began).Seconds())
	w.await("all members have it", func() { w.Expect(w.get().Status.UpdatedMembers).To(gomega.BeEquivalentTo(3)) })
	w.awaitReady(3)
	if n := fewest(); n < 2 {
		t.Errorf("there were only %d ready members", n)
	}
	for _, p := range w.pods() {
		w.Expect(commandLine(t, &p)).To(gomega.ContainElements(tunedFlags), p.Name)
		metrics := fetchMetrics(t, &p)
		w.Expect(metrics).To(gomega.ContainSubstring("etcd_server_quota_backend_bytes 6.291456e+07"), p.Name)
		w.Expect(metrics).To(gomega.ContainSubstring("grpc_server_handling_seconds_bucket"), p.Name)
	}
	w.expectNoRehearsal()
	w.expectQuotaWarning()
	w.expectSurvivors(before)
	w.settle(w.load)
}

// expectQuotaWarning: 60 MiB of the 64 MiB that there are.
func (w *ward) expectQuotaWarning() {
	w.t.Helper()
	w.Expect(condition(w.get(), v1alpha2.ConditionQuotaNearVolumeSize)).To(gomega.HavePrefix("True QuotaLeavesNoRoom"))
	w.await("an Event says so", func() {
		var all eventsv1.EventList
		w.Expect(testbed.List(w.ctx, &all, client.InNamespace(w.namespace))).To(gomega.Succeed())
		w.Expect(all.Items).To(gomega.ContainElement(gomega.HaveField("Reason", v1alpha2.ConditionQuotaNearVolumeSize)))
	})
}

func (w *ward) expectNoRehearsal() {
	w.t.Helper()
	w.await("the Pod of the rehearsal is gone", func() {
		err := testbed.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: w.name + "-rehearsal"}, &corev1.Pod{})
		w.Expect(apierrors.IsNotFound(err)).To(gomega.BeTrue())
	})
}

// commandLine is what etcd was started with.
func commandLine(t *testing.T, p *corev1.Pod) []string {
	t.Helper()
	ids, err := bed.Processes(p, "etcd")
	if err != nil || len(ids) == 0 {
		t.Fatalf("%s runs %d etcd: %v", p.Name, len(ids), err)
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", ids[0]))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(line), "\x00")
}

func fetchMetrics(t *testing.T, p *corev1.Pod) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+net.JoinHostPort(p.Status.PodIP, "2381")+"/metrics",
		http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// incarnations are the Pods of members by name.
func (w *ward) incarnations() map[string]types.UID {
	w.t.Helper()
	all := map[string]types.UID{}
	for _, p := range w.pods() {
		all[p.Name] = p.UID
	}
	return all
}

// TestWhatEtcdRefusesReachesNoMember: the API takes the value, etcd does not.
func TestWhatEtcdRefusesReachesNoMember(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	before, pods := w.identity(), w.incarnations()
	w.change(func(o *v1alpha2.EtcdCluster) {
		o.Spec.Options = &v1alpha2.EtcdOptions{AutoCompactionRetention: "99999999999h"}
	})
	o := w.awaitCondition(v1alpha2.ConditionReady, "False RehearsalFailed")
	w.Expect(condition(o, v1alpha2.ConditionReady)).To(gomega.ContainSubstring(`invalid duration "99999999999h"`))
	w.Expect(condition(o, v1alpha2.ConditionStalled)).To(gomega.HavePrefix("True RehearsalFailed"))
	w.Expect(condition(o, v1alpha2.ConditionAvailable)).To(gomega.HavePrefix("True"))
	w.expectNoRehearsal()
	w.scale(5) // who comes now gets what the others have
	w.await("two more members", func() { w.Expect(w.get().Status.ReadyMembers).To(gomega.BeEquivalentTo(5)) })
	now := w.incarnations()
	for name, uid := range pods {
		w.Expect(now[name]).To(gomega.Equal(uid), name)
	}
	w.change(func(o *v1alpha2.EtcdCluster) { o.Spec.Options = nil })
	w.awaitReady(5)
	after := w.identity()
	for name, id := range before.Members {
		w.Expect(after.Members).To(gomega.HaveKeyWithValue(name, id))
	}
	w.settle(w.load)
}

// TestNoNodeForARehearsalIsSaidAndWaitedFor asks for nodes that there are none of, and later does not.
func TestNoNodeForARehearsalIsSaidAndWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	before, pods := w.identity(), w.incarnations()
	w.change(func(o *v1alpha2.EtcdCluster) {
		o.Spec.Options = &v1alpha2.EtcdOptions{SnapshotCount: new(int64(7000))}
		nowhere := corev1.NodeSelectorRequirement{Key: "disk", Operator: corev1.NodeSelectorOpIn, Values: []string{"none-such"}}
		o.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
				{MatchExpressions: []corev1.NodeSelectorRequirement{nowhere}},
			}},
		}}
	})
	w.await("it says what it waits for", func() {
		o := w.get()
		w.Expect(condition(o, v1alpha2.ConditionReady)).To(gomega.And(
			gomega.HavePrefix("False Rehearsing"), gomega.ContainSubstring("no node takes it"), gomega.ContainSubstring("affinity")))
		w.Expect(condition(o, v1alpha2.ConditionStalled)).To(gomega.BeEmpty())
	})
	w.Expect(w.incarnations()).To(gomega.Equal(pods))
	w.change(func(o *v1alpha2.EtcdCluster) { o.Spec.Affinity = nil })
	w.await("all members have the option", func() {
		for _, p := range w.pods() {
			w.Expect(p.Spec.Containers[0].Args).To(gomega.ContainElement("--snapshot-count=7000"))
		}
	})
	w.awaitReady(3)
	w.expectSurvivors(before)
	w.settle(w.load)
}
