package plugin

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/resource"
)

func TestUpgradeShowsWhatItWouldDo(t *testing.T) {
	up := []string{"upgrade", "demo", "--to", "3.7.4", "--plan"}
	for name, c := range map[string]struct {
		scene *observe.Scene
		args  []string
		code  int
	}{
		"upgrade-plan":         {demoScene(3), up, ExitHealthy},
		"upgrade-plan-one":     {demoScene(1), up, ExitHealthy},
		"upgrade-plan-refused": {demoScene(3), []string{"upgrade", "demo", "--to", "3.5.35", "--plan"}, ExitError},
		"upgrade-plan-down":    {demoScene(3), []string{"upgrade", "demo", "--to", "3.6.12", "--plan"}, ExitHealthy},
		"upgrade-plan-none":    {demoScene(3), []string{"upgrade", "demo", "--to", "3.7.3", "--plan"}, ExitHealthy},
		"restart-plan":         {demoScene(3), []string{"restart", "demo", "--plan"}, ExitHealthy},
		"restart-plan-waiting": {scenes["growing"]().scene, []string{"restart", "demo", "--plan"}, ExitDegraded},
	} {
		t.Run(name, func(t *testing.T) {
			publish(c.scene, 0)
			out, err := stage{scene: c.scene}.run(t, c.args...)
			if code, tell := CodeOf(err); code != c.code || tell {
				t.Errorf("exit code %d, %v; want %d", code, err, c.code)
			}
			golden(t, name, out)
		})
	}
}

func TestUpgradeChangesTheVersionOnlyWhenToldTo(t *testing.T) {
	s := demoScene(3)
	publish(s, 0)
	version := ""
	look := func(kube client.Client) {
		var c v1alpha2.EtcdCluster
		if err := kube.Get(t.Context(), client.ObjectKeyFromObject(s.Cluster), &c); err == nil {
			version = c.Spec.Version
		}
	}
	for name, c := range map[string]struct {
		args []string
		want string
		says string
	}{
		"asked for a plan":       {[]string{"--plan"}, "3.7.3", "Estimate"},
		"nobody can be asked":    {nil, "3.7.3", ""},
		"told to":                {[]string{"--yes"}, "3.7.4", "It is asked for; kubectl etcd status demo -w"},
		"with a v, as tags have": {[]string{"--yes", "--to", "v3.7.5"}, "3.7.5", "3.7.3 -> 3.7.5"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := stage{scene: s, after: look}.run(t, append([]string{"upgrade", "demo", "--to", "3.7.4"}, c.args...)...)
			if c.says == "" && (err == nil || !strings.Contains(err.Error(), "nothing is changed without --yes")) {
				t.Error(err)
			}
			contains(t, out, c.says)
			if version != c.want {
				t.Errorf("the spec asks for %s, want %s", version, c.want)
			}
		})
	}
}

func TestRestartAsksOnlyWhereThereIsAnOutage(t *testing.T) {
	for members, asks := range map[int32]bool{1: true, 2: true, 3: false} {
		s := demoScene(members)
		publish(s, 0)
		at := ""
		_, err := stage{scene: s, after: func(kube client.Client) {
			var c v1alpha2.EtcdCluster
			if err := kube.Get(t.Context(), client.ObjectKeyFromObject(s.Cluster), &c); err == nil {
				at = c.Annotations[v1alpha2.AnnotationRestartedAt]
			}
		}}.run(t, "restart", "demo")
		if (err != nil) != asks || (at == "") != asks {
			t.Errorf("%d members: restarted at %q, %v", members, at, err)
		}
	}
}

