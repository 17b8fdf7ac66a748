package certificate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// step is one write. What it does, in words, tells it from all others.
type step struct {
	does      string
	take      func(ctx context.Context, r *Reconciler) error
	announces bool // the write is that of the status
}

// taken is a name that somebody else has: an earlier cluster of the same name, of which things are still going, or a stranger.
type taken struct {
	what    string
	earlier bool
}

func (t *taken) Error() string {
	if t.earlier {
		return t.what + " belongs to an earlier cluster of this name: waiting for it to go"
	}
	return t.what + " is there and does not belong to this cluster: delete it, or give the cluster another name"
}

func (t *taken) trouble() trouble {
	if t.earlier {
		return trouble{v1alpha2.ReasonCertificatePending, t.Error()}
	}
	return trouble{v1alpha2.ReasonNameTaken, t.Error()}
}

// next is the first write that is due, nil if there is none. What is seen is written down before anything follows from it, a bundle is
// there before anybody is told of it, and clients are told of a CA before its time begins to count.
func next(s *scene, planes []*plane) *step {
	if s.disabled() {
		return nil
	}
	for _, due := range []func(*plane) *step{
		func(p *plane) *step { return p.supply.first }, (*plane).record, (*plane).provide, (*plane).upkeep, (*plane).announce, (*plane).handout,
		(*plane).refuse, func(p *plane) *step { return p.supply.asks },
	} {
		for _, p := range planes {
			if step := due(p); step != nil {
				return step
			}
		}
	}
	return s.sweep(planes)
}

// record writes down what members show.
func (p *plane) record() *step {
	for _, m := range p.members {
		shown, paper := m.shows[p.kind], p.papers[m.name]
		if shown == nil || paper.secret == nil || paper.recorded(shown) {
			continue
		}
		secret := paper.record(paper.lastShown(shown))
		return &step{
			does: fmt.Sprintf("record that %s shows %s on the %s plane", m.name, identity(shown), p.kind),
			take: func(ctx context.Context, r *Reconciler) error { return r.update(ctx, secret) },
		}
	}
	return nil
}

// provide makes the ConfigMap that members are to be started with.
func (p *plane) provide() *step {
	if !p.ready {
		return nil
	}
	bundle := p.bundle()
	hash := bundle.Hash()
	if _, there := p.scene.bundle(p.kind, hash); there {
		return nil
	}
	if broken := p.bundles[p.kind][hash]; broken != nil {
		return deleting(broken, "ConfigMap")
	}
	m := resource.TrustConfigMap(p.cluster, p.kind, hash, string(bundle.PEM()))
	return &step{does: "create ConfigMap " + m.Name, take: func(ctx context.Context, r *Reconciler) error { return r.create(ctx, m) }}
}

// upkeep lets the Secrets that clients read say whom to trust.
func (p *plane) upkeep() *step {
	if !p.ready {
		return nil
	}
	if p.supply.upkeep != nil {
		if step := p.supply.upkeep(p); step != nil {
			return step
		}
	}
	if step := p.upkeepSecret(p.papers[p.operator()]); step != nil {
		return step
	}
	for _, a := range p.asking() {
		if step := p.upkeepSecret(p.papers[a.key()]); step != nil {
			return step
		}
	}
	return p.upkeepConnection()
}

func (p *plane) upkeepSecret(paper paper) *step {
	text := p.bundle().PEM()
	if paper.secret == nil || !paper.usable || string(paper.secret.Data[pki.BundleKey]) == string(text) {
		return nil
	}
	secret := paper.secret.DeepCopy()
	secret.Data[pki.BundleKey] = text
	return &step{
		does: "announce " + p.decision.Bundle.Short() + " in Secret " + secret.Name,
		take: func(ctx context.Context, r *Reconciler) error { return r.update(ctx, secret) },
	}
}

// upkeepConnection: another controller makes the ConfigMap and keeps everything else in it. This comes from here because it has to be
// there before the time begins in which clients take it over.
func (p *plane) upkeepConnection() *step {
	text := string(p.bundle().PEM())
	if p.kind != resource.ClientPlane || p.connection == nil || p.connection.Data[pki.BundleKey] == text {
		return nil
	}
	m := p.connection.DeepCopy()
	if m.Data == nil {
		m.Data = map[string]string{}
	}
	m.Data[pki.BundleKey] = text
	return &step{
		does: "announce " + p.decision.Bundle.Short() + " in ConfigMap " + m.Name,
		take: func(ctx context.Context, r *Reconciler) error { return r.update(ctx, m) },
	}
}

// announce tells who starts members, and clients, of the bundle.
func (p *plane) announce() *step {
	if !p.ready || p.announced() {
		return nil
	}
	return &step{
		does: fmt.Sprintf("announce bundle %s on the %s plane", p.bundle().Hash(), p.kind), announces: true,
		take: func(context.Context, *Reconciler) error { return nil },
	}
}

func (p *plane) announced() bool {
	return p.status(p.kind).Bundle == p.bundle().Hash() && slices.Equal(p.publishedAnchors(), p.bundle().Fingerprints())
}

// handout gives a certificate to somebody.
func (p *plane) handout() *step {
	if !p.ready || len(p.decision.Give) == 0 {
		return nil
	}
	h := p.decision.Give[0]
	o := p.offers[h.To][h.Offer]
	return &step{
		does: fmt.Sprintf("give %s %s on the %s plane", h.To, o.from, p.kind),
		take: func(ctx context.Context, r *Reconciler) error { return p.give(ctx, r, h.To, o) },
	}
}

