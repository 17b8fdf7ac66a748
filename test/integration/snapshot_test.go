package integration_test

import (
	"testing"

	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

func TestASnapshotThatCannotBeTakenIsRefused(t *testing.T) {
	ns := newNamespace(t)
	of := func(destination, more string) string {
		return "{clusterRef: {name: demo}, destination: " + destination + more + "}"
	}
	claim := func(more string) string { return "{pvc: {claimName: backup" + more + "}}" }
	bucket := func(endpoint, more string) string {
		return `{s3: {bucket: backup, endpoint: "` + endpoint + `"` + more + "}}"
	}
	const endpoint = "https://s3.example.org:9000"
	for _, tc := range []struct{ name, spec, want string }{
		{"onto-a-volume", of(claim(", subPath: a/b"), ""), ""},
		{"into-a-bucket", of(bucket(endpoint, ""), ", compression: Zstd, deletionPolicy: Delete, activeDeadlineSeconds: 30"), ""},
		{"nowhere", of("{}", ""), "name exactly one of s3 and pvc"},
		{"into-both", of(`{pvc: {claimName: a}, s3: {endpoint: "`+endpoint+`", bucket: backup}}`, ""), "name exactly one of s3 and pvc"},
		{"of-nobody", "{clusterRef: {}, destination: {pvc: {claimName: backup}}}", "clusterRef.name must name an EtcdCluster"},
		{"endpoint-with-a-path", of(bucket(endpoint+"/backup", ""), ""), "endpoint must be a URL of scheme http or https without a path"},
		{"endpoint-with-credentials", of(bucket("https://me:secret@s3.example.org", ""), ""), "endpoint must be a URL"},
		{"endpoint-without-a-scheme", of(bucket("s3.example.org", ""), ""), "endpoint must be a URL"},
		{"key-from-the-root", of(bucket(endpoint, ", key: /a"), ""), "key must not start with /"},
		{"out-of-the-volume", of(claim(", subPath: a/../../b"), ""), "subPath must be relative"},
		{"from-the-root-of-the-node", of(claim(", subPath: /etc"), ""), "subPath must be relative"},
		{"compressed-somehow", of(claim(""), ", compression: Gzip"), "supported values"},
		{"in-no-time", of(claim(""), ", activeDeadlineSeconds: 5"), "greater than or equal to 30"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := kube.Create(t.Context(), object(t, "EtcdSnapshot", ns, tc.name, tc.spec))
			if tc.want != "" {
				expectRefusal(t, err, tc.want)
			} else if err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestOfASnapshotOnlyTheDeletionPolicyCanBeChanged(t *testing.T) {
	o := object(t, "EtcdSnapshot", newNamespace(t), "now", `{clusterRef: {name: demo}, destination: {pvc: {claimName: backup}}}`)
	create(t, o)
	for _, spec := range []string{
		`clusterRef: {name: other}`, `destination: {pvc: {claimName: other}}`, `destination: {pvc: {claimName: backup, subPath: a}}`,
		`compression: Zstd`, `activeDeadlineSeconds: 60`,
	} {
		expectRefusal(t, change(t, o.DeepCopy(), spec), "a snapshot is taken once")
	}
	for _, policy := range []string{"Delete", "Retain"} {
		if err := change(t, o, "deletionPolicy: "+policy); err != nil {
			t.Errorf("refused: %v", err)
		}
	}
}

// snapshotsAreTaken expects of an operator that runs with its own rights what it does for an EtcdSnapshot. Nobody runs Jobs here.
func snapshotsAreTaken(t *testing.T, g *WithT) {
	t.Helper()
	ns := newNamespace(t)
	demo := &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ns, Name: "demo", Annotations: map[string]string{v1alpha2.AnnotationReconcile: v1alpha2.ReconcileDisabled},
		},
		Spec: v1alpha2.EtcdClusterSpec{Version: "3.6.16"},
	}
	s := &v1alpha2.EtcdSnapshot{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "now"},
		Spec: v1alpha2.EtcdSnapshotSpec{
			ClusterRef: corev1.LocalObjectReference{Name: "demo"}, DeletionPolicy: v1alpha2.SnapshotDelete,
			Destination: v1alpha2.SnapshotLocation{S3: &v1alpha2.S3Location{
				Endpoint: "https://s3.example.org", Bucket: "backup", CredentialsSecretRef: &corev1.LocalObjectReference{Name: "store"},
			}},
		},
	}
	create(t, s)
	waitsFor := func(reason string) {
		t.Helper()
		g.Eventually(func(g Gomega) {
			g.Expect(kube.Get(t.Context(), client.ObjectKeyFromObject(s), s)).To(Succeed())
			ready := meta.FindStatusCondition(s.Status.Conditions, v1alpha2.ConditionReady)
			g.Expect(ready).NotTo(BeNil())
			g.Expect(ready.Reason).To(Equal(reason))
		}).Should(Succeed())
	}
	waitsFor(v1alpha2.ReasonClusterMissing)
	g.Expect(s.Finalizers).To(ContainElement(v1alpha2.FinalizerSnapshot))
	create(t, demo)
	waitsFor(v1alpha2.ReasonClusterNotReady)
	create(t, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "store"},
		Data:       map[string][]byte{resource.S3AccessKey: []byte("id"), resource.S3SecretKey: []byte("key")},
	})
	// As after a try that failed: there is no etcd here that anything could be streamed from.
	tried := []byte(`{"status":{"phase":"Failed","attempts":1}}`)
	g.Expect(kube.Status().Patch(t.Context(), s, client.RawPatch(types.MergePatchType, tried))).To(Succeed())
	g.Expect(kube.Delete(t.Context(), s)).To(Succeed())
	job := &batchv1.Job{}
	g.Eventually(func() error {
		return kube.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "now-delete-1"}, job)
	}).Should(Succeed())
	waitsFor("Deleting")
	g.Expect(change(t, object(t, "EtcdSnapshot", ns, "now", ""), "deletionPolicy: Retain")).To(Succeed())
	g.Eventually(func() error {
		return kube.Get(t.Context(), client.ObjectKeyFromObject(s), s)
	}).Should(MatchError(apierrors.IsNotFound, "IsNotFound"))
}