func TestWhatTheAPIRefusesIsSaidInItsWords(t *testing.T) {
	s := demoScene(3)
	publish(s, 0)
	kind := schema.GroupKind{Group: v1alpha2.GroupVersion.Group, Kind: "EtcdCluster"}
	no := apierrors.NewInvalid(kind, "demo", field.ErrorList{
		field.Invalid(field.NewPath("spec"), "object", "3.7.3 to 3.9.0 skips a minor: upgrade to 3.8 first"),
	})
	out, err := stage{scene: s, refuse: no}.run(t, "upgrade", "demo", "--to", "3.9.0", "--yes")
	if code, tell := CodeOf(err); code != ExitError || tell {
		t.Errorf("exit code %d, %v", code, err)
	}
	contains(t, out, "Refused    3.7.3 to 3.9.0 skips a minor: upgrade to 3.8 first\n")
}

func TestUpgradeIsFollowedToItsEnd(t *testing.T) {
	failed := func(c *v1alpha2.EtcdCluster) {
		c.Status.Rollout = &v1alpha2.RolloutStatus{Failed: &v1alpha2.FailedRollout{
			Template: resource.TemplateHash(resource.Template(c)), Member: "demo-c9qpd", Reason: "CrashLoop", Message: "no such flag",
		}}
		speak(c, metav1.ConditionFalse, metav1.ConditionTrue, "RolloutFailed", "demo-c9qpd did not come back")
	}
	for name, c := range map[string]struct {
		end  func(*v1alpha2.EtcdCluster)
		says []string
		err  string
	}{
		"done": {func(c *v1alpha2.EtcdCluster) {
			c.Status.UpdatedMembers, c.Status.Version, c.Status.Template = 3, "3.7.4", &v1alpha2.MemberTemplate{Version: "3.7.4"}
			speak(c, metav1.ConditionTrue, metav1.ConditionFalse, "AsDesired", "3 members are healthy")
		}, []string{"1/3  UpdatingMember: restarting demo-m4dzf", "done: 3 members, version 3.7.4"}, ""},
		"failed": {failed, []string{"1/3  RolloutFailed"}, "failed on demo-c9qpd; it is tried again when the spec changes, or after kubectl " +
			"etcd restart (CrashLoop: no such flag)"},
		"stuck": {func(c *v1alpha2.EtcdCluster) {
			speak(c, metav1.ConditionFalse, metav1.ConditionTrue, "CertificatesExpire", "within 24h")
		}, nil, "it does not go on by itself: CertificatesExpire: within 24h"},
	} {
		t.Run(name, func(t *testing.T) {
			s := demoScene(3)
			publish(s, 0)
			looks := 0
			out, err := stage{scene: s, operate: func(kube client.Client) {
				var o v1alpha2.EtcdCluster
				if err := kube.Get(t.Context(), client.ObjectKeyFromObject(s.Cluster), &o); err != nil || o.Spec.Version != "3.7.4" {
					return
				}
				o.Status.UpdatedMembers = 1
				speak(&o, metav1.ConditionFalse, metav1.ConditionFalse, "UpdatingMember", "restarting demo-m4dzf")
				if looks++; looks > 4 {
					c.end(&o)
				}
				_ = kube.Update(t.Context(), &o) // the next one is as good
			}}.run(t, "upgrade", "demo", "--to", "3.7.4", "--yes", "--watch")
			contains(t, out, c.says...)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("ends with %v, want %q\n%s", err, c.err, out)
			}
		})
	}
}

// speak writes what the operator says.
func speak(c *v1alpha2.EtcdCluster, ready, stalled metav1.ConditionStatus, reason, message string) {
	for kind, status := range map[string]metav1.ConditionStatus{v1alpha2.ConditionReady: ready, v1alpha2.ConditionStalled: stalled} {
		meta.SetStatusCondition(&c.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message})
	}
}

func TestWhoKeepsAVersionIsNamed(t *testing.T) {
	c := &v1alpha2.EtcdCluster{ObjectMeta: metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{
		{Manager: "argocd-controller", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:version":{}}}`)},
		{Manager: "autoscaler", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:replicas":{}}}`)},
		{Manager: "kubectl-edit", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:version":{}}}`)},
	}}}
	if got := keptNote(c); !strings.HasPrefix(got, "spec.version was set by argocd-controller, which") {
		t.Error(got)
	}
}
