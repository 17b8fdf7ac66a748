package observe

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// identify finds what the operator logs in with: what it has given to root itself, whatever the Secret of people says by now. What is
// missing leaves it outside where etcd asks, and does nothing else: where nobody asks, nobody logs in.
func (o *Observer) identify(ctx context.Context, from client.Reader, s *Scene) {
	if s.Cluster.Spec.Auth == nil && s.Cluster.Status.Auth == nil && !s.Cluster.Status.AuthEnabled {
		return
	}
	var secret corev1.Secret
	key := types.NamespacedName{Namespace: s.Cluster.Namespace, Name: resource.OperatorRootName(s.Cluster.Name)}
	err := from.Get(ctx, key, &secret)
	switch {
	case err != nil:
		s.unidentified = client.IgnoreNotFound(err)
	case secret.Labels[v1alpha2.LabelClusterUID] == string(s.Cluster.UID):
		s.passwords = resource.ParseRoot(&secret).Passwords()
	}
}

// Unidentified is why what the operator logs in with could not be read.
func (s *Scene) Unidentified() error { return s.unidentified }

// targets are the ways to ask a member, the likeliest first. No password is sent in plain.
func (o *Observer) targets(s *Scene, m *Member) (all []etcd.Target, err error) {
	t, err := o.target(s, m)
	if err != nil {
		return nil, err
	}
	if t.TLS == nil || len(s.passwords) == 0 {
		return []etcd.Target{t}, nil
	}
	t.Username = etcd.Root
	if !m.Object.Spec.Bootstrap && !m.Object.Status.IsVoter { // only a learner needs others for that
		t.LoginAt = s.voterURLs(o.ClientURL)
	}
	for _, password := range s.passwords {
		t.Password = etcd.NewSecret(password)
		all = append(all, t)
	}
	return all, nil
}

func (s *Scene) voterURLs(url func(*v1alpha2.EtcdMember) string) (all []string) {
	for _, m := range s.Members {
		if m.Object.Status.IsVoter && running(m.Pod) {
			all = append(all, url(m.Object))
		}
	}
	return all
}

// authPending is what the declared authentication waits for. What was said of an earlier spec does not count.
func (s *Scene) authPending() string {
	if s.Cluster.Spec.Auth == nil {
		return ""
	}
	c := meta.FindStatusCondition(s.Cluster.Status.Conditions, v1alpha2.ConditionAuthReady)
	switch {
	case c == nil || c.ObservedGeneration != s.Cluster.Generation:
		return "authentication, users and roles have yet to be looked at"
	case c.Status != metav1.ConditionTrue:
		return c.Message
	}
	return ""
}

// Entrances are the ways to the voters without a name and a password, those first that answered a linearizable read.
func (o *Observer) Entrances(s *Scene) (all []etcd.Target) {
	for _, healthy := range []bool{true, false} {
		for _, m := range s.Members {
			votes := m.Object.Status.IsVoter || m.Object.Spec.Bootstrap
			if !votes || m.Answer.Healthy != healthy || !healthy && !m.Answer.Barred() {
				continue
			}
			if t, err := o.target(s, m); err == nil {
				all = append(all, t)
			}
		}
	}
	return all
}
