//go:build bench

package bench

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
	"github.com/cozystack/etcd-operator/test/e2e/traffic"
)

// TestSnapshots measures snapshots to S3 and to a claim, and a restore, beside the same by hand: etcd's stream piped into a plain upload or
// a file, and a plain download with etcdutl snapshot restore. BENCH_DATA_MB is how much data there is, 1024 if it is not set.
func TestSnapshots(t *testing.T) {
	megabytes, count := number(t, "BENCH_DATA_MB", 1024), number(t, "BENCH_ROUNDS", 3)
	b, err := bed.Connect()
	if err != nil {
		t.Fatal(err)
	}
	h := &hand{t: t, dir: t.TempDir(), tools: filepath.Join(filepath.Dir(b.Kubeconfig()), "bin", "etcd-v"+etcdVersion)}
	h.connect()
	p := admit(t, b, v1alpha2.StorageMediumDefault, megabytes)
	s := &saver{patient: p, hand: h}
	s.prepare()
	claim := v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "backups"}}
	rows := []*comparison{{what: "snapshot to S3"}, {what: "snapshot to a claim"}, {what: "restore from S3"}}
	for range count {
		rows[0].note(s.byHand(h.upload), s.snapshot(s.s3()))
		rows[1].note(s.byHand(h.copy), s.snapshot(claim))
		download, restore := h.download(), h.restore()
		rows[2].note(outcome{done: download + restore}, s.restored())
		fmt.Printf("  %-20s download %.1f s, restore %.1f s; %s\n", "", download.Seconds(), restore.Seconds(), s.course)
	}
	fmt.Printf("\n%d MB of data, medians of %d, in seconds\n\n", megabytes, count)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WHAT\tBY HAND\tDONE\tRATIO\tGOAL\tVERIFIED\tAS SEEN\tAGENT MB\tITS OWN\tWRITE GAP\tBY HAND")
	for i, goal := range []string{"1.11", "1.11", "1.3"} {
		rows[i].tell(w, goal)
	}
	w.Flush()
	fmt.Println("\nSomebody writes to the cluster while it is saved. By hand nothing is read back." +
		"\nDONE is when all was stored, or restored and serving; VERIFIED when it had been read back;" +
		"\nAS SEEN when the object said so, from its creation on, with the start of a Pod. A restore counts from the creation of the cluster." +
		"\nAGENT MB is what the process occupied at most, ITS OWN what of that was no page of a file that the node can take back.")
}

// outcome is what the operator needed for one round.
type outcome struct {
	done, verified, seen time.Duration // verified: 0 for a restore
	resident, own        int64         // bytes that the agent occupied at most, and of them those that are no pages of files
	gap                  time.Duration // longest time between two acknowledged writes
}

// comparison is a row of the report.
type comparison struct {
	what                                                  string
	hand, done, verified, seen, memory, own, gap, handGap []float64
}

func (c *comparison) note(hand, o outcome) {
	fmt.Printf("  %-20s by hand %5.1f s, done %5.1f s, verified %5.1f s, as seen %5.1f s\n", c.what, hand.done.Seconds(), o.done.Seconds(),
		o.verified.Seconds(), o.seen.Seconds())
	for list, value := range map[*[]float64]float64{
		&c.hand: hand.done.Seconds(), &c.handGap: hand.gap.Seconds(), &c.done: o.done.Seconds(),
		&c.verified: o.verified.Seconds(), &c.seen: o.seen.Seconds(),
		&c.memory: float64(o.resident) / 1e6, &c.own: float64(o.own) / 1e6, &c.gap: o.gap.Seconds(),
	} {
		*list = append(*list, value)
	}
}

func (c *comparison) tell(w io.Writer, goal string) {
	fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.2f\tat most %s\t%.1f\t%.1f\t%.0f\t%.0f\t%.2f\t%.2f\n", c.what, median(c.hand), median(c.done),
		median(c.done)/median(c.hand), goal, median(c.verified), median(c.seen), slices.Max(c.memory), slices.Max(c.own),
		slices.Max(c.gap), slices.Max(c.handGap))
}

// hand does what people do without an operator.
type hand struct {
	t          *testing.T
	dir, tools string
	store      *minio.Client
	env        map[string]string
}

const bucket = "bench"

// forget gives the memory back in which the node keeps what was read and written: whoever comes next is to find it as it was.
func (h *hand) forget() {
	h.t.Helper()
	h.must(errors.Join(os.RemoveAll(h.file("saved.db")), os.RemoveAll(h.file("fetched.db")), os.RemoveAll(h.file("restored"))))
}

func (h *hand) file(name string) string { return filepath.Join(h.dir, name) }

