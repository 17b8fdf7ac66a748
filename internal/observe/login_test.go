package observe

import (
	"crypto/tls"
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// withEtcdRunning lets the member's etcd run, as the kubelet sees it.
func withEtcdRunning(s *Scene) *Member {
	m := s.Members[0]
	m.Pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "etcd", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(noon.Add(-1000))}},
	}}
	return m
}

func TestAMemberThatDoesNotLetTheOperatorInIsNotSick(t *testing.T) {
	for _, refusal := range []error{etcd.ErrAuthRequired, etcd.ErrAuthFailed, etcd.ErrPermission, etcd.ErrUserNotFound} {
		t.Run(refusal.Error(), func(t *testing.T) {
			s := whole()
			m := withEtcdRunning(s)
			m.Answer = Answer{Err: fmt.Errorf("%w: x", refusal)}
			since := metav1.NewTime(noon.Add(-1000))
			m.Object.Status.Failure = &v1alpha2.MemberFailure{
				Reason: v1alpha2.FailureCorruptLog, Times: 9, Proven: true, Since: &since,
			}
			p := Join(s, noon).Members[0]
			if !p.Barred || p.Healthy || p.Answered || p.Silent != 0 {
				t.Errorf("seen as %+v", p)
			}
			if p.Lost || p.Broken || p.Await != "" || p.Loss != "" {
				t.Errorf("it is evidence: %+v", p)
			}
			if silentVoter(m) {
				t.Error("it is taken for silent")
			}
		})
	}
}

func TestAMemberThatDoesNotAnswerAtAllIsSilent(t *testing.T) {
	s := whole()
	m := withEtcdRunning(s)
	m.Answer = Answer{Err: etcd.ErrUnreachable}
	if p := Join(s, noon).Members[0]; p.Barred || p.Silent == 0 || !silentVoter(m) {
		t.Errorf("seen as %+v", p)
	}
}

// identified is a secured scene with what the operator logs in with.
func identified(t *testing.T, uid string, root resource.Root) *Scene {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	s := secured(func(c *v1alpha2.EtcdCluster) { c.Spec.Auth, c.UID = &v1alpha2.AuthSpec{}, "u1" })
	secret := resource.RootSecret(s.Cluster, root)
	secret.Labels[v1alpha2.LabelClusterUID] = uid
	(&Observer{}).identify(t.Context(), fake.NewClientBuilder().WithScheme(scheme).WithObjects(secret).Build(), s)
	return s
}

func TestPasswordsAreTriedInTheirOrderAndNeverInPlain(t *testing.T) {
	root := resource.Root{Kept: true, Password: "first", Next: "second"}
	if got := identified(t, "u0", root).passwords; len(got) > 0 {
		t.Error("those of an earlier cluster were taken")
	}
	s := identified(t, "u1", root)
	o := &Observer{ClientURL: ClientURL}
	s.Secure = nil
	m := &Member{Object: &v1alpha2.EtcdMember{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "c-a"}}}
	plain, err := o.targets(s, m)
	if err != nil || len(plain) != 1 || plain[0].Username != "" {
		t.Errorf("in plain: %v, %v", plain, err)
	}
	s.Secure = &tls.Config{MinVersion: tls.VersionTLS12}
	m.Object.Spec.TLS = &v1alpha2.EtcdMemberTLS{ClientServerSecretRef: &corev1.LocalObjectReference{Name: "x"}}
	voter := &Member{Object: &v1alpha2.EtcdMember{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "c-v"}}}
	voter.Object.Status.IsVoter = true
	voter.Pod = &corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{
		{Name: "etcd", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
	}}}
	s.Members = []*Member{m, voter}
	targets, err := o.targets(s, m)
	if err != nil || len(targets) != 2 {
		t.Fatalf("got %v, %v", targets, err)
	}
	var passwords []string
	for _, target := range targets {
		passwords = append(passwords, target.Password.Reveal())
		if target.Username != "root" || !slices.Equal(target.LoginAt, []string{ClientURL(voter.Object)}) {
			t.Errorf("got %v, logging in at %v", target, target.LoginAt)
		}
	}
	if !slices.Equal(passwords, []string{"first", "second"}) {
		t.Errorf("in the order %v", passwords)
	}
	if targets, _ = o.targets(s, &Member{Object: func() *v1alpha2.EtcdMember {
		v := m.Object.DeepCopy()
		v.Status.IsVoter = true
		return v
	}()}); targets[0].LoginAt != nil {
		t.Error("a voter needs others to be logged in to")
	}
}

func TestACurrentConditionSaysWhatAuthenticationWaitsFor(t *testing.T) {
	condition := func(status metav1.ConditionStatus, generation int64) metav1.Condition {
		return metav1.Condition{Type: v1alpha2.ConditionAuthReady, Status: status, Message: "said", ObservedGeneration: generation}
	}
	for claim, tc := range map[string]struct {
		auth       *v1alpha2.AuthSpec
		conditions []metav1.Condition
		pending    bool
	}{
		"nothing is declared":       {nil, nil, false},
		"nobody has looked":         {&v1alpha2.AuthSpec{}, nil, true},
		"it is as declared":         {&v1alpha2.AuthSpec{}, []metav1.Condition{condition(metav1.ConditionTrue, 2)}, false},
		"it is not":                 {&v1alpha2.AuthSpec{}, []metav1.Condition{condition(metav1.ConditionFalse, 2)}, true},
		"it was as declared before": {&v1alpha2.AuthSpec{}, []metav1.Condition{condition(metav1.ConditionTrue, 1)}, true},
	} {
		t.Run(claim, func(t *testing.T) {
			s := whole()
			s.Cluster.Generation, s.Cluster.Spec.Auth, s.Cluster.Status.Conditions = 2, tc.auth, tc.conditions
			if got := Join(s, noon).AuthPending; (got != "") != tc.pending {
				t.Errorf("got %q", got)
			}
		})
	}
}
