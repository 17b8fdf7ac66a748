package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// greeting is how long a handshake may take. etcd without a quorum takes connections from clients and says nothing: it must not hold
// up the certificates that would give it one, each of which is a pass.
const greeting = time.Second

// settled says that every member is on record to show what it was given, so that there is no need to ask: etcd logs every connection
// on which no certificate is presented.
func (p *plane) settled() bool {
	return p.ready && p.decision.Phase == plan.TrustSettled
}

// greet looks which certificates the running members show. One that is not trusted is shown all the same.
func (r *Reconciler) greet(ctx context.Context, s *scene, planes []*plane) {
	var all sync.WaitGroup
	for _, m := range s.members {
		m.shows = map[resource.Plane]*x509.Certificate{}
		if m.object == nil || !running(m.pod) {
			continue
		}
		shown := make([]*x509.Certificate, len(planes))
		all.Go(func() {
			var each sync.WaitGroup
			for i, p := range planes {
				if _, secured := resource.RunsWith(m.pod, s.cluster.Name, p.kind); secured {
					each.Go(func() { shown[i] = r.shown(ctx, m, p) })
				}
			}
			each.Wait()
			for i, p := range planes {
				if shown[i] != nil {
					m.shows[p.kind] = shown[i]
				}
			}
		})
	}
	all.Wait()
}

func (r *Reconciler) shown(ctx context.Context, m *member, p *plane) *x509.Certificate {
	url := m.object.Spec.PeerURL
	if p.kind == resource.ClientPlane {
		url = r.ClientURL(m.object)
	}
	ctx, cancel := context.WithTimeout(ctx, greeting)
	defer cancel()
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: p.known.Pool()}
	c, _ := r.Greeter.Certificate(ctx, url, config) // who does not answer shows nothing, whatever the reason
	return c
}

// recall takes over what was heard a moment ago.
func (s *scene) recall(before *scene) {
	for _, m := range s.members {
		m.shows = map[resource.Plane]*x509.Certificate{}
		was := before.find(m.name)
		if was != nil && was.pod != nil && m.pod != nil && was.pod.UID == m.pod.UID {
			m.shows = was.shows
		}
	}
}

func running(p *corev1.Pod) bool { return p != nil && p.Status.Phase == corev1.PodRunning }
