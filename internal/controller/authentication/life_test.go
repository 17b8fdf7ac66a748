package authentication

import (
	"errors"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// full is everything that can be declared: user app may use what lies below the probe's prefix.
func full() *v1alpha2.AuthSpec {
	return &v1alpha2.AuthSpec{
		Enabled:                  true,
		RootCredentialsSecretRef: &corev1.LocalObjectReference{Name: "root"},
		Users: []v1alpha2.AuthUser{
			{Name: "app", PasswordSecretRef: corev1.LocalObjectReference{Name: "app"}, Roles: []string{"probe"}},
		},
		Roles: []v1alpha2.AuthRole{{Name: "probe", Permissions: []v1alpha2.AuthPermission{
			{Prefix: new("etcd-operator/"), Access: v1alpha2.AuthRead}, {Key: new("x"), Access: v1alpha2.AuthReadWrite},
		}}},
	}
}

func settled(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, full())
	w.put("root", "first-secret")
	w.put("app", "apps-secret")
	w.settle()
	w.ready(v1alpha2.ReasonAsDesired)
	return w
}

func TestAuthenticationIsOnAsDeclaredAndTheOperatorIsLetInEverywhere(t *testing.T) {
	w := settled(t)
	w.mustServe()
	is := w.cluster().Status
	if !is.AuthEnabled || !is.Auth.KeptOn || len(is.Auth.Users) != 1 || !slices.Equal(is.Auth.Roles, []string{"probe"}) {
		t.Errorf("status says %t, %+v", is.AuthEnabled, is.Auth)
	}
	w.logsIn("root", "first-secret", nil)
	must(t, w.as("app", "apps-secret").Read(t.Context()))
	if err := w.as("", "").Read(t.Context()); !errors.Is(err, etcd.ErrAuthRequired) {
		t.Errorf("nobody reads: %v", err)
	}
	w.mustHide("first-secret", "apps-secret")
	w.calls = 0
	if w.settle(); w.calls > 0 {
		t.Errorf("at rest, %d calls to etcd", w.calls)
	}
}

func TestNothingIsEnabledBeforeTheClusterIsWhole(t *testing.T) {
	w := newWorld(t, full())
	w.put("root", "first-secret")
	w.put("app", "apps-secret")
	w.etcd.Process(clientURL("demo-c")).Stop()
	for range 40 {
		_, err := w.pass()
		must(t, err)
		w.clock.Step(plan.AuthAgain)
	}
	if w.cluster().Status.AuthEnabled {
		t.Fatal("authentication was enabled with a member away")
	}
	w.ready(v1alpha2.ReasonAwaitingWholeCluster)
	w.start("demo-c")
	w.later()
	w.ready(v1alpha2.ReasonAsDesired)
	w.mustServe()
}

func TestAPasswordIsChangedThroughItsSecret(t *testing.T) {
	w := settled(t)
	w.put("root", "second-secret")
	w.put("app", "apps-second")
	w.settle()
	w.ready(v1alpha2.ReasonAsDesired)
	w.logsIn("root", "first-secret", etcd.ErrAuthFailed)
	w.logsIn("root", "second-secret", nil)
	w.logsIn("app", "apps-secret", etcd.ErrAuthFailed)
	w.logsIn("app", "apps-second", nil)
	w.mustServe()
}

// TestNoWriteThatIsCutOffLocksTheOperatorOut fails each write of a life, to the API server and to etcd, before or after it is made.
func TestNoWriteThatIsCutOffLocksTheOperatorOut(t *testing.T) {
	life := func(w *world) {
		w.put("root", "first-secret")
		w.put("app", "apps-secret")
		w.settle()
		w.put("root", "second-secret")
		w.settle()
		w.declare(func(s *v1alpha2.EtcdClusterSpec) { s.Auth.Users, s.Auth.Roles = nil, nil })
		w.put("root", "third-secret")
		w.settle()
		w.mustServe()
		w.logsIn("root", "third-secret", nil)
		w.logsIn("app", "apps-secret", etcd.ErrAuthFailed)
		w.declare(func(s *v1alpha2.EtcdClusterSpec) { s.Auth = nil })
		w.settle()
		w.mustServe()
		if c := w.cluster(); c.Status.AuthEnabled || c.Status.Auth != nil || w.secret() != nil {
			w.t.Errorf("something is left: %+v", c.Status.Auth)
		}
	}
	whole := newWorld(t, full())
	life(whole)
	for n := range whole.writes {
		for _, done := range []bool{false, true} {
			w := newWorld(t, full())
			w.failAt, w.done = n+1, done
			life(w)
		}
	}
	t.Logf("%d writes", len(whole.writes))
}

func TestASecretOfPeopleThatIsGoneChangesNothing(t *testing.T) {
	w := settled(t)
	w.put("root", "")
	w.put("app", "")
	w.settle()
	w.ready(v1alpha2.ReasonCredentialsMissing, "Secret root (auth.rootCredentialsSecretRef) is not there", "Secret app")
	w.mustServe()
	w.logsIn("root", "first-secret", nil)
	w.logsIn("app", "apps-secret", nil)
	w.put("root", strings.Repeat("long", 20))
	w.settle()
	w.ready(v1alpha2.ReasonCredentialsMissing, "holds a password of 80 bytes")
	w.put("root", "back-again")
	w.put("app", "apps-secret")
	w.settle()
	w.ready(v1alpha2.ReasonAsDesired)
	w.logsIn("root", "back-again", nil)
}

