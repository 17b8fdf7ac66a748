//go:build bench

package bench

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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
)

// TestSnapshots measures snapshots to S3 and to a claim, and a restore, beside the same by hand: etcdctl snapshot save and a plain upload,
// a plain download and etcdutl snapshot restore. BENCH_DATA_MB is how much data there is, 1024 if it is not set.
func TestSnapshots(t *testing.T) {
	megabytes := number(t, "BENCH_DATA_MB", 1024)
	b, err := bed.Connect()
	if err != nil {
		t.Fatal(err)
	}
	h := &hand{t: t, dir: t.TempDir(), tools: filepath.Join(filepath.Dir(b.Kubeconfig()), "bin", "etcd-v"+etcdVersion)}
	h.connect()
	p := admit(t, b, v1alpha2.StorageMediumDefault, megabytes)
	s := &saver{patient: p, hand: h}
	s.prepare()
	fmt.Printf("\n%d MB of data; seconds\n\n", megabytes)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WHAT\tBY HAND\tOPERATOR\tRATIO\tGOAL\tAGENT MB\tLONGEST WRITE GAP")
	save, upload, copied := h.save(p), h.upload(), h.copy()
	for _, row := range []struct {
		where string
		to    v1alpha2.SnapshotLocation
		hand  time.Duration
	}{
		{"snapshot to S3", s.s3(""), max(save, upload)},
		{"snapshot to a claim", v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "backups"}}, max(save, copied)},
	} {
		took, resident, gap := s.snapshot(row.to)
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.2f\tat most 1.11\t%.0f\t%.2f\n", row.where, row.hand.Seconds(), took.Seconds(),
			took.Seconds()/row.hand.Seconds(), float64(resident)/1e6, gap.Seconds())
	}
	byHand, took := h.download()+h.restore(), s.restored()
	fmt.Fprintf(w, "restore from S3\t%.1f\t%.1f\t%.2f\tat most 1.3\n", byHand.Seconds(), took.Seconds(), took.Seconds()/byHand.Seconds())
	w.Flush()
	fmt.Printf("\nby hand: etcdctl snapshot save %.1f s, plain upload %.1f s, copy to a file %.1f s; a snapshot counts the longer one, as if"+
		" they were piped together.\nThe operator also reads back all that it stored.\n", save.Seconds(), upload.Seconds(), copied.Seconds())
}

// hand does what people do without an operator.
type hand struct {
	t          *testing.T
	dir, tools string
	store      *minio.Client
	env        map[string]string
}

const bucket = "bench"

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

func (h *hand) save(p *patient) time.Duration {
	address := net.JoinHostPort(p.pod(p.follower()).Status.PodIP, "2379")
	return h.run("etcdctl", "--endpoints=http://"+address, "snapshot", "save", h.file("saved.db"))
}

func (h *hand) upload() time.Duration {
	began := time.Now()
	_, err := h.store.FPutObject(h.t.Context(), bucket, "by-hand.db", h.file("saved.db"), minio.PutObjectOptions{PartSize: 16 << 20})
	h.must(err)
	return time.Since(began)
}

func (h *hand) copy() time.Duration {
	began := time.Now()
	dd := []string{"if=" + h.file("saved.db"), "of=" + h.file("copied.db"), "bs=1M", "conv=fsync", "status=none"}
	h.must(exec.CommandContext(h.t.Context(), "dd", dd...).Run())
	return time.Since(began)
}

func (h *hand) download() time.Duration {
	began := time.Now()
	h.must(h.store.FGetObject(h.t.Context(), bucket, "by-hand.db", h.file("fetched.db"), minio.GetObjectOptions{}))
	return time.Since(began)
}

func (h *hand) restore() time.Duration {
	return h.run("etcdutl", "snapshot", "restore", h.file("fetched.db"), "--data-dir", h.file("restored"))
}

func (h *hand) run(tool string, args ...string) time.Duration {
	h.t.Helper()
	began := time.Now()
	if out, err := exec.CommandContext(h.t.Context(), filepath.Join(h.tools, tool), args...).CombinedOutput(); err != nil {
		h.t.Fatalf("%s: %v\n%s", tool, err, out)
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

func (s *saver) s3(key string) v1alpha2.SnapshotLocation {
	return v1alpha2.SnapshotLocation{S3: &v1alpha2.S3Location{
		Endpoint: s.hand.env["AWS_ENDPOINT_URL"], Bucket: bucket, Key: key, ForcePathStyle: true,
		CredentialsSecretRef: &corev1.LocalObjectReference{Name: "s3"},
	}}
}

// snapshot takes one while somebody writes, and tells how long it took from its creation on, and what the agent occupied at most.
func (s *saver) snapshot(to v1alpha2.SnapshotLocation) (took time.Duration, resident int64, gap time.Duration) {
	s.t.Helper()
	s.n++
	o := &v1alpha2.EtcdSnapshot{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.cluster.Namespace, Name: fmt.Sprintf("bench-%d-%d", s.n, time.Now().Unix())},
		Spec:       v1alpha2.EtcdSnapshotSpec{ClusterRef: corev1.LocalObjectReference{Name: s.cluster.Name}, Destination: to},
	}
	w := s.write()
	began := time.Now()
	s.must(s.Create(s.t.Context(), o))
	s.await("the snapshot", func() bool {
		resident = max(resident, s.agent(o.Name))
		s.must(s.Get(s.t.Context(), client.ObjectKeyFromObject(o), o))
		if o.Status.Phase == v1alpha2.SnapshotFailed {
			s.t.Fatalf("the snapshot failed: %+v", o.Status.Conditions)
		}
		return o.Status.Phase == v1alpha2.SnapshotComplete
	})
	took = time.Since(began)
	gap, err := w.stop()
	s.must(err)
	if to.S3 != nil {
		s.last = o
	}
	return took, resident, gap
}

// agent is what the agent of a snapshot occupies now, 0 if it does not run.
func (s *saver) agent(snapshot string) int64 {
	var pods corev1.PodList
	s.must(s.List(s.t.Context(), &pods, client.InNamespace(s.cluster.Namespace), client.MatchingLabels{v1alpha2.LabelSnapshot: snapshot}))
	for i := range pods.Items {
		if bytes, err := bed.Resident(&pods.Items[i], "etcd-operator"); err == nil {
			return bytes
		}
	}
	return 0
}

// restored makes a cluster from the last snapshot in S3 and tells how long it took until it served.
func (s *saver) restored() time.Duration {
	s.t.Helper()
	c := &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.cluster.Namespace, Name: "restored"},
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
	return time.Since(began)
}
