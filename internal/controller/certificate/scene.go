package certificate

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// kinds are the planes, in the order in which they are spoken of.
var kinds = []resource.Plane{resource.ClientPlane, resource.PeerPlane}

// scene is all that was seen of a cluster in one look.
type scene struct {
	now      time.Time
	cluster  *v1alpha2.EtcdCluster
	members  []*member // ordered by name
	pods     []corev1.Pod
	secrets  map[string]*corev1.Secret // the cluster's own
	bundles  map[resource.Plane]map[string]*corev1.ConfigMap
	supplied map[string]*corev1.Secret // that the spec names, nil for what is not there
	ordered  ordered

	applications []*application    // ordered by the names of their Secrets
	connection   *corev1.ConfigMap // tells clients whom to trust; nil if it is not there
}

// member is a member, or a founder that is about to be created.
type member struct {
	name   string
	object *v1alpha2.EtcdMember // nil if it is not created yet
	pod    *corev1.Pod
	shows  map[resource.Plane]*x509.Certificate // by handshake; nothing where nobody answered
}

// look reads the objects of a cluster. Secrets of others are always read live, by the names that are known: no cache holds them.
func (r *Reconciler) look(ctx context.Context, from, names client.Reader, key types.NamespacedName) (*scene, error) {
	s := &scene{now: r.Now(), cluster: &v1alpha2.EtcdCluster{}}
	if err := from.Get(ctx, key, s.cluster); err != nil {
		return nil, fmt.Errorf("get EtcdCluster: %w", err)
	}
	if s.idle() {
		return s, nil
	}
	return s, errors.Join(s.readMembers(ctx, from), s.readOwn(ctx, from), s.readSupplied(ctx, r.Live), s.readOrdered(ctx, r.Live),
		s.readApplications(ctx, names, r.Live))
}

// idle is true when there is nothing to do: the cluster goes, or has never been secured.
func (s *scene) idle() bool {
	return !s.cluster.DeletionTimestamp.IsZero() || s.cluster.Spec.TLS == nil && s.cluster.Status.TLS == nil
}

// disabled is true when the cluster is only to be looked at.
func (s *scene) disabled() bool {
	return s.cluster.Annotations[v1alpha2.AnnotationReconcile] == v1alpha2.ReconcileDisabled
}

func (s *scene) list(ctx context.Context, from client.Reader, into client.ObjectList) error {
	ours := client.MatchingLabels{v1alpha2.LabelCluster: s.cluster.Name, v1alpha2.LabelClusterUID: string(s.cluster.UID)}
	if err := from.List(ctx, into, client.InNamespace(s.cluster.Namespace), ours); err != nil {
		return fmt.Errorf("list %T: %w", into, err)
	}
	return nil
}

func (s *scene) readMembers(ctx context.Context, from client.Reader) error {
	var members v1alpha2.EtcdMemberList
	var pods corev1.PodList
	if err := errors.Join(s.list(ctx, from, &members), s.list(ctx, from, &pods)); err != nil {
		return err
	}
	s.pods = pods.Items
	for i := range members.Items {
		s.members = append(s.members, &member{name: members.Items[i].Name, object: &members.Items[i]})
	}
	if s.cluster.Status.ClusterID == "" { // once it has formed, a founder without EtcdMember is one that left
		for _, name := range s.cluster.Status.InitialMembers {
			if s.find(name) == nil {
				s.members = append(s.members, &member{name: name})
			}
		}
	}
	for i := range s.pods {
		if m := s.find(s.pods[i].Name); m != nil {
			m.pod = &s.pods[i]
		}
	}
	slices.SortFunc(s.members, func(a, b *member) int { return strings.Compare(a.name, b.name) })
	return nil
}

func (s *scene) find(name string) *member {
	i := slices.IndexFunc(s.members, func(m *member) bool { return m.name == name })
	if i < 0 {
		return nil
	}
	return s.members[i]
}

// readOwn reads the Secrets and bundles that the operator keeps. A bundle whose content does not fit its name is none.
func (s *scene) readOwn(ctx context.Context, from client.Reader) error {
	var secrets corev1.SecretList
	var maps corev1.ConfigMapList
	if err := errors.Join(s.list(ctx, from, &secrets), s.list(ctx, from, &maps)); err != nil {
		return err
	}
	s.secrets = map[string]*corev1.Secret{}
	for i := range secrets.Items {
		s.secrets[secrets.Items[i].Name] = &secrets.Items[i]
	}
	s.bundles = map[resource.Plane]map[string]*corev1.ConfigMap{resource.ClientPlane: {}, resource.PeerPlane: {}}
	for i := range maps.Items {
		if kind, hash, _, ok := resource.TrustOf(s.cluster.Name, &maps.Items[i]); ok {
			s.bundles[kind][hash] = &maps.Items[i]
		}
		if maps.Items[i].Name == resource.ConnectionName(s.cluster.Name) {
			s.connection = &maps.Items[i]
		}
	}
	return nil
}

func (s *scene) readSupplied(ctx context.Context, live client.Reader) error {
	s.supplied = map[string]*corev1.Secret{}
	for _, name := range namedSecrets(s.cluster) {
		secret := &corev1.Secret{}
		err := live.Get(ctx, types.NamespacedName{Namespace: s.cluster.Namespace, Name: name}, secret)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("get Secret %s: %w", name, err)
		}
		s.supplied[name] = secret
	}
	return nil
}

// bundle reads the bundle with a hash, false if it is not there or was tampered with.
func (s *scene) bundle(kind resource.Plane, hash string) (pki.Bundle, bool) {
	m := s.bundles[kind][hash]
	if m == nil {
		return pki.Bundle{}, false
	}
	_, _, text, _ := resource.TrustOf(s.cluster.Name, m)
	bundle, err := pki.ParseBundle([]byte(text))
	return bundle, err == nil && bundle.Hash() == hash
}

// status is what is on record about a plane, never nil.
func (s *scene) status(kind resource.Plane) *v1alpha2.PlaneTLSStatus {
	var status *v1alpha2.PlaneTLSStatus
	switch tls := s.cluster.Status.TLS; {
	case tls == nil:
	case kind == resource.ClientPlane:
		status = tls.Client
	default:
		status = tls.Peer
	}
	if status == nil {
		return &v1alpha2.PlaneTLSStatus{}
	}
	return status
}

// used says whether a member is secured on a plane, or is to be, whatever the spec says by now.
func (s *scene) used(kind resource.Plane) bool {
	for _, m := range s.members {
		if _, secured := resource.StartsWith(m.object, kind); secured {
			return true
		}
	}
	return slices.ContainsFunc(s.pods, func(p corev1.Pod) bool {
		_, secured := resource.RunsWith(&p, s.cluster.Name, kind)
		return secured
	})
}
