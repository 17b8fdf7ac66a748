//go:build e2e && full

package e2e

import (
	"testing"

	"github.com/onsi/gomega"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// TestEveryMinorIsSavedToEveryStoreHoweverItIsSecured also tries out what is stored: data and revision are those that were saved.
func TestEveryMinorIsSavedToEveryStoreHoweverItIsSecured(t *testing.T) {
	ways := map[string][]option{
		"plain": nil, "encrypted": {byPassword}, "mutual": {automatic}, "by password": {byPassword, authenticated},
		"by certificate": {automatic, authenticated},
	}
	for _, minor := range []string{"3.5.35", etcdVersion, "3.7.3"} {
		for way, options := range ways {
			t.Run(minor+" "+way, func(t *testing.T) {
				t.Parallel()
				c := newClusterWithAuth(t, append([]option{replicas(1), memory, version(minor)}, options...)...)
				c.awaitReady(1)
				who := nobody
				if c.get().Spec.Auth != nil {
					who = account{"root", "root-first"}
				}
				revision := c.populate(who)
				store := c.bucket()
				c.entrust(store, nil)
				c.disk()
				c.take("s3", store.Location("db", true), packed)
				c.take("pvc", v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "disk"}}, deleteStored)
				for _, name := range []string{"s3", "pvc"} {
					saved := c.awaitComplete(name).Status.Artifact
					c.Expect(saved.Revision).To(gomega.BeNumerically(">=", revision))
					c.Expect(saved.EtcdVersion).To(gomega.Equal(minor))
					c.tryOut(name, "Verified")
				}
				c.discard("pvc")
			})
		}
	}
}