// connect reads where the testbed's S3 server is.
func (h *hand) connect() {
	h.t.Helper()
	f, err := os.Open(filepath.Join(filepath.Dir(filepath.Dir(h.tools)), "s3.env"))
	h.must(err)
	defer f.Close()
	h.env = map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "=")
		h.env[name] = strings.Trim(value, `'"`)
	}
	address := strings.TrimPrefix(h.env["AWS_ENDPOINT_URL"], "http://")
	h.store, err = minio.New(address, &minio.Options{
		Creds: credentials.NewStaticV4(h.env["AWS_ACCESS_KEY_ID"], h.env["AWS_SECRET_ACCESS_KEY"], ""), BucketLookup: minio.BucketLookupPath,
	})
	h.must(err)
	there, err := h.store.BucketExists(h.t.Context(), bucket)
	h.must(err)
	if !there {
		h.must(h.store.MakeBucket(h.t.Context(), bucket, minio.MakeBucketOptions{}))
	}
}

// stream is etcd's snapshot of a follower.
func (h *hand) stream(p *patient) io.ReadCloser {
	h.t.Helper()
	etcd, err := traffic.Dial(net.JoinHostPort(p.pod(p.follower()).Status.PodIP, "2379"))
	h.must(err)
	h.t.Cleanup(func() { _ = etcd.Close() })
	snapshot, err := etcd.Snapshot(h.t.Context())
	h.must(err)
	return snapshot
}

func (h *hand) upload(p *patient) time.Duration {
	began := time.Now()
	from := h.stream(p)
	defer from.Close()
	_, err := h.store.PutObject(h.t.Context(), bucket, "by-hand.db", from, -1, minio.PutObjectOptions{PartSize: 16 << 20})
	h.must(err)
	return time.Since(began)
}

func (h *hand) copy(p *patient) time.Duration {
	began := time.Now()
	from := h.stream(p)
	defer from.Close()
	to, err := os.Create(h.file("saved.db"))
	h.must(err)
	_, err = io.Copy(to, from)
	h.must(errors.Join(err, to.Sync(), to.Close()))
	defer h.forget()
	return time.Since(began)
}

func (h *hand) download() time.Duration {
	began := time.Now()
	h.must(h.store.FGetObject(h.t.Context(), bucket, "by-hand.db", h.file("fetched.db"), minio.GetObjectOptions{}))
	return time.Since(began)
}

func (h *hand) restore() time.Duration {
	defer h.forget()
	began := time.Now()
	tool := exec.CommandContext(h.t.Context(), filepath.Join(h.tools, "etcdutl"), "snapshot", "restore", h.file("fetched.db"),
		"--data-dir", h.file("restored"), "--bump-revision=1000000000", "--mark-compacted") // as the operator does
	if out, err := tool.CombinedOutput(); err != nil {
		h.t.Fatalf("restore by hand: %v\n%s", err, out)
	}
	return time.Since(began)
}

func (h *hand) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// saver lets the operator do the same.
type saver struct {
	*patient
	hand *hand
	n    int
	last *v1alpha2.EtcdSnapshot
	// course says where the time of the last restore went.
	course string
}

func (s *saver) prepare() {
	s.t.Helper()
	namespace := s.cluster.Namespace
	s.must(s.Create(s.t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "s3"},
		StringData: map[string]string{
			"AWS_ACCESS_KEY_ID": s.hand.env["AWS_ACCESS_KEY_ID"], "AWS_SECRET_ACCESS_KEY": s.hand.env["AWS_SECRET_ACCESS_KEY"],
		},
	}))
	s.must(s.Create(s.t.Context(), &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "backups"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("8Gi")}},
		},
	}))
}

func (s *saver) s3() v1alpha2.SnapshotLocation {
	return v1alpha2.SnapshotLocation{S3: &v1alpha2.S3Location{
		Endpoint: s.hand.env["AWS_ENDPOINT_URL"], Bucket: bucket, ForcePathStyle: true,
		CredentialsSecretRef: &corev1.LocalObjectReference{Name: "s3"},
	}}
}

