package integration_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

const (
	operatorUser   = "system:serviceaccount:" + operatorNamespace + ":" + operatorName
	garbage        = "system:serviceaccount:kube-system:generic-garbage-collector"
	namespaces     = "system:serviceaccount:kube-system:namespace-controller"
	allControllers = "system:kube-controller-manager"
)

// as is a client of another user who has every right, so that only the policy can say no.
func as(t *testing.T, user string) client.Client {
	t.Helper()
	cfg := rest.CopyConfig(admin)
	cfg.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:masters"}}
	c, err := client.New(cfg, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// treasure makes the two objects that a member cannot be without.
func treasure(t *testing.T, namespace, name string) (*v1alpha2.EtcdMember, *corev1.PersistentVolumeClaim) {
	t.Helper()
	m := &v1alpha2.EtcdMember{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha2.EtcdMemberSpec{
			ClusterName: "demo", Version: "3.6.16", ClusterToken: "t", PeerURL: "http://" + name + ".demo.ns.svc:2380",
		},
	}
	create(t, m)
	claim := volume(namespace, "data-"+name)
	claim.Labels = map[string]string{v1alpha2.LabelCluster: "demo", v1alpha2.LabelMember: name}
	create(t, claim)
	return m, claim
}

func volume(namespace, name string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
}

// awaitPolicy waits until the API server enforces the policy, which it learns of some time after the installation.
func awaitPolicy(t *testing.T) {
	t.Helper()
	m, _ := treasure(t, newNamespace(t), "bait")
	NewWithT(t).Eventually(func() error { return kube.Delete(t.Context(), m, client.DryRunAll) }, 30*time.Second, 100*time.Millisecond).
		Should(MatchError(ContainSubstring("allow-deletion")))
}

func TestPeopleDoNotDeleteMembersAndTheirVolumesByHand(t *testing.T) {
	awaitPolicy(t)
	ns := newNamespace(t)
	m, claim := treasure(t, ns, "demo-a")
	here := client.InNamespace(ns)
	all := metav1.DeletePropagationBackground
	for _, user := range []string{"kubernetes-admin", "system:serviceaccount:" + ns + ":" + operatorName, "system:node:node1"} {
		person := as(t, user)
		for claimed, act := range map[string]func() error{
			"delete EtcdMember":      func() error { return person.Delete(t.Context(), m) },
			"delete claim":           func() error { return person.Delete(t.Context(), claim, client.PropagationPolicy(all)) },
			"force deletion of it":   func() error { return person.Delete(t.Context(), claim, client.GracePeriodSeconds(0)) },
			"delete all EtcdMembers": func() error { return person.DeleteAllOf(t.Context(), &v1alpha2.EtcdMember{}, here) },
			"delete all claims":      func() error { return person.DeleteAllOf(t.Context(), &corev1.PersistentVolumeClaim{}, here) },
		} {
			refused(t, user+": "+claimed, act())
		}
	}
	for _, o := range []client.Object{m, claim} {
		if err := kube.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil || o.GetDeletionTimestamp() != nil {
			t.Errorf("%s did not outlive it: %v", o.GetName(), err)
		}
	}
}

// refused holds err to be the policy's, and to tell people what would happen, what to do instead, and how to do it all the same.
func refused(t *testing.T, claimed string, err error) {
	t.Helper()
	if !apierrors.IsForbidden(err) {
		t.Errorf("%s: want it forbidden, got %v", claimed, err)
		return
	}
	for _, words := range []string{
		"etcd would go on counting member demo-a", "scale the EtcdCluster", v1alpha2.AnnotationReplace + "=true",
		"delete the EtcdCluster", v1alpha2.AnnotationAllowDeletion + "=true",
	} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%s: the refusal should say %q, but says %v", claimed, words, err)
		}
	}
}

func TestControllersDeleteMembersAndTheirVolumes(t *testing.T) {
	awaitPolicy(t)
	for _, user := range []string{operatorUser, garbage, namespaces, allControllers} {
		t.Run(user, func(t *testing.T) {
			ns, controller := newNamespace(t), as(t, user)
			m, claim := treasure(t, ns, "demo-a")
			treasure(t, ns, "demo-b")
			for _, o := range []client.Object{m, claim} {
				if err := controller.Delete(t.Context(), o); err != nil {
					t.Errorf("delete: %v", err)
				}
			}
			for _, kind := range []client.Object{&v1alpha2.EtcdMember{}, &corev1.PersistentVolumeClaim{}} {
				if err := controller.DeleteAllOf(t.Context(), kind, client.InNamespace(ns)); err != nil {
					t.Errorf("delete all: %v", err)
				}
			}
		})
	}
}