func (p *plane) give(ctx context.Context, r *Reconciler, to string, o offer) error {
	m, err := o.material(to, r.Random)
	if err != nil {
		return err
	}
	trust, usages := m.Bundle, p.judged()
	if to == p.operator() || p.application(to) != nil {
		trust, usages = p.bundle(), pki.ClientUsages()
	}
	data, err := m.Data(trust)
	if err != nil {
		return fmt.Errorf("write certificate for %s: %w", to, err)
	}
	before, secret := p.papers[to], p.leafSecret(to)
	if secret.Data = data; p.application(to) != nil {
		secret.Data = withOthers(data, before.secret.Data)
		delete(secret.Annotations, v1alpha2.AnnotationCertificateRefused)
	}
	if chain := before.lastShown(nil); chain != nil && !chain[0].Equal(m.Leaf()) {
		secret.Data[previousKey] = pki.ChainPEM(chain)
	}
	since := p.now
	vouchers := func(m pki.Material) plan.Anchors { return p.leaf(m.Chain, to, usages).Vouchers }
	if before.usable && !before.since.IsZero() && slices.Equal(vouchers(before.material), vouchers(m)) {
		since = before.since
	}
	secret.Annotations[v1alpha2.AnnotationCertificate] = pki.Serial(m.Leaf())
	secret.Annotations[v1alpha2.AnnotationCertificateSince] = since.UTC().Format(time.RFC3339)
	if before.secret == nil {
		return r.create(ctx, secret)
	}
	return r.update(ctx, secret)
}

// sweep deletes what nobody needs any more: one object at a time.
func (s *scene) sweep(planes []*plane) *step {
	for _, p := range s.both(planes) {
		if !p.wanted && s.used(p.kind) {
			continue // until the last member has left the plane
		}
		if step := p.sweep(); step != nil {
			return step
		}
	}
	return nil
}

func (p *plane) sweep() *step {
	for _, name := range slices.Sorted(maps.Keys(p.secrets)) {
		if p.spare(name) {
			return deleting(p.secrets[name], "Secret")
		}
	}
	for _, hash := range slices.Sorted(maps.Keys(p.bundles[p.kind])) {
		if !p.needs(hash) {
			return deleting(p.bundles[p.kind][hash], "ConfigMap")
		}
	}
	return p.dismiss()
}

// spare says whether a Secret is one of this plane, and nobody needs it any more.
func (p *plane) spare(name string) bool {
	switch holder := p.secrets[name].Labels[v1alpha2.LabelMember]; {
	case holder != "" && name == resource.LeafName(holder, p.kind):
		_, needed := p.papers[holder]
		return !needed && !p.mounted(holder)
	case name == resource.OperatorClientName(p.cluster.Name) && p.kind == resource.ClientPlane:
		return p.operator() == "" && !p.asked()
	case name == resource.AuthorityName(p.cluster.Name, p.kind):
		return !p.wanted || !p.supply.issues && p.settled()
	}
	return false
}

// mounted says whether the Pod of a member, which may be gone otherwise, is secured on the plane.
func (p *plane) mounted(member string) bool {
	return slices.ContainsFunc(p.pods, func(pod corev1.Pod) bool {
		_, secured := resource.RunsWith(&pod, p.cluster.Name, p.kind)
		return secured && pod.Name == member
	})
}

// asked says whether a member still asks its clients for certificates.
func (p *plane) asked() bool {
	return slices.ContainsFunc(p.members, func(m *member) bool {
		next, _ := resource.StartsWith(m.object, p.kind)
		has, _ := resource.RunsWith(m.pod, p.cluster.Name, p.kind)
		return next != "" || has != ""
	})
}

// needs says whether somebody is, or will be, started with a bundle. On a plane that is not secured nobody will.
func (p *plane) needs(hash string) bool {
	if p.wanted && (p.status(p.kind).Bundle == hash || !p.ready || p.bundle().Hash() == hash) {
		return true
	}
	for _, m := range p.members {
		if next, _ := resource.StartsWith(m.object, p.kind); next == hash {
			return true
		}
	}
	return slices.ContainsFunc(p.pods, func(pod corev1.Pod) bool {
		has, _ := resource.RunsWith(&pod, p.cluster.Name, p.kind)
		return has == hash
	})
}

func deleting(o client.Object, kind string) *step {
	return &step{does: fmt.Sprintf("delete %s %s", kind, o.GetName()), take: func(ctx context.Context, r *Reconciler) error {
		seen := client.Preconditions{UID: ptr.To(o.GetUID()), ResourceVersion: ptr.To(o.GetResourceVersion())}
		if err := r.Client.Delete(ctx, o, seen); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete %s %s: %w", kind, o.GetName(), err)
		}
		return nil
	}}
}

// create makes an object. None of the cluster's has its name: that was seen past the cache.
func (r *Reconciler) create(ctx context.Context, o client.Object) error {
	err := r.Client.Create(ctx, o)
	if apierrors.IsAlreadyExists(err) {
		there, ok := o.DeepCopyObject().(client.Object)
		if err := r.Live.Get(ctx, client.ObjectKeyFromObject(o), there); !ok || err != nil {
			return fmt.Errorf("look at %s %s: %w", kindOf(o), o.GetName(), err)
		}
		return &taken{fmt.Sprintf("%s %s", kindOf(o), o.GetName()), there.GetLabels()[v1alpha2.LabelClusterUID] != ""}
	}
	if err != nil {
		return fmt.Errorf("create %s %s: %w", kindOf(o), o.GetName(), err)
	}
	return nil
}

func (r *Reconciler) update(ctx context.Context, o client.Object) error {
	if err := r.Client.Update(ctx, o); err != nil {
		return fmt.Errorf("update %s %s: %w", kindOf(o), o.GetName(), err)
	}
	return nil
}

func kindOf(o client.Object) string {
	switch o.(type) {
	case *corev1.Secret:
		return "Secret"
	case *cmv1.Certificate:
		return "Certificate"
	}
	return "ConfigMap"
}