// snapshot takes one while somebody writes. The agent itself is asked when it has begun and when all was stored.
func (s *saver) snapshot(to v1alpha2.SnapshotLocation) outcome {
	s.t.Helper()
	s.n++
	o := &v1alpha2.EtcdSnapshot{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.cluster.Namespace, Name: fmt.Sprintf("bench-%d-%d", s.n, time.Now().Unix())},
		Spec:       v1alpha2.EtcdSnapshotSpec{ClusterRef: corev1.LocalObjectReference{Name: s.cluster.Name}, Destination: to},
	}
	w := s.write()
	created := time.Now()
	s.must(s.Create(s.t.Context(), o))
	is := outcome{}
	s.await("the snapshot", func() bool {
		time.Sleep(lookEvery)
		s.weigh(o.Name, &is)
		s.must(s.Get(s.t.Context(), client.ObjectKeyFromObject(o), o))
		if o.Status.Phase == v1alpha2.SnapshotFailed {
			s.t.Fatalf("the snapshot failed: %+v", o.Status.Conditions)
		}
		return o.Status.Phase == v1alpha2.SnapshotComplete
	})
	is.seen, is.verified = time.Since(created), o.Status.Artifact.Duration.Duration
	is.done = is.verified - s.readBack(o.Name)
	gap, err := w.stop()
	s.must(err)
	is.gap = gap
	if to.S3 != nil {
		s.last = o
	}
	return is
}

// lookEvery keeps looking from costing what is measured.
const lookEvery = 200 * time.Millisecond

// weigh notes what the agent of a snapshot occupies, if it runs.
func (s *saver) weigh(snapshot string, is *outcome) {
	for _, pod := range s.agents(snapshot) {
		if resident, own, err := bed.Memory(&pod, "etcd-operator"); err == nil {
			is.resident, is.own = max(is.resident, resident), max(is.own, own)
		}
	}
}

func (s *saver) agents(snapshot string) []corev1.Pod {
	var pods corev1.PodList
	s.must(s.List(s.t.Context(), &pods, client.InNamespace(s.cluster.Namespace), client.MatchingLabels{v1alpha2.LabelSnapshot: snapshot}))
	return pods.Items
}

// readBack is how long the agent read what it had stored, by its log.
func (s *saver) readBack(snapshot string) time.Duration {
	s.t.Helper()
	said := map[string]time.Time{}
	for _, pod := range s.agents(snapshot) {
		maps.Copy(said, s.said(&pod))
	}
	if said["stored"].IsZero() || said["verified"].IsZero() {
		s.t.Fatalf("the agent does not say when it stored and verified: %v", said)
	}
	return said["verified"].Sub(said["stored"])
}

// said is when the agent in a Pod said what.
func (s *saver) said(pod *corev1.Pod) map[string]time.Time {
	said := map[string]time.Time{}
	for lines := bufio.NewScanner(strings.NewReader(s.Logs(s.t.Context(), pod))); lines.Scan(); {
		var line struct {
			Time time.Time `json:"time"`
			Msg  string    `json:"msg"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && !line.Time.IsZero() {
			said[line.Msg] = line.Time
		}
	}
	return said
}

// byHand does something while somebody writes.
func (s *saver) byHand(do func(*patient) time.Duration) outcome {
	s.t.Helper()
	w := s.write()
	took := do(s.patient)
	gap, err := w.stop()
	s.must(err)
	return outcome{done: took, gap: gap}
}

// restored makes a cluster from the last snapshot in S3, waits until it serves, and deletes it.
func (s *saver) restored() outcome {
	s.t.Helper()
	c := &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.cluster.Namespace, Name: fmt.Sprintf("restored-%d", s.n)},
		Spec: v1alpha2.EtcdClusterSpec{
			Replicas: new(int32(1)), Version: etcdVersion, Storage: s.cluster.Spec.Storage,
			Bootstrap: &v1alpha2.BootstrapSpec{Restore: &v1alpha2.RestoreSpec{SnapshotRef: &corev1.LocalObjectReference{Name: s.last.Name}}},
		},
	}
	began := time.Now()
	s.must(s.Create(s.t.Context(), c))
	s.await("the restored cluster", func() bool {
		s.must(s.Get(s.t.Context(), client.ObjectKeyFromObject(c), c))
		return meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha2.ConditionAvailable)
	})
	took := time.Since(began)
	s.tellCourse(c.Name, began, took)
	s.must(s.Delete(s.t.Context(), c))
	return outcome{done: took, seen: took}
}

// tellCourse asks the Pod of a restored member when it began to fetch, and when it had all.
func (s *saver) tellCourse(cluster string, began time.Time, took time.Duration) {
	s.t.Helper()
	var pods corev1.PodList
	s.must(s.List(s.t.Context(), &pods, client.InNamespace(s.cluster.Namespace), client.MatchingLabels{v1alpha2.LabelCluster: cluster}))
	for i := range pods.Items {
		said := s.said(&pods.Items[i])
		s.course = fmt.Sprintf("the operator began to fetch after %.1f s, had fetched after %.1f s, and served %.1f s later",
			said["fetching"].Sub(began).Seconds(), said["fetched"].Sub(began).Seconds(), (took - said["fetched"].Sub(began)).Seconds())
	}
}
