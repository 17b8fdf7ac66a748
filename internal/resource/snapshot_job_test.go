package resource_test

import (
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

func storedInS3() *v1alpha2.EtcdSnapshot {
	return &v1alpha2.EtcdSnapshot{
		ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "nightly", UID: "snapshot-uid"},
		Spec: v1alpha2.EtcdSnapshotSpec{
			ClusterRef: corev1.LocalObjectReference{Name: "db"}, Compression: v1alpha2.CompressionZstd,
			Destination: v1alpha2.SnapshotLocation{S3: &v1alpha2.S3Location{
				Endpoint: "https://s3.example.org", Bucket: "backup", Key: "db", Region: "eu", ServiceAccountName: "backup",
				CredentialsSecretRef: &corev1.LocalObjectReference{Name: "store"}, CASecretRef: &corev1.LocalObjectReference{Name: "store-ca"},
			}},
		},
	}
}

func storedOnVolume() *v1alpha2.EtcdSnapshot {
	s := storedInS3()
	s.Spec.Destination = v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "disk", SubPath: "db"}}
	s.Status.Artifact = &v1alpha2.SnapshotArtifact{URI: "pvc://disk/db/nightly.db.zst", SizeBytes: 20480, Checksum: "sha256:abc", Revision: 7}
	return s
}

func saveIntent() resource.AgentIntent {
	return resource.AgentIntent{
		Kind: task.Save, Number: 1, Deadline: 3600, OperatorImage: "operator:dev",
		ImagePullSecrets: []corev1.LocalObjectReference{{Name: "registry"}},
		Metadata: &v1alpha2.AdditionalMetadata{
			Labels: map[string]string{
				"team": "storage", v1alpha2.LabelCluster: "db", v1alpha2.LabelClusterUID: "stolen", "app.kubernetes.io/name": "etcd",
			},
			Annotations: map[string]string{"contact": "storage@example.org"},
		},
		Source: resource.AgentSource{
			Endpoints: []task.Endpoint{{Member: "db-a", URL: "https://db-a.db.prod.svc:2379"}},
			Trust:     "db-client-trust-c1", Client: "db-operator-tls", Root: "db-operator-root", PasswordKey: "password",
		},
	}
}

func drillIntent() resource.AgentIntent {
	return resource.AgentIntent{
		Kind: task.Drill, Number: 1, Request: "2026-01-02T12:00:00Z", Deadline: 3600, OperatorImage: "operator:dev",
		EtcdRepository: "registry.example/etcd", EtcdVersion: "3.6.16",
	}
}

func agentJob(t *testing.T, s *v1alpha2.EtcdSnapshot, in resource.AgentIntent) *batchv1.Job {
	t.Helper()
	job, err := resource.AgentJob(s, in)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

func TestJobsOfLongNamesAreToldApart(t *testing.T) {
	long := strings.Repeat("long.", 40)
	names := map[string]string{}
	for _, snapshot := range []string{"now", long + "a", long + "b", strings.Repeat("x", 53) + ".-" + strings.Repeat("y", 60)} {
		for _, kind := range []task.Kind{task.Save, task.Delete, task.Drill} {
			for _, number := range []int{1, 100} {
				name := resource.AgentJobName(snapshot, kind, number, "request")
				if other, taken := names[name]; taken {
					t.Errorf("%s is the name for %s and for %s", name, snapshot, other)
				}
				names[name] = snapshot
				if wrong := append(validation.IsDNS1123Subdomain(name), validation.IsValidLabelValue(name)...); len(name) > 63 || wrong != nil {
					t.Errorf("%s (%d): %v", name, len(name), wrong)
				}
			}
		}
		if label := resource.SnapshotLabel(snapshot); validation.IsValidLabelValue(label) != nil {
			t.Errorf("%s is no label", label)
		}
	}
}
