package plugin

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// loginDialer is a way to members that ask who calls, and know the password.
type loginDialer struct {
	sceneDialer
	password string
}

func (d loginDialer) Dial(t etcd.Target) (etcd.Client, error) {
	if t.Username == "root" && t.Password.Reveal() == d.password {
		return d.sceneDialer.Dial(t)
	}
	refusal := etcd.ErrAuthRequired
	if t.Username != "" {
		refusal = etcd.ErrAuthFailed
	}
	return sceneClient{scene: d.Scene, m: &observe.Member{Answer: observe.Answer{Err: refusal}}}, nil
}

func TestMembersThatAskWhoCallsAreAskedWithWhatTheUserMayRead(t *testing.T) {
	for name, c := range map[string]struct {
		password  string // that root has
		forbidden []string
		code      int
		says      []string
	}{
		"with the operator's password":          {"first", nil, ExitHealthy, []string{"HEALTHY", "12,004,118"}},
		"with the one that it is about to have": {"second", nil, ExitHealthy, []string{"HEALTHY", "12,004,118"}},
		"one who may not read it sees the status": {"first", []string{"Secret"}, ExitHealthy,
			[]string{"HEALTHY", "from status", "they ask who calls, and you may not read what it takes", "jane may not"}},
		"a wrong one is said, and members are not taken for lost": {"other", nil, ExitUnavailable,
			[]string{"AuthRequiredNotConfigured", "not let in"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, objects := securedScene(t, false)
			s.Cluster.Spec.Auth = &v1alpha2.AuthSpec{Enabled: true}
			s.Cluster.Status.AuthEnabled = true
			objects = append(objects, client.Object(resource.RootSecret(s.Cluster, resource.Root{
				Kept: true, Password: "first", Next: "second",
			})))
			out, err := stage{
				scene: s, objects: objects, forbidden: c.forbidden, dialer: loginDialer{sceneDialer{s}, c.password},
			}.run(t, "status", "demo")
			if code, _ := CodeOf(err); code != c.code {
				t.Errorf("exit code %d: %v", code, err)
			}
			contains(t, out, c.says...)
		})
	}
}
