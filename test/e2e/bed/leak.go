package bed

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// shortest is the number of characters below which a value is not looked for: it would be found everywhere.
const shortest = 8

// public are the keys of Secrets that hold nothing to be kept.
var public = []string{corev1.TLSCertKey, "ca.crt", "previous.crt", corev1.BasicAuthUsernameKey}

// Confidences are the values that nobody may find outside of Secrets.
type Confidences struct {
	mu    sync.Mutex
	marks map[string]string // what to look for, and where it is from
}

// Keep remembers what a Secret holds.
func (c *Confidences) Keep(s *corev1.Secret) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.marks == nil {
		c.marks = map[string]string{}
	}
	for key, value := range s.Data {
		if slices.Contains(public, key) {
			continue
		}
		for _, mark := range marks(value) {
			c.marks[mark] = fmt.Sprintf("%s of Secret %s/%s", key, s.Namespace, s.Name)
		}
	}
}

// marks are the texts that give a value away: it, or a line of a key, as it is and as Secrets are written.
func marks(value []byte) (all []string) {
	if block, _ := pem.Decode(value); block != nil {
		text := base64.StdEncoding.EncodeToString(block.Bytes)
		for len(text) >= 64 { // lines of PEM
			all, text = append(all, text[:64]), text[64:]
		}
	} else if len(value) >= shortest {
		all = append(all, string(value))
	}
	if len(value) >= shortest {
		whole := base64.StdEncoding.EncodeToString(value)
		all = append(all, whole[:len(whole)/4*4-4]) // the end depends on what follows
	}
	return all
}

// Betrayed lists what of all that was kept is found in a text. The values are not repeated.
func (c *Confidences) Betrayed(text string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := map[string]bool{}
	for mark, from := range c.marks {
		if strings.Contains(text, mark) {
			found[from] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// confide keeps what Secrets of a namespace hold, until the returned function is called. Who leaves a watch early misses what was
// replaced meanwhile, and nothing that is there in the end.
func (b *Bed) confide(t testing.TB, namespace string) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	seen, err := b.Client.(client.WithWatch).Watch(ctx, &corev1.SecretList{}, client.InNamespace(namespace))
	if err != nil {
		t.Fatalf("watch Secrets of %s: %v", namespace, err)
	}
	var watching sync.WaitGroup
	watching.Go(func() {
		for event := range seen.ResultChan() {
			if secret, ok := event.Object.(*corev1.Secret); ok && event.Type != watch.Deleted {
				b.Keep(secret)
			}
		}
	})
	return func() {
		var last corev1.SecretList
		if err := b.List(ctx, &last, client.InNamespace(namespace)); err != nil {
			t.Logf("list Secrets of %s: %v", namespace, err)
		}
		for i := range last.Items {
			b.Keep(&last.Items[i])
		}
		cancel()
		watching.Wait()
	}
}

// search looks at everything in a namespace that people who may not read its Secrets can see.
func (b *Bed) search(ctx context.Context, namespace string) (found []string) {
	tell := func(where, text string) {
		for _, what := range b.Betrayed(text) {
			found = append(found, what+" is told by "+where)
		}
	}
	var pods corev1.PodList
	for kind, list := range map[string]client.ObjectList{
		"EtcdClusters": &v1alpha2.EtcdClusterList{}, "EtcdMembers": &v1alpha2.EtcdMemberList{}, "Pods": &pods,
		"ConfigMaps": &corev1.ConfigMapList{}, "Events": &eventsv1.EventList{},
	} {
		if err := b.List(ctx, list, client.InNamespace(namespace)); err != nil {
			continue // what cannot be read betrays nothing
		}
		if text, err := yaml.Marshal(list); err == nil {
			tell(kind, string(text))
		}
	}
	for _, p := range pods.Items {
		tell("the log of Pod "+p.Name, b.Logs(ctx, &p))
		if text, err := fetch(ctx, "http://"+net.JoinHostPort(p.Status.PodIP, "2381")+"/metrics", ""); err == nil {
			tell("the metrics of Pod "+p.Name, text)
		}
	}
	return found
}

// Logs are those of all containers of a Pod, of this run and the one before.
func (b *Bed) Logs(ctx context.Context, p *corev1.Pod) string {
	var text strings.Builder
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		for _, previous := range []bool{false, true} {
			o := &corev1.PodLogOptions{Container: c.Name, Previous: previous}
			if stream, err := b.pods.Pods(p.Namespace).GetLogs(p.Name, o).Stream(ctx); err == nil {
				_, _ = io.Copy(&text, bufio.NewReader(stream))
				_ = stream.Close()
			}
		}
	}
	return text.String()
}

// Betrayals looks at what the operator says: its log, and its metrics.
func (b *Bed) Betrayals(ctx context.Context) error {
	operators, err := b.OperatorPods(ctx)
	if err != nil {
		return err
	}
	var found []error
	for i := range operators {
		p := &operators[i]
		for _, what := range b.Betrayed(b.Logs(ctx, p)) {
			found = append(found, fmt.Errorf("%s is told by the log of Pod %s", what, p.Name))
		}
		text, err := b.operatorMetrics(ctx, p)
		if err != nil {
			return errors.Join(append(found, err)...)
		}
		for _, what := range b.Betrayed(text) {
			found = append(found, fmt.Errorf("%s is told by the metrics of Pod %s", what, p.Name))
		}
	}
	return errors.Join(found...)
}

// operatorMetrics asks as somebody who may.
func (b *Bed) operatorMetrics(ctx context.Context, p *corev1.Pod) (string, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-metrics-", Namespace: p.Namespace}}
	if err := b.Create(ctx, account); err != nil {
		return "", fmt.Errorf("create ServiceAccount: %w", err)
	}
	bind := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: account.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: operatorName + "-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: account.Namespace, Name: account.Name}},
	}
	err := b.Create(ctx, bind)
	defer func() { _ = errors.Join(b.Delete(ctx, bind), b.Delete(ctx, account)) }()
	if err != nil {
		return "", fmt.Errorf("bind to metrics: %w", err)
	}
	token := &authenticationv1.TokenRequest{}
	if err := b.SubResource("token").Create(ctx, account, token); err != nil {
		return "", fmt.Errorf("get token: %w", err)
	}
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == "metrics" {
				at := net.JoinHostPort(p.Status.PodIP, fmt.Sprint(port.ContainerPort))
				return fetch(ctx, "https://"+at+"/metrics", token.Status.Token)
			}
		}
	}
	return "", fmt.Errorf("get metrics of Pod %s: it has no port for them", p.Name)
}

func fetch(ctx context.Context, url, token string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	// The certificate is made anew at each start of the operator, and is nobody's concern here.
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	answer, err := c.Do(request)
	if err != nil {
		return "", fmt.Errorf("get %s: %w", url, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("get %s: %s", url, answer.Status)
	}
	return string(text), err
}
