package integration_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

func TestASizeMayBeLoweredAsFarAsNoVolumeHasGrown(t *testing.T) {
	o := object(t, "EtcdCluster", newNamespace(t), "demo", `{version: 3.6.16, storage: {size: 100Gi}}`)
	create(t, o)
	var c v1alpha2.EtcdCluster
	if err := kube.Get(t.Context(), client.ObjectKeyFromObject(o), &c); err != nil {
		t.Fatal(err)
	}
	has := resource.MustParse("2Gi")
	c.Status.VolumeSize = &has
	if err := kube.Status().Update(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ change, want string }{
		{`storage: {size: 2047Mi}`, "spec.storage.size cannot be less than the volumes have"},
		{`storage: {size: 5Gi}`, ""},
		{`storage: {size: 2Gi}`, ""},
		{`storage: {size: 1Gi}`, "spec.storage.size cannot be less than the volumes have"},
		{`storage: {size: 3Gi}`, ""},
	} {
		err := change(t, o, step.change)
		if step.want != "" {
			expectRefusal(t, err, step.want)
		} else if err != nil {
			t.Errorf("%s is refused: %v", step.change, err)
		}
	}
}

func TestTheRetentionPolicyIsThatOfAStatefulSet(t *testing.T) {
	ns := newNamespace(t)
	o := object(t, "EtcdCluster", ns, "demo", `{version: 3.6.16}`)
	create(t, o)
	const field = "persistentVolumeClaimRetentionPolicy"
	if err := change(t, o, `storage: {`+field+`: {whenDeleted: Retain}}`); err != nil {
		t.Fatal(err)
	}
	var c v1alpha2.EtcdCluster
	if err := kube.Get(t.Context(), client.ObjectKeyFromObject(o), &c); err != nil {
		t.Fatal(err)
	}
	p := c.Spec.Storage.PersistentVolumeClaimRetentionPolicy
	if p.WhenDeleted != v1alpha2.VolumeRetain || p.WhenScaled != v1alpha2.VolumeDelete {
		t.Errorf("the policy is %+v", p)
	}
	expectRefusal(t, change(t, o, `storage: {`+field+`: {whenScaled: Keep}}`), "Unsupported value")
}