func TestWhatIsAnnotatedOrSetAsideOrNobodysMayBeDeleted(t *testing.T) {
	awaitPolicy(t)
	ns := newNamespace(t)
	for _, tc := range []struct {
		name    string
		change  func(client.Object)
		allowed bool
	}{
		{"annotated", func(o client.Object) { o.SetAnnotations(map[string]string{v1alpha2.AnnotationAllowDeletion: "true"}) }, true},
		{"annotated-otherwise", func(o client.Object) { o.SetAnnotations(map[string]string{v1alpha2.AnnotationAllowDeletion: "false"}) }, false},
		{"set-aside", func(o client.Object) { o.GetLabels()[v1alpha2.LabelSetAside] = "DataLost" }, true},
		{"not-a-member", func(o client.Object) { o.SetLabels(nil) }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, claim := treasure(t, ns, tc.name)
			before := client.MergeFrom(claim.DeepCopy())
			tc.change(claim)
			if err := kube.Patch(t.Context(), claim, before); err != nil {
				t.Fatal(err)
			}
			if err := kube.Delete(t.Context(), claim); (err == nil) != tc.allowed {
				t.Errorf("allowed should be %t: %v", tc.allowed, err)
			}
		})
	}
	m, _ := treasure(t, ns, "member")
	before := client.MergeFrom(m.DeepCopy())
	m.Annotations = map[string]string{v1alpha2.AnnotationAllowDeletion: "true"}
	if err := kube.Patch(t.Context(), m, before); err != nil {
		t.Fatal(err)
	}
	if err := kube.Delete(t.Context(), m); err != nil {
		t.Errorf("an annotated EtcdMember may be deleted: %v", err)
	}
}

func TestPeopleAnnotateMembersAndChangeNothingElse(t *testing.T) {
	awaitPolicy(t)
	ns := newNamespace(t)
	m, _ := treasure(t, ns, "demo-a")
	patch := func(user, patch string) error {
		return as(t, user).Patch(t.Context(), m.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(patch)))
	}
	annotate := `{"metadata":{"annotations":{"` + v1alpha2.AnnotationReplace + `":"true"}}}`
	remove := `{"spec":{"removal":{"reason":"ScaledDown"}}}`
	if err := patch("kubernetes-admin", annotate); err != nil {
		t.Errorf("people may ask for a replacement: %v", err)
	}
	err := patch("kubernetes-admin", remove)
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "Change the EtcdCluster instead") {
		t.Errorf("people may not decide about a member: %v", err)
	}
	if err := patch(operatorUser, remove); err != nil {
		t.Errorf("the operator decides about members: %v", err)
	}
}

// TestAnOperatorOfSomeNamespacesProtectsThoseOnly: elsewhere members belong to another operator, which it must not get in the way of.
func TestAnOperatorOfSomeNamespacesProtectsThoseOnly(t *testing.T) {
	inside, outside := newNamespace(t), newNamespace(t)
	installMore(t, "--name", "few", "--namespace", inside, "--set", "crds.enabled=false", "--set", "watchNamespaces={"+inside+"}")
	own := as(t, "system:serviceaccount:"+inside+":few")
	m, _ := treasure(t, inside, "demo-a")
	stranger := as(t, operatorUser)
	NewWithT(t).Eventually(func() error { return stranger.Delete(t.Context(), m, client.DryRunAll) }, 30*time.Second, 100*time.Millisecond).
		Should(MatchError(ContainSubstring("few-protection")), "its members are not the other operator's")
	other, _ := treasure(t, outside, "demo-a")
	if err := stranger.Delete(t.Context(), other, client.DryRunAll); err != nil {
		t.Errorf("it gets in the way of another operator: %v", err)
	}
	// Both policies match in here: an operator of all namespaces and one of some do not go together.
	if err := own.Delete(t.Context(), m, client.DryRunAll); err == nil || strings.Contains(err.Error(), "few-protection") {
		t.Errorf("its own policy does not know it: %v", err)
	}
}

func TestProtectionCanBeLeftOut(t *testing.T) {
	objects, err := renderChart("--set", "protection.enabled=false")
	if err != nil {
		t.Fatal(err)
	}
	for kind, n := range kinds(objects) {
		if strings.HasPrefix(kind, "ValidatingAdmission") {
			t.Errorf("%d of kind %s", n, kind)
		}
	}
}
