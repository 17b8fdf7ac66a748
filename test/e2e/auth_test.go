//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/traffic"
)

// byPassword encrypts connections, and leaves it to passwords who is who: the operator's, too.
func byPassword(o *v1alpha2.EtcdCluster) {
	automatic(o)
	o.Spec.TLS.Client.Auto.ClientAuthentication = v1alpha2.ClientAuthenticationNone
}

// authenticated declares user app, who may do everything below /app/ and read one key beside it.
func authenticated(o *v1alpha2.EtcdCluster) {
	o.Spec.Auth = &v1alpha2.AuthSpec{
		Enabled:                  true,
		RootCredentialsSecretRef: &corev1.LocalObjectReference{Name: "root"},
		Users: []v1alpha2.AuthUser{
			{Name: "app", PasswordSecretRef: corev1.LocalObjectReference{Name: "app"}, Roles: []string{"app"}},
		},
		Roles: []v1alpha2.AuthRole{{Name: "app", Permissions: []v1alpha2.AuthPermission{
			{Prefix: new("/app/"), Access: v1alpha2.AuthReadWrite}, {Key: new("one"), Access: v1alpha2.AuthRead},
		}}},
	}
}

// account is a user with a password; nobody, if it is empty.
type account struct{ name, password string }

func newClusterWithAuth(t *testing.T, options ...option) *cluster {
	t.Helper()
	namespace := testbed.Namespace(t)
	c := &cluster{Gomega: gomega.NewWithT(t), t: t, ctx: t.Context(), namespace: namespace, name: "main"}
	c.password("root", "root-first")
	c.password("app", "app-first")
	c.create(options...)
	c.watchInvariants()
	return c
}

// password writes a Secret as people do.
func (c *cluster) password(user, password string) {
	c.t.Helper()
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: user}, Type: corev1.SecretTypeBasicAuth}
	s.Data = map[string][]byte{"username": []byte(user), "password": []byte(password)}
	if err := testbed.Update(c.ctx, s); err != nil {
		c.Expect(testbed.Create(c.ctx, s)).To(gomega.Succeed())
	}
}

// dialAs connects over TLS where that is spoken, with the operator's certificate where one is asked for.
func (c *cluster) dialAs(who account) traffic.Dialer {
	var secure *tls.Config
	if c.secured {
		secure = c.client()
	}
	return func(endpoints ...string) (*clientv3.Client, error) {
		return clientv3.New(clientv3.Config{
			Endpoints: endpoints, TLS: secure, Username: who.name, Password: who.password, DialTimeout: 3 * time.Second, Logger: zap.NewNop(),
		})
	}
}

// as does something as somebody. It is nil if that was possible.
func (c *cluster) as(who account, do func(context.Context, *clientv3.Client) error) error {
	c.t.Helper()
	endpoints, err := c.endpoints(c.ctx)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	etcd, err := c.dialAs(who)(endpoints...)
	if err != nil {
		return err
	}
	defer etcd.Close()
	ctx, cancel := context.WithTimeout(c.ctx, 5*time.Second)
	defer cancel()
	return do(ctx, etcd)
}

func put(key string) func(context.Context, *clientv3.Client) error {
	return func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.Put(ctx, key, "x")
		return err
	}
}

// awaitAuth waits for AuthReady of the present spec.
func (c *cluster) awaitAuth(want string) {
	c.t.Helper()
	c.await("AuthReady is "+want, func() {
		c.Expect(condition(c.get(), v1alpha2.ConditionAuthReady)).To(gomega.HavePrefix(want))
	})
}

// mustHide: passwords are in Secrets, and nowhere that more people may read.
func (c *cluster) mustHide(passwords ...string) {
	c.t.Helper()
	var told eventsv1.EventList
	c.Expect(testbed.List(c.ctx, &told, client.InNamespace(c.namespace))).To(gomega.Succeed())
	logs, err := testbed.Kubectl(c.t, "logs", "deploy/etcd-operator", "--namespace=etcd-operator-system", "--all-pods", "--since=10m",
		"--tail=-1")
	c.Expect(err).NotTo(gomega.HaveOccurred())
	for what, o := range map[string]any{"EtcdCluster": c.get(), "Events": told, "Pods": c.pods(), "members": c.members(), "logs": logs} {
		text, err := yaml.Marshal(o)
		c.Expect(err).NotTo(gomega.HaveOccurred())
		for _, p := range passwords {
			c.Expect(strings.Contains(string(text), p)).To(gomega.BeFalse(), what+" tell "+p)
		}
	}
}

// TestWhoMayDoWhatFollowsTheSpec lives through what clusters with authentication live through.
func TestWhoMayDoWhatFollowsTheSpec(t *testing.T) {
	t.Parallel()
	c := newClusterWithAuth(t, byPassword, authenticated)
	c.awaitReady(3)
	c.Expect(c.get().Status.AuthEnabled).To(gomega.BeTrue())
	root, app := account{"root", "root-first"}, account{"app", "app-first"}
	c.Expect(c.as(account{}, put("/app/a"))).To(gomega.MatchError(rpctypes.ErrUserEmpty))
	c.Expect(c.as(app, put("/app/a"))).To(gomega.Succeed())
	c.Expect(c.as(app, put("/other"))).To(gomega.MatchError(rpctypes.ErrPermissionDenied))
	c.Expect(c.as(root, put("/other"))).To(gomega.Succeed())

	c.password("root", "root-second")
	c.password("app", "app-second")
	for _, who := range []account{{"root", "root-second"}, {"app", "app-second"}} {
		c.await(who.name+" has its new password", func() { c.Expect(c.as(who, put("/app/a"))).To(gomega.Succeed()) })
	}
	c.Expect(c.as(app, put("/app/a"))).To(gomega.MatchError(rpctypes.ErrAuthFailed))
	app, root = account{"app", "app-second"}, account{"root", "root-second"}

	victim := c.memberNames()[0]
	c.askForReplacement(victim)
	c.await(victim+" is gone", func() { c.Expect(c.memberNames()).NotTo(gomega.ContainElement(victim)) })
	c.awaitReady(3)

	c.Expect(c.as(root, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.UserRevokeRole(ctx, "app", "app")
		return err
	})).To(gomega.Succeed())
	c.password("root", "root-third") // whoever looks sees all of it
	c.await("app has its role back", func() { c.Expect(c.as(app, put("/app/a"))).To(gomega.Succeed()) })

	c.Expect(testbed.Delete(c.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: "root"}})).To(gomega.Succeed())
	c.awaitAuth("False " + v1alpha2.ReasonCredentialsMissing)
	c.Expect(condition(c.get(), v1alpha2.ConditionAvailable)).To(gomega.HavePrefix("True"))
	c.mustHide("root-first", "root-second", "root-third", "app-first", "app-second")

	c.change(func(o *v1alpha2.EtcdCluster) { o.Spec.Auth = nil })
	c.await("authentication is off", func() { c.Expect(c.as(account{}, put("/other"))).To(gomega.Succeed()) })
	c.await("nothing is kept", func() {
		o := c.get()
		c.Expect(o.Status.AuthEnabled).To(gomega.BeFalse())
		c.Expect(o.Status.Auth).To(gomega.BeNil())
	})
	c.awaitReady(3)
	for _, p := range c.pods() {
		c.Expect(p.Status.ContainerStatuses[0].RestartCount).To(gomega.BeZero(), p.Name)
	}
}
