package plugin

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// restorable is a stage with a snapshot, complete two hours ago, of a cluster that is there, or not.
func restorable(change func(*v1alpha2.EtcdSnapshot)) stage {
	s := demoScene(3)
	s.Cluster.Spec.Auth = &v1alpha2.AuthSpec{Enabled: true, RootCredentialsSecretRef: &corev1.LocalObjectReference{Name: "demo-root"}}
	s.Cluster.Spec.TLS = &v1alpha2.EtcdClusterTLS{Client: &v1alpha2.ClientTLS{Auto: &v1alpha2.ClientAutoTLS{}}}
	s.Cluster.Spec.Storage.Size = apiresource.MustParse("4Gi")
	o := snapshotObject("now", 2*time.Hour, v1alpha2.SnapshotComplete)
	if change != nil {
		change(o)
	}
	st := stage{scene: s}
	st.objects = append(st.objects, o)
	return st
}

func TestManifestsOfRestores(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*v1alpha2.EtcdSnapshot)
		args   []string
	}{
		"restore-like-the-cluster": {nil, []string{"copy", "--from", "now"}},
		"restore-cluster-gone": {func(o *v1alpha2.EtcdSnapshot) { o.Spec.ClusterRef.Name = "gone"; o.Status.Artifact.SizeBytes = 3 << 30 },
			[]string{"gone", "--from", "now"}},
		"restore-elsewhere": {func(o *v1alpha2.EtcdSnapshot) { o.Namespace, o.Spec.ClusterRef.Name = "prod", "gone" },
			[]string{"demo", "--from", "prod/now", "--version", "3.7.4"}},
		"restore-place": {nil, []string{"copy", "--from", "s3://backup/demo/now.db", "--endpoint", "https://s3.example.com",
			"--credentials", "s3", "--version", "3.6.16"}},
		"restore-volume": {nil, []string{"copy", "--from", "pvc://backup/demo/now.db", "--like", "demo"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := restorable(c.change).run(t, append([]string{"restore"}, c.args...)...)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, out)
		})
	}
}

func TestARestoreIsMadeOnlyOfWhatIsWholeAndFits(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*v1alpha2.EtcdSnapshot)
		args   string
		want   string
	}{
		"an unfinished snapshot": {func(o *v1alpha2.EtcdSnapshot) { o.Status.Phase = v1alpha2.SnapshotStarted }, "copy --from now",
			"now is not complete: it is Started"},
		"one that is not there": {nil, "copy --from then", `no EtcdSnapshot "then"`},
		"an older etcd": {nil, "copy --from now --version 3.6.16",
			"etcd 3.6.16 cannot read a snapshot of etcd 3.7.3: say --version 3.7.3 or newer"},
		"no version":  {nil, "copy --from pvc://c/f.db", "say --version of etcd, or --like a cluster"},
		"a directory": {nil, "copy --from pvc://c --version 3.6.16", "is no exact place"},
		"a volume of another": {onVolumeOfProd, "copy --from prod/now",
			"which no other namespace can mount"},
		"a model that is not there": {nil, "copy --from now --like demi", `no EtcdCluster "demi"`},
		"a cluster that is there":   {nil, "demo --from now --apply", "already exists"},
		"nothing":                   {nil, "copy", `required flag(s) "from" not set`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := restorable(c.change).run(t, append([]string{"restore"}, strings.Fields(c.args)...)...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("says %v, want %s", err, c.want)
			}
		})
	}
	out, err := restorable(nil).run(t, "restore", "copy", "--from", "now", "--apply")
	if err != nil {
		t.Fatal(err)
	}
	contains(t, out, "EtcdCluster copy is created, and starts from now.\n",
		"Note: users and passwords are those of the snapshot: Secret demo-root must hold")
}

func onVolumeOfProd(o *v1alpha2.EtcdSnapshot) {
	o.Namespace = "prod"
	o.Spec.Destination = v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "backup"}}
}
