package resource

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Class is how a running member comes by a field that has changed.
type Class string

// Classes of fields.
const (
	Live    Class = "live"    // it is given to the member as it runs
	Restart Class = "restart" // another Pod takes it over
	Grow    Class = "grow"    // its volume grows, where the storage class can do that
	Replace Class = "replace" // only a new member can have it
)

// MemberField is a field of the spec that members take over.
type MemberField struct {
	Name  string
	Class Class // for a member on a volume: one in memory would lose its data by a restart, and is replaced
	take  func(*v1alpha2.EtcdMember, *v1alpha2.EtcdCluster)
}

// ClassFor is the class of the field for m. expands says whether the storage class of its volume lets volumes grow.
func (f MemberField) ClassFor(m *v1alpha2.EtcdMember, expands bool) Class {
	memory := m.Spec.Storage.Medium == v1alpha2.StorageMediumMemory
	if f.Class == Grow && !expands || f.Class != Live && memory {
		return Replace
	}
	return f.Class
}

// MemberFields are the fields that members take over, in the order of the API.
var MemberFields = []MemberField{
	{"version", Restart, func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) { m.Spec.Version = c.Spec.Version }},
	{"storage.size", Grow, takeSize},
	{"storage.medium", Replace, func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) { m.Spec.Storage.Medium = c.Spec.Storage.Medium }},
	{"storage.storageClassName", Replace, func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) {
		m.Spec.Storage.StorageClassName = c.Spec.Storage.DeepCopy().StorageClassName
	}},
	{"tls", Restart, func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) { m.Spec.TLS = memberTLS(c, m.Name) }},
	{"resources", Restart, func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) { m.Spec.Resources = *c.Spec.Resources.DeepCopy() }},
	{"additionalMetadata", Live, func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) {
		m.Spec.AdditionalMetadata = c.Spec.AdditionalMetadata.DeepCopy()
	}},
	{"affinity", Restart, func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) { m.Spec.Affinity = c.Spec.Affinity.DeepCopy() }},
	{"topologySpreadConstraints", Restart, func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) {
		m.Spec.TopologySpreadConstraints = c.Spec.DeepCopy().TopologySpreadConstraints
	}},
	{"options", Restart, func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) { m.Spec.Options = c.Spec.Options.DeepCopy() }},
	{"imagePullSecrets", Restart, func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) {
		m.Spec.ImagePullSecrets = c.Spec.DeepCopy().ImagePullSecrets
	}},
	{"restartedAt", Restart, func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) { m.Spec.RestartedAt = restartedAt(c) }},
}

// takeSize never shrinks a volume, also where a template is gone back to that asks for less.
func takeSize(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) {
	if m.Spec.Storage.Medium == v1alpha2.StorageMediumMemory || c.Spec.Storage.Size.Cmp(m.Spec.Storage.Size) > 0 {
		m.Spec.Storage.Size = c.Spec.Storage.Size.DeepCopy()
	}
}

// restartedAt is when somebody last asked for a restart. That the annotation goes asks for none.
func restartedAt(c *v1alpha2.EtcdCluster) string {
	if at := c.Annotations[v1alpha2.AnnotationRestartedAt]; at != "" || c.Status.Template == nil {
		return at
	}
	return c.Status.Template.RestartedAt
}

// Changes are the fields in which a member differs from what its cluster asks for, by class and in the order of the API.
type Changes struct{ Live, Restart, Grow, Replace []string }

// Differences compares m with what its cluster asks for.
func Differences(c *v1alpha2.EtcdCluster, m *v1alpha2.EtcdMember, expands bool) (d Changes) {
	into := map[Class]*[]string{Live: &d.Live, Restart: &d.Restart, Grow: &d.Grow, Replace: &d.Replace}
	for _, field := range MemberFields {
		wanted := m.DeepCopy()
		field.take(wanted, c)
		if !equality.Semantic.DeepEqual(wanted.Spec, m.Spec) {
			names := into[field.ClassFor(m, expands)]
			*names = append(*names, field.Name)
		}
	}
	return d
}

// Template is what the spec of c asks of members.
func Template(c *v1alpha2.EtcdCluster) v1alpha2.MemberTemplate {
	var m v1alpha2.EtcdMember
	for _, field := range MemberFields {
		field.take(&m, c)
	}
	return TemplateOf(&m)
}

// TemplateOf is what m was given.
func TemplateOf(m *v1alpha2.EtcdMember) v1alpha2.MemberTemplate {
	spec := m.Spec.DeepCopy()
	return v1alpha2.MemberTemplate{
		Version:                   spec.Version,
		Storage:                   templateStorage(spec.Storage),
		Resources:                 spec.Resources,
		Affinity:                  spec.Affinity,
		TopologySpreadConstraints: spec.TopologySpreadConstraints,
		Options:                   spec.Options,
		ImagePullSecrets:          spec.ImagePullSecrets,
		RestartedAt:               spec.RestartedAt,
	}
}

func templateStorage(s v1alpha2.StorageSpec) v1alpha2.MemberStorage {
	return v1alpha2.MemberStorage{Size: s.Size, Medium: s.Medium, StorageClassName: s.StorageClassName}
}

// TemplateHash identifies a template.
func TemplateHash(t v1alpha2.MemberTemplate) string {
	text, err := json.Marshal(t)
	if err != nil {
		panic(err) // plain data
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// FailedRollout is the template that a member of c did not come up with, nil if there is none.
func FailedRollout(c *v1alpha2.EtcdCluster) *v1alpha2.FailedRollout {
	if c.Status.Rollout == nil {
		return nil
	}
	return c.Status.Rollout.Failed
}

// Target is c with the template that members are to have now: that of the spec if it is cleared, else the one that all of them were
// last brought to. Everything else follows the spec.
func Target(c *v1alpha2.EtcdCluster, cleared bool) *v1alpha2.EtcdCluster {
	if cleared || c.Status.Template == nil {
		return c
	}
	target, t := c.DeepCopy(), c.Status.Template.DeepCopy()
	spec := &target.Spec
	spec.Version, spec.Resources, spec.Affinity = t.Version, t.Resources, t.Affinity
	spec.TopologySpreadConstraints, spec.Options, spec.ImagePullSecrets = t.TopologySpreadConstraints, t.Options, t.ImagePullSecrets
	spec.Storage.Size, spec.Storage.Medium, spec.Storage.StorageClassName = t.Storage.Size, t.Storage.Medium, t.Storage.StorageClassName
	metav1.SetMetaDataAnnotation(&target.ObjectMeta, v1alpha2.AnnotationRestartedAt, t.RestartedAt)
	return target
}
