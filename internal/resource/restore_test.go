package resource_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// restored is the member of a cluster that starts from a snapshot.
func restored(c *v1alpha2.EtcdCluster, from v1alpha2.SnapshotLocation) *v1alpha2.EtcdMember {
	m := resource.Member(c, resource.MemberIntent{
		Ordinal: 1, Founder: true, InitialCluster: "db-a=http://db-a:2380",
		Restore: &v1alpha2.MemberRestore{Source: from, Snapshot: "now", RevisionBump: 1000, Artifact: &v1alpha2.SnapshotArtifact{
			URI: "s3://backups/db/now.db", SizeBytes: 7, Checksum: "sha256:ab", EtcdVersion: "3.5.35",
		}},
	})
	m.UID = "member-uid"
	return m
}

func claimed() v1alpha2.SnapshotLocation {
	return v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "backups", SubPath: "now.db"}}
}

func TestOnlyTheFirstStartBeginsWithASnapshot(t *testing.T) {
	form := resource.PodIntent{Form: true, Grant: resource.GrantEmpty}
	for claim, tc := range map[string]struct {
		change func(*v1alpha2.EtcdMember, *resource.PodIntent)
		want   bool
	}{
		"while the cluster has not formed": {func(*v1alpha2.EtcdMember, *resource.PodIntent) {}, true},
		"with or without the grant: no Pod starts empty instead": {func(_ *v1alpha2.EtcdMember, in *resource.PodIntent) {
			in.Grant = resource.GrantNone
		}, true},
		"not once it has formed":  {func(_ *v1alpha2.EtcdMember, in *resource.PodIntent) { in.Form = false }, false},
		"not a member that joins": {func(m *v1alpha2.EtcdMember, _ *resource.PodIntent) { m.Spec.Bootstrap = false }, false},
		"not one without":         {func(m *v1alpha2.EtcdMember, _ *resource.PodIntent) { m.Spec.Restore = nil }, false},
	} {
		t.Run(claim, func(t *testing.T) {
			m, in := restored(plainCluster(), claimed()), form
			tc.change(m, &in)
			pod := resource.Pod(m, in)
			fetches := slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == resource.FetchContainer })
			if resource.Restores(pod) != tc.want || fetches != tc.want || resource.HoldsSource(pod) != tc.want {
				t.Errorf("restores %v, fetches %v, holds the claim %v", resource.Restores(pod), fetches, resource.HoldsSource(pod))
			}
		})
	}
}

func TestTheVolumeIsAdmittedBeforeAnythingIsFetched(t *testing.T) {
	pod := resource.Pod(restored(plainCluster(), claimed()), resource.PodIntent{Form: true, Grant: resource.GrantEmpty})
	var names []string
	for _, c := range pod.Spec.InitContainers {
		names = append(names, c.Name)
	}
	if want := []string{"prepare-volume", resource.FetchContainer}; !slices.Equal(names, want) {
		t.Errorf("in the order %v, want %v", names, want)
	}
	for _, c := range pod.Spec.InitContainers {
		for _, m := range c.VolumeMounts {
			if c.Name == resource.FetchContainer && m.MountPath != "/scratch" && !m.ReadOnly {
				t.Errorf("what fetches may write to %s", m.MountPath)
			}
		}
	}
}

// TestAMemberStartsAgainWithoutWhatItsSnapshotWasFetchedWith: its node may start again years later.
func TestAMemberStartsAgainWithoutWhatItsSnapshotWasFetchedWith(t *testing.T) {
	m := restored(plainCluster(), v1alpha2.SnapshotLocation{S3: &v1alpha2.S3Location{
		Bucket: "b", Key: "k",
		CredentialsSecretRef: &corev1.LocalObjectReference{Name: "s3"}, CASecretRef: &corev1.LocalObjectReference{Name: "s3"},
	}})
	pod := resource.Pod(m, resource.PodIntent{Form: true})
	for _, c := range pod.Spec.InitContainers {
		for _, e := range c.Env {
			if ref := e.ValueFrom; ref != nil && ref.SecretKeyRef != nil && (ref.SecretKeyRef.Optional == nil || !*ref.SecretKeyRef.Optional) {
				t.Errorf("%s cannot do without %s", c.Name, e.Name)
			}
		}
	}
	for _, v := range pod.Spec.Volumes {
		if v.Projected != nil && !*v.Projected.Sources[0].Secret.Optional {
			t.Errorf("the Pod cannot do without %s", v.Name)
		}
	}
	if got := resource.StoreLacks(m, &corev1.Secret{}); len(got) > 0 {
		t.Errorf("another Secret lacks %v", got)
	}
	secret := &corev1.Secret{Data: map[string][]byte{resource.S3AccessKey: []byte("x")}}
	secret.Name = "s3"
	if got := resource.StoreLacks(m, secret); !slices.Equal(got, []string{resource.S3SecretKey, "ca.crt"}) {
		t.Errorf("the Secret lacks %v", got)
	}
}

func TestNoSecretGetsIntoTheArgumentsOfAMembersPod(t *testing.T) {
	m := restored(plainCluster(), v1alpha2.SnapshotLocation{S3: &v1alpha2.S3Location{
		Bucket: "b", Key: "$(AWS_SECRET_ACCESS_KEY)", CredentialsSecretRef: &corev1.LocalObjectReference{Name: "s3"},
	}})
	for _, c := range resource.Pod(m, resource.PodIntent{Form: true}).Spec.InitContainers {
		for _, arg := range slices.Concat(c.Command, c.Args) {
			if strings.Contains(arg, "$(AWS") {
				t.Errorf("the kubelet fills in %s", arg)
			}
		}
	}
}
