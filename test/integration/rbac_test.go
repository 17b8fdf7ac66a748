package integration_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// rights are all that the operator may do, on all that this API server serves. Whoever adds one writes it down here.
const rights = `
authentication.k8s.io/tokenreviews: create
authorization.k8s.io/subjectaccessreviews: create
batch/jobs: get list watch create delete
cert-manager.io/certificates: list create update delete
configmaps: get list watch create update delete
etcd-operator.cozystack.io/etcdclusters/status: get patch
etcd-operator.cozystack.io/etcdclusters: get list watch
etcd-operator.cozystack.io/etcdmembers/status: get patch
etcd-operator.cozystack.io/etcdmembers: get list watch create patch delete
etcd-operator.cozystack.io/etcdsnapshots/status: get patch
etcd-operator.cozystack.io/etcdsnapshots: get list watch create patch delete
etcd-operator.cozystack.io/etcdsnapshotschedules/status: get patch
etcd-operator.cozystack.io/etcdsnapshotschedules: get list watch patch
events.k8s.io/events: create patch
nodes: get list watch
persistentvolumeclaims: get list watch create patch delete
persistentvolumes: get
pods: get list watch create patch delete
policy/poddisruptionbudgets: get list watch create update
secrets: get list watch create update delete
services: get list watch create update
storage.k8s.io/storageclasses: get
`

// certManager is what cert-manager brings along. Rights can be asked for also where it is not there.
var certManager = &metav1.APIResourceList{GroupVersion: "cert-manager.io/v1", APIResources: []metav1.APIResource{
	{Name: "certificates"}, {Name: "certificates/status"}, {Name: "certificaterequests"}, {Name: "issuers"}, {Name: "clusterissuers"},
}}

// ownRights are what it may do besides in its own namespace.
const ownRights = `
coordination.k8s.io/leases: create
events: create patch
`

func TestTheOperatorHasTheRightsItNeedsAndNoOthers(t *testing.T) {
	if diff := cmp.Diff(lines(rights), rightsIn(t, operatorName, newNamespace(t))); diff != "" {
		t.Errorf("in any namespace: %s", diff)
	}
	if diff := cmp.Diff(lines(rights+ownRights), rightsIn(t, operatorName, operatorNamespace)); diff != "" {
		t.Errorf("in its own namespace: %s", diff)
	}
}

func TestTheLeaseIsTheOnlyOneItMayChange(t *testing.T) {
	for name, want := range map[string]bool{"etcd-operator.cozystack.io": true, "another": false} {
		about := authorizationv1.ResourceAttributes{
			Namespace: operatorNamespace, Group: "coordination.k8s.io", Resource: "leases", Name: name, Verb: "update",
		}
		if got := may(t, operatorName, about); got != want {
			t.Errorf("update of the Lease %s: allowed is %t, want %t", name, got, want)
		}
	}
}

// lines are the lines of s, sorted.
func lines(s string) []string {
	return slices.Sorted(strings.FieldsFuncSeq(s, func(r rune) bool { return r == '\n' }))
}

// rightsIn lists, a line a resource, what a ServiceAccount of the operator's namespace may do in a namespace beyond what
// every ServiceAccount may.
func rightsIn(t *testing.T, serviceAccount, namespace string) (rights []string) {
	t.Helper()
	_, lists, err := kubernetes.NewForConfigOrDie(admin).Discovery().ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	lists = append(lists, certManager)
	for _, list := range lists {
		group, _, grouped := strings.Cut(list.GroupVersion, "/")
		if !grouped {
			group = ""
		}
		for _, r := range list.APIResources {
			resource, sub, _ := strings.Cut(r.Name, "/")
			var verbs []string
			for _, verb := range []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"} {
				about := authorizationv1.ResourceAttributes{Namespace: namespace, Group: group, Resource: resource, Subresource: sub, Verb: verb}
				if may(t, serviceAccount, about) && !may(t, "nobody", about) {
					verbs = append(verbs, verb)
				}
			}
			if verbs != nil {
				rights = append(rights, fmt.Sprintf("%s: %s", strings.TrimPrefix(group+"/"+r.Name, "/"), strings.Join(verbs, " ")))
			}
		}
	}
	slices.Sort(rights)
	return slices.Compact(rights) // a group may be served in several versions
}

func may(t *testing.T, serviceAccount string, what authorizationv1.ResourceAttributes) bool {
	t.Helper()
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		ResourceAttributes: &what,
		User:               "system:serviceaccount:" + operatorNamespace + ":" + serviceAccount,
		Groups:             []string{"system:serviceaccounts", "system:serviceaccounts:" + operatorNamespace, "system:authenticated"},
	}}
	if err := kube.Create(t.Context(), review); err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

func TestNamespacedModeReachesNoOtherNamespace(t *testing.T) {
	inside, outside := newNamespace(t), newNamespace(t)
	installMore(t, "--name", "narrow", "--set", "crds.enabled=false", "--set", "watchNamespaces={"+inside+"}")
	if diff := cmp.Diff(rightsIn(t, operatorName, outside), rightsIn(t, "narrow", inside)); diff != "" {
		t.Errorf("rights differ from those of the whole-cluster mode: %s", diff)
	}
	for _, right := range rightsIn(t, "narrow", outside) {
		if !strings.Contains(right, "reviews: create") {
			t.Errorf("outside its namespaces it may: %s", right)
		}
	}
}

// installMore installs another release until the test ends.
func installMore(t *testing.T, args ...string) {
	t.Helper()
	objects, err := renderChart(args...)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		apply := client.ApplyConfigurationFromUnstructured(o)
		if err := kube.Apply(t.Context(), apply, client.FieldOwner("integration")); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = kube.Delete(context.Background(), o) })
	}
}
