package resource_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

var update = flag.Bool("update", false, "record the golden files anew")

const clusterUID = "5f0c5c5e-8f0b-4a6c-9d8e-3b7a1c2d4e5f"

func plainCluster() *v1alpha2.EtcdCluster {
	return &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "db", UID: clusterUID},
		Spec: v1alpha2.EtcdClusterSpec{
			Replicas: new(int32(3)),
			Version:  "3.6.16",
			Storage:  v1alpha2.StorageSpec{Size: apiresource.MustParse("1Gi")},
		},
	}
}

// fullCluster sets every field that reaches an object, and a label that belongs to the operator.
func fullCluster() *v1alpha2.EtcdCluster {
	c := plainCluster()
	c.Spec.Version = "3.5.35"
	c.Spec.Storage = v1alpha2.StorageSpec{Size: apiresource.MustParse("512Mi"), Medium: v1alpha2.StorageMediumMemory}
	c.Spec.Resources = corev1.ResourceRequirements{
		Limits: corev1.ResourceList{corev1.ResourceMemory: apiresource.MustParse("1Gi")},
	}
	c.Spec.AdditionalMetadata = &v1alpha2.AdditionalMetadata{
		Labels:      map[string]string{"team": "storage", v1alpha2.LabelClusterUID: "stolen"},
		Annotations: map[string]string{"contact": "storage@example.org"},
	}
	c.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.DoNotSchedule,
	}}
	c.Spec.Options = &v1alpha2.EtcdOptions{
		QuotaBackendBytes:       new(int64(4 << 30)),
		AutoCompactionMode:      v1alpha2.CompactionPeriodic,
		AutoCompactionRetention: "30m",
		SnapshotCount:           new(int64(10000)),
	}
	c.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "registry"}}
	return c
}

func member(c *v1alpha2.EtcdCluster) *v1alpha2.EtcdMember {
	name := resource.MemberName(c.Name, c.UID, 1)
	m := resource.Member(c, resource.MemberIntent{
		Ordinal: 1, Founder: true,
		InitialCluster: resource.InitialCluster(resource.Peer{Name: name, URL: resource.WantedPeerURL(c, name)}),
	})
	m.UID = "member-uid"
	return m
}

func TestGolden(t *testing.T) {
	plain, full := plainCluster(), fullCluster()
	voter := member(full)
	voter.Status.IsVoter = true
	minor37 := plainCluster()
	minor37.Spec.Version = "3.7.3"

	apart := fullCluster()
	apart.Spec.Affinity = &corev1.Affinity{
		NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
				{Key: "disk", Operator: corev1.NodeSelectorOpIn, Values: []string{"fast"}},
			}}},
		}},
		PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			LabelSelector: &metav1.LabelSelector{MatchLabels: resource.MemberPodLabels(apart.UID)}, TopologyKey: corev1.LabelHostname,
		}}},
	}
	rehearsing := resource.RehearsalIntent{OperatorImage: "operator:dev", EtcdRepository: "registry.example/etcd"}

	first := resource.PodIntent{
		OperatorImage: "operator:dev", EtcdRepository: "registry.example/etcd",
		VolumeUID: "volume-uid", Grant: resource.GrantEmpty, Form: true,
	}
	later := first
	later.Grant, later.Form = resource.GrantNone, false

	encrypted, mutual, prepared := plainCluster(), plainCluster(), plainCluster()
	encrypted.Spec.TLS = &v1alpha2.EtcdClusterTLS{Client: &v1alpha2.ClientTLS{
		ServerSecretRef: &corev1.LocalObjectReference{Name: "theirs"},
	}}
	encrypted.Status.TLS = &v1alpha2.TLSStatus{Client: &v1alpha2.PlaneTLSStatus{Stage: v1alpha2.TLSSecured}}
	prepared.Spec.TLS = &v1alpha2.EtcdClusterTLS{Client: &v1alpha2.ClientTLS{AcceptPlaintext: true}}
	prepared.Status.TLS = &v1alpha2.TLSStatus{
		Client: &v1alpha2.PlaneTLSStatus{Stage: v1alpha2.TLSMutual, Bundle: "c1"},
		Peer:   &v1alpha2.PlaneTLSStatus{Stage: v1alpha2.TLSPrepared, Bundle: "p1"},
	}
	mutual.Spec.TLS = &v1alpha2.EtcdClusterTLS{
		Client: &v1alpha2.ClientTLS{Auto: &v1alpha2.ClientAutoTLS{}}, Peer: &v1alpha2.PeerTLS{Auto: &v1alpha2.PeerAutoTLS{}},
	}
	mutual.Status.TLS = &v1alpha2.TLSStatus{
		Client: &v1alpha2.PlaneTLSStatus{Stage: v1alpha2.TLSMutual, Bundle: "c1"},
		Peer:   &v1alpha2.PlaneTLSStatus{Stage: v1alpha2.TLSSecured, Bundle: "p1"},
	}
	fromS3, fromClaim := restored(plain, v1alpha2.SnapshotLocation{S3: &v1alpha2.S3Location{
		Endpoint: "https://s3.example.com", Bucket: "backups", Key: "db/$(AWS_SECRET_ACCESS_KEY).db", ServiceAccountName: "reader",
		CredentialsSecretRef: &corev1.LocalObjectReference{Name: "s3"}, CASecretRef: &corev1.LocalObjectReference{Name: "s3-ca"},
	}}), restored(full, v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "backups", SubPath: "db/now.db.zst"}})
	fetching := first
	fetching.StoreAccess = "s3=12,s3-ca=13"
	joining := member(plain)
	joining.Spec.Bootstrap = false

	for name, object := range map[string]any{
		"job-save":          agentJob(t, storedInS3(), saveIntent()),
		"job-save-plain":    agentJob(t, storedOnVolume(), resource.AgentIntent{Kind: task.Save, Number: 2, OperatorImage: "operator:dev"}),
		"job-delete":        agentJob(t, storedInS3(), resource.AgentIntent{Kind: task.Delete, Number: 1, OperatorImage: "operator:dev"}),
		"job-drill":         agentJob(t, storedOnVolume(), drillIntent()),
		"member-plain":      member(plain),
		"member-full":       member(full),
		"claim":             resource.Claim(member(plain)),
		"pod-first-start":   resource.Pod(member(plain), first),
		"pod-first-join":    resource.Pod(joining, first),
		"pod-restore-s3":    resource.Pod(fromS3, fetching),
		"pod-restore-claim": resource.Pod(fromClaim, first),
		"member-restore":    fromS3,
		"pod-encrypted":     resource.Pod(member(encrypted), later),
		"pod-mutual":        resource.Pod(member(mutual), later),
		"pod-prepared":      resource.Pod(member(prepared), later),
		"member-mutual":     member(mutual),
		"pod-full-later":    resource.Pod(voter, later),
		"pod-3.7-later":     resource.Pod(member(minor37), later),
		"rehearsal-plain":   resource.Rehearsal(plain, rehearsing),
		"rehearsal-full":    resource.Rehearsal(apart, rehearsing),
		"service-headless":  resource.HeadlessService(plain),
		"service-client":    resource.ClientService(full),
		"connection-mutual": resource.Connection(mutual, []v1alpha2.EtcdMember{votes(mutual)}, "PEM\n"),
		"disruption-budget": resource.DisruptionBudget(plain, 3, 3),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := yaml.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".yaml")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s differs (-want +got):\n%s", path, diff)
			}
		})
	}
}
