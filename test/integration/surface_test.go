package integration_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

func TestKindsAreFoundByTheirNames(t *testing.T) {
	clientset := kubernetes.NewForConfigOrDie(admin)
	list, err := clientset.Discovery().ServerResourcesForGroupVersion(v1alpha2.GroupVersion.String())
	if err != nil {
		t.Fatal(err)
	}
	type names struct{ Short, Categories []string }
	got := map[string]names{}
	for _, r := range list.APIResources {
		got[r.Name] = names{r.ShortNames, r.Categories}
	}
	want := map[string]names{
		"etcdclusters":         {[]string{"etcd"}, []string{"all", "etcd-operator"}},
		"etcdclusters/status":  {},
		"etcdclusters/scale":   {},
		"etcdmembers":          {[]string{"etcdm"}, []string{"etcd-operator"}},
		"etcdmembers/status":   {},
		"etcdmembers/scale":    {},
		"etcdsnapshots":        {[]string{"etcds"}, []string{"etcd-operator"}},
		"etcdsnapshots/status": {},

		"etcdsnapshotschedules":        {[]string{"etcdss"}, []string{"etcd-operator"}},
		"etcdsnapshotschedules/status": {},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestColumnsShowHealthAtAGlance(t *testing.T) {
	ns := newNamespace(t)
	c := &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "demo"},
		Spec:       v1alpha2.EtcdClusterSpec{Version: "3.6.16"},
	}
	create(t, c)
	c.Status.ReadyMembers = 2
	c.Status.Leader = "demo-a"
	c.Status.Conditions = []metav1.Condition{
		condition(v1alpha2.ConditionReady, metav1.ConditionFalse, "MemberNotReady"),
		condition(v1alpha2.ConditionAvailable, metav1.ConditionTrue, v1alpha2.ReasonQuorumAvailable),
	}
	if err := kube.Status().Update(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	create(t, object(t, "EtcdMember", ns, "demo-a", member))

	for plural, want := range map[string]map[string]any{
		"etcdclusters": {"Name": "demo", "Version": "3.6.16", "Replicas": int64(3), "Ready": int64(2), "Available": "True",
			"Status": "MemberNotReady", "Age": "0s", "Leader": "demo-a", "DB size": nil},
		"etcdmembers": {"Name": "demo-a", "Cluster": "demo", "Version": "3.6.16", "Running": nil, "Ready": nil, "Status": nil,
			"Age": "0s", "Member ID": nil, "Voter": nil},
	} {
		t.Run(plural, func(t *testing.T) {
			got := columns(t, ns, plural)
			got["Age"] = "0s" // a second may have passed
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// columns is the one row that "kubectl get -o wide" shows.
func columns(t *testing.T, namespace, plural string) map[string]any {
	t.Helper()
	var table metav1.Table
	err := kubernetes.NewForConfigOrDie(admin).RESTClient().Get().
		AbsPath("apis", v1alpha2.GroupVersion.Group, v1alpha2.GroupVersion.Version, "namespaces", namespace, plural).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").
		Do(t.Context()).Into(&table)
	if err != nil {
		t.Fatal(err)
	}
	if len(table.Rows) != 1 {
		t.Fatalf("want one row, got %d", len(table.Rows))
	}
	row := map[string]any{}
	for i, column := range table.ColumnDefinitions {
		row[column.Name] = table.Rows[0].Cells[i]
	}
	return row
}

func TestScaleReadsAndWrites(t *testing.T) {
	c := &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: newNamespace(t), Name: "demo"},
		Spec:       v1alpha2.EtcdClusterSpec{Version: "3.6.16", Replicas: ptr.To[int32](3)},
	}
	create(t, c)
	c.Status.ReadyMembers = 2
	c.Status.Selector = "a=b"
	if err := kube.Status().Update(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	var scale autoscalingv1.Scale
	if err := kube.SubResource("scale").Get(t.Context(), c, &scale); err != nil {
		t.Fatal(err)
	}
	if scale.Spec.Replicas != 3 || scale.Status.Replicas != 2 || scale.Status.Selector != "a=b" {
		t.Errorf("want 3 wanted, 2 ready, selector a=b; got %+v %+v", scale.Spec, scale.Status)
	}
	scale.Spec.Replicas = 5
	if err := kube.SubResource("scale").Update(t.Context(), c, client.WithSubResourceBody(&scale)); err != nil {
		t.Fatal(err)
	}
	if err := kube.Get(t.Context(), client.ObjectKeyFromObject(c), c); err != nil {
		t.Fatal(err)
	}
	if *c.Spec.Replicas != 5 {
		t.Errorf("replicas: want 5 after scaling, got %d", *c.Spec.Replicas)
	}
}