func TestTheOperatorsOwnSecretIsMadeAgain(t *testing.T) {
	w := settled(t)
	w.strange = true
	must(t, w.store.Delete(t.Context(), w.secret()))
	w.settle()
	w.ready(v1alpha2.ReasonAsDesired)
	w.mustServe()
	w.logsIn("app", "apps-secret", nil)
	if users := w.cluster().Status.Auth.Users; len(users) != 1 {
		t.Errorf("its own user was forgotten: %v", users)
	}
}

func TestAWrongPasswordIsSaidAndNoMemberIsTakenForLost(t *testing.T) {
	w := newWorld(t, &v1alpha2.AuthSpec{RootCredentialsSecretRef: &corev1.LocalObjectReference{Name: "root"}})
	w.strange = true
	somebody := w.as("", "")
	for _, err := range []error{
		somebody.AddUser(t.Context(), "root", etcd.NewSecret("theirs")), somebody.AddRole(t.Context(), "root"),
		somebody.GrantRole(t.Context(), "root", "root"), somebody.EnableAuth(t.Context()),
	} {
		must(t, err)
	}
	w.settle()
	w.ready(v1alpha2.ReasonAuthRequired, "Secret root", "is not there")
	w.put("root", "wrong-secret")
	w.settle()
	w.ready(v1alpha2.ReasonRootRefused)
	if seen := w.look(); seen.Whole() || !seen.Members[0].Barred {
		t.Errorf("seen %+v", seen.Members)
	}
	w.put("root", "theirs")
	w.settle()
	w.ready(v1alpha2.ReasonAsDesired, "not by this operator")
	w.mustServe()

	w.strange = false
	w.declare(func(s *v1alpha2.EtcdClusterSpec) { s.Auth.Enabled = true })
	w.put("root", "ours-now")
	w.settle()
	w.ready(v1alpha2.ReasonAsDesired)
	w.logsIn("root", "ours-now", nil)
	w.mustServe()
	w.mustHide("theirs", "wrong-secret", "ours-now")
}

func TestWhatOthersMadeIsLeftAloneAndWhatTheOperatorMadeIsKept(t *testing.T) {
	w := newWorld(t, full())
	must(t, w.as("", "").AddUser(t.Context(), "app", etcd.NewSecret("theirs")))
	w.put("root", "first-secret")
	w.put("app", "apps-secret")
	w.settle()
	w.ready(v1alpha2.ReasonAuthConflict, "user app")
	w.logsIn("app", "theirs", nil)
	root := w.as("root", "first-secret")
	must(t, root.DeleteUser(t.Context(), "app"))
	w.later()
	w.ready(v1alpha2.ReasonAsDesired)

	must(t, root.AddUser(t.Context(), "stranger", etcd.NewSecret("theirs")))
	must(t, root.RevokeRole(t.Context(), "app", "probe"))
	must(t, root.GrantPermission(t.Context(), "probe", etcd.Permission{Key: "more", Access: etcd.Read}))
	must(t, root.RevokePermission(t.Context(), "probe", etcd.Permission{Key: "x"}))
	w.later()
	w.ready(v1alpha2.ReasonAsDesired)
	must(t, w.as("app", "apps-secret").Read(t.Context()))
	roles, err := root.Roles(t.Context())
	must(t, err)
	want := []etcd.Permission{etcd.Prefix("etcd-operator/", etcd.Read), {Key: "x", Access: etcd.ReadWrite}}
	if !slices.Equal(roles[0].Permissions, want) {
		t.Errorf("role probe has %v", roles[0].Permissions)
	}
	w.declare(func(s *v1alpha2.EtcdClusterSpec) { s.Auth.Users, s.Auth.Roles = nil, nil })
	w.settle()
	w.logsIn("stranger", "theirs", nil)
	w.logsIn("app", "apps-secret", etcd.ErrAuthFailed)
}

func TestTheSecretOfSomebodyElseIsNeverTakenOver(t *testing.T) {
	w := newWorld(t, full())
	w.put("root", "first-secret")
	w.put("app", "apps-secret")
	w.put("demo-operator-root", "theirs")
	w.settle()
	w.ready(v1alpha2.ReasonNameTaken, "demo-operator-root")
	if string(w.secret().Data["password"]) != "theirs" || w.cluster().Status.AuthEnabled {
		t.Error("it was taken over")
	}
}

func TestWhatRestsIsNotLookedAt(t *testing.T) {
	for claim, change := range map[string]func(*v1alpha2.EtcdCluster){
		"a cluster that is paused":        func(c *v1alpha2.EtcdCluster) { c.Spec.Replicas = new(int32(0)) },
		"a cluster that has not formed":   func(c *v1alpha2.EtcdCluster) { c.Status.ClusterID = "" },
		"a cluster with nothing declared": func(c *v1alpha2.EtcdCluster) { c.Spec.Auth = nil },
		"a cluster that goes":             func(c *v1alpha2.EtcdCluster) { c.DeletionTimestamp = &metav1.Time{Time: noon} },
		"a cluster that is to be left alone": func(c *v1alpha2.EtcdCluster) {
			c.Annotations = map[string]string{v1alpha2.AnnotationReconcile: v1alpha2.ReconcileDisabled}
		},
	} {
		c := &v1alpha2.EtcdCluster{Spec: v1alpha2.EtcdClusterSpec{Auth: full()}, Status: v1alpha2.EtcdClusterStatus{ClusterID: "c1"}}
		if idle(c) {
			t.Fatal("nothing is looked at")
		}
		if change(c); !idle(c) {
			t.Errorf("%s is looked at", claim)
		}
	}
}
