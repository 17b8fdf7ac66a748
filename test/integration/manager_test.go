package integration_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/manager"
)

// logged is what the operator has logged.
var logged journal

type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// TestTheOperatorWorksWithItsOwnRights runs the manager with the token of its ServiceAccount and nothing else.
func TestTheOperatorWorksWithItsOwnRights(t *testing.T) {
	g := NewWithT(t)
	g.SetDefaultEventuallyTimeout(time.Minute)
	metrics, probes := freeAddress(t), freeAddress(t)
	stop := startManager(t, manager.Options{
		MetricsAddress: metrics, ProbeAddress: probes, LeaderElect: true, LeaderElectionNamespace: operatorNamespace,
		OperatorImage: "localhost/etcd-operator:dev", EtcdImageRepository: "localhost/etcd", Workers: 2,
	})
	g.Eventually(answer(t, "http://"+probes+"/readyz", "")).Should(Equal(http.StatusOK))
	g.Expect(answer(t, "http://"+probes+"/healthz", "")()).To(Equal(http.StatusOK))

	c := &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: newNamespace(t), Name: "demo"},
		Spec:       v1alpha2.EtcdClusterSpec{Version: "3.6.16"},
	}
	create(t, c)
	g.Eventually(func(g Gomega) {
		var members v1alpha2.EtcdMemberList
		g.Expect(kube.List(t.Context(), &members, client.InNamespace(c.Namespace))).To(Succeed())
		g.Expect(members.Items).To(HaveLen(3))
		var pods corev1.PodList
		g.Expect(kube.List(t.Context(), &pods, client.InNamespace(c.Namespace))).To(Succeed())
		g.Expect(pods.Items).To(HaveLen(3))
		var events eventsv1.EventList
		g.Expect(kube.List(t.Context(), &events, client.InNamespace(c.Namespace))).To(Succeed())
		g.Expect(events.Items).NotTo(BeEmpty())
		g.Expect(kube.Get(t.Context(), client.ObjectKeyFromObject(c), c)).To(Succeed())
		g.Expect(c.Status.ObservedGeneration).To(Equal(c.Generation))
	}).Should(Succeed())

	snapshotsAreTaken(t, g)
	schedulesAreKept(t, g)

	url := "https://" + metrics + "/metrics"
	grantMetrics(t, "scraper")
	g.Expect(answer(t, url, "")()).To(Equal(http.StatusUnauthorized))
	g.Expect(answer(t, url, token(t, "bystander"))()).To(Equal(http.StatusForbidden))
	g.Expect(answer(t, url, token(t, "scraper"))()).To(Equal(http.StatusOK))

	stop()
	var lease coordinationv1.Lease
	key := client.ObjectKey{Namespace: operatorNamespace, Name: "etcd-operator.cozystack.io"}
	g.Expect(kube.Get(t.Context(), key, &lease)).To(Succeed())
	g.Expect(*lease.Spec.HolderIdentity).To(BeEmpty(), "a leader that ends should hand the Lease back")
	for line := range strings.Lines(logged.String()) {
		if strings.Contains(line, "forbidden") {
			t.Errorf("a right is missing: %s", line)
		}
	}
}

// startManager runs the manager until the returned func is called, which waits for its end.
func startManager(t *testing.T, o manager.Options) (stop func()) {
	t.Helper()
	cfg := rest.AnonymousClientConfig(admin)
	cfg.BearerToken = token(t, operatorName)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- manager.Run(ctx, cfg, o) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("manager: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// token is one of a ServiceAccount in the operator's namespace, which is made if there is none.
func token(t *testing.T, serviceAccount string) string {
	t.Helper()
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: serviceAccount}}
	if err := client.IgnoreAlreadyExists(kube.Create(t.Context(), sa)); err != nil {
		t.Fatal(err)
	}
	request, err := kubernetes.NewForConfigOrDie(admin).CoreV1().ServiceAccounts(operatorNamespace).
		CreateToken(t.Context(), serviceAccount, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}

func grantMetrics(t *testing.T, serviceAccount string) {
	t.Helper()
	create(t, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: serviceAccount},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: operatorName + "-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: serviceAccount}},
	})
}

// answer asks url and gives the HTTP status, 0 if nobody listens.
func answer(t *testing.T, url, token string) func() int {
	return func() int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		web := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: 5 * time.Second}
		defer web.CloseIdleConnections()
		response, err := web.Do(request)
		if err != nil {
			return 0
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		return response.StatusCode
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return fmt.Sprint(listener.Addr())
}
