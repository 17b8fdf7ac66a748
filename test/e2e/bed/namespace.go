package bed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Namespace makes a namespace that admits only Pods of the "restricted" standard. When the test ends it is deleted with all
// that is in it, which Settle waits for; if the test failed, what can explain that is recorded before. A test that left a key or a
// password where it does not belong fails.
func (b *Bed) Namespace(t testing.TB) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "e2e-",
		Labels:       map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
		Annotations:  map[string]string{"test": t.Name()},
	}}
	if err := b.Create(t.Context(), ns); err != nil {
		t.Fatalf("create namespace: %v", err)
	}
	t.Logf("namespace %s", ns.Name)
	confided := b.confide(t, ns.Name)
	t.Cleanup(func() {
		confided()
		// Not the test's context: that one has ended when this runs. Kubernetes looks again only after half of the Pods' grace.
		ctx := context.Background()
		for _, betrayal := range b.search(ctx, ns.Name) {
			t.Errorf("leak: %s", betrayal)
		}
		if t.Failed() {
			b.record(t, ns.Name)
		}
		err := errors.Join(b.Delete(ctx, ns), b.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(ns.Name), client.GracePeriodSeconds(0)))
		if err != nil {
			t.Errorf("delete namespace %s: %v", ns.Name, err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.going = append(b.going, ns)
	})
	return ns.Name
}

// Settle waits until the namespaces of the tests that have ended are gone, and says which are not after some time.
func (b *Bed) Settle(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, ns := range b.going {
		err := wait.PollUntilContextTimeout(ctx, 250*time.Millisecond, 2*time.Minute, true, func(ctx context.Context) (bool, error) {
			err := b.Get(ctx, client.ObjectKeyFromObject(ns), ns)
			return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
		})
		if err != nil {
			return fmt.Errorf("wait for namespace %s to be gone: %w", ns.Name, err)
		}
	}
	b.going = nil
	return nil
}

// record writes what can explain a failure to .testbed/logs/e2e/<test>/.
func (b *Bed) record(t testing.TB, namespace string) {
	dir := filepath.Join(b.home, "logs", "e2e", strings.ReplaceAll(t.Name(), "/", "_"), namespace)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Logf("record nothing: %v", err)
		return
	}
	t.Logf("recording objects and logs to %s", dir)
	save := func(name string, args ...string) {
		out, err := b.Kubectl(t, args...)
		if err != nil {
			out += fmt.Sprintf("\n%v\n", err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(out), 0o600); err != nil {
			t.Logf("record %s: %v", name, err)
		}
	}
	in := "--namespace=" + namespace
	save("overview.txt", "get", "etcd,etcdmembers,pods,pvc,svc,pdb", "-o", "wide", in)
	save("etcd.yaml", "get", "etcd,etcdmembers", "-o", "yaml", in)
	save("objects.yaml", "get", "pods,pvc,svc,endpointslices,pdb", "-o", "yaml", in)
	save("events.txt", "get", "events.events.k8s.io", "--sort-by=.metadata.creationTimestamp", "-o",
		"custom-columns=TIME:.metadata.creationTimestamp,SINCE:.eventTime,KIND:.regarding.kind,NAME:.regarding.name,"+
			"REASON:.reason,NOTE:.note", in)
	var pods corev1.PodList
	if err := b.List(context.Background(), &pods, client.InNamespace(namespace)); err != nil {
		t.Logf("record logs of Pods: %v", err)
	}
	for _, p := range pods.Items {
		save(p.Name+".log", "logs", p.Name, "--all-containers", "--tail=300", in)
		save(p.Name+".previous.log", "logs", p.Name, "-c", "etcd", "--previous", "--tail=100", in)
	}
	operators, err := b.OperatorPods(context.Background())
	if err != nil {
		t.Logf("record logs of the operator: %v", err)
	}
	for _, p := range operators {
		save(p.Name+".log", "logs", p.Name, "--namespace="+p.Namespace, "--tail=5000")
	}
}
