//go:build e2e

package e2e

import (
	"crypto/tls"
	"encoding/json"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource/settings"
)

// trial is what a field of the spec is changed to on a running cluster, and how that is seen of every member; or the test that does it.
type trial struct {
	value string // JSON
	see   func(*ward, *corev1.Pod)
	by    string
}

// TestEveryFieldOfTheSpecIsChangedOnARunningCluster changes all that is taken over at once, then all that takes restarts, in one roll,
// and tries what cannot be changed.
func TestEveryFieldOfTheSpecIsChangedOnARunningCluster(t *testing.T) {
	t.Parallel()
	everyFieldIsTried(t)
	w := newWard(t, 3)
	before, starts := w.identity(), w.starts()
	w.tryAll(settings.Live, func() {})
	w.Expect(w.starts()).To(gomega.Equal(starts), "something was restarted")

	w.tryAll(settings.Restart, func() { // progressDeadlineSeconds is 1 by now, and members need longer to settle
		w.awaitCondition(v1alpha2.ConditionProgressing, "False DeadlineExceeded")
	})
	w.expectSurvivors(before)
	for container := range w.starts() {
		w.Expect(starts).NotTo(gomega.HaveKey(container), "it was not made again")
	}
	for _, path := range settings.Fields() {
		if row, _ := settings.Of(path); row.Effect == settings.Never {
			w.keeps(path)
		}
	}
	w.settle(w.load)
}

// everyFieldIsTried holds the table to the types: a field that is new wants a row.
func everyFieldIsTried(t *testing.T) {
	t.Helper()
	tests := declared(t)
	for _, path := range settings.Fields() {
		row, ok := settings.Of(path)
		one := trials[path]
		switch {
		case !ok || row.Effect != settings.Never && one.by == "" && one.see == nil:
			t.Errorf("nobody changes %s on a running cluster: add a row", path)
		case one.by != "" && !strings.Contains(tests, "func "+one.by+"("):
			t.Errorf("%s is said to be changed by %s, which there is not", path, one.by)
		}
	}
	for path := range trials {
		if !slices.Contains(settings.Fields(), path) {
			t.Errorf("there is no field %s", path)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// declared is the source of all tests of this package, also of those that this run leaves out.
func declared(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	var all strings.Builder
	for _, file := range files {
		var text []byte
		if text, err = os.ReadFile(file); err != nil {
			break
		}
		all.Write(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// tryAll changes all fields of this kind that have a row of their own, by one patch, and looks for them at every member.
func (w *ward) tryAll(effect settings.Effect, meanwhile func()) {
	w.t.Helper()
	patch, mine := map[string]any{}, map[string]trial{}
	for path, one := range trials {
		if row, _ := settings.Of(path); row.Effect == effect && one.by == "" {
			mine[path] = one
			nest(patch, path, one.value)
		}
	}
	w.Expect(w.patchSpec(patch)).To(gomega.Succeed())
	w.t.Logf("%s: %v", effect, slices.Sorted(maps.Keys(mine)))
	meanwhile()
	w.awaitFor(2*patience, "members have it", func() {
		o := w.get()
		w.Expect(o.Status.ObservedGeneration).To(gomega.Equal(o.Generation))
		w.Expect(o.Status.UpdatedMembers).To(gomega.BeEquivalentTo(3))
		pods := w.pods()
		w.Expect(pods).To(gomega.HaveLen(3))
		for i := range pods {
			for _, one := range mine {
				one.see(w, &pods[i])
			}
		}
	})
	w.awaitReady(3)
}

func (w *ward) patchSpec(spec map[string]any) error {
	text, err := json.Marshal(map[string]any{"spec": spec})
	if err != nil {
		return err
	}
	return testbed.Patch(w.ctx, w.get(), client.RawPatch(types.MergePatchType, text))
}

// nest puts a value where its path says.
func nest(into map[string]any, path, value string) {
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		into[name] = json.RawMessage(value)
		return
	}
	if into[name] == nil {
		into[name] = map[string]any{}
	}
	nest(into[name].(map[string]any), rest, value)
}

// keeps tries to change a field that cannot be changed.
func (w *ward) keeps(path string) {
	w.t.Helper()
	patch := map[string]any{}
	value := map[string]string{
		"bootstrap.restore.source.s3.forcePathStyle": "true", "bootstrap.restore.revisionBump": "1",
	}[path]
	if value == "" {
		value = `"x"`
	}
	if strings.HasSuffix(path, "Ref") {
		value = `{"name":"x"}`
	}
	nest(patch, path, value)
	w.Expect(w.patchSpec(patch)).NotTo(gomega.Succeed(), path)
}

// flagged is an option of etcd, and the flag that members are started with.
func flagged(value, flag string) trial {
	return trial{value: value, see: func(w *ward, p *corev1.Pod) {
		w.Expect(p.Spec.Containers[0].Args).To(gomega.ContainElement(flag))
	}}
}

// on is a setting that a member's Pod shows.
func on(value string, see func(*ward, *corev1.Pod)) trial { return trial{value: value, see: see} }

// TestSettingsOfCertificatesAreTakenOver secures a plain cluster with certificates that end soon, for clients that need none.
func TestSettingsOfCertificatesAreTakenOver(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	before := w.identity()
	lives := map[string]any{"certificateDuration": "1h", "caDuration": "10h"}
	client := maps.Clone(lives)
	client["clientAuthentication"] = v1alpha2.ClientAuthenticationNone
	w.Expect(w.patchSpec(map[string]any{"tls": map[string]any{
		"client": map[string]any{"auto": client, "acceptPlaintext": true}, "peer": map[string]any{"auto": lives},
	}})).To(gomega.Succeed())
	w.awaitTransport(v1alpha2.TLSSecured, v1alpha2.TLSSecured)
	w.awaitReady(3)
	for _, plane := range []*v1alpha2.PlaneTLSStatus{w.get().Status.TLS.Client, w.get().Status.TLS.Peer} {
		w.Expect(time.Until(plane.RootsNotAfter.Time)).To(gomega.BeNumerically("~", 10*time.Hour, 10*time.Minute))
	}
	for _, p := range w.pods() {
		for _, port := range []string{"2379", "2380"} {
			w.Expect(lasts(t, net.JoinHostPort(p.Status.PodIP, port))).To(gomega.BeNumerically("~", time.Hour, 10*time.Minute), port)
		}
	}
	w.expectSurvivors(before)
	w.settle(w.load)
}

// lasts says for how long a server's certificate is valid yet.
func lasts(t *testing.T, address string) time.Duration {
	t.Helper()
	connection, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	return time.Until(connection.ConnectionState().PeerCertificates[0].NotAfter)
}
