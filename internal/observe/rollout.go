package observe

import (
	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// Target is the cluster with the template that its members are to have now.
func (s *Scene) Target() *v1alpha2.EtcdCluster { return resource.Target(s.Cluster, s.cleared()) }

// cleared says whether nothing speaks against the template of the spec.
func (s *Scene) cleared() bool { return s.permitted() && s.rehearsed() }

// permitted says whether nothing speaks against it but that it may not have been tried out yet.
func (s *Scene) permitted() bool { return !s.failed() && s.timersApart() == "" }

// failed says whether a member did not come back with the template of the spec.
func (s *Scene) failed() bool {
	r := s.Cluster.Status.Rollout
	return r != nil && r.Failed != nil && r.Failed.Template == resource.TemplateHash(resource.Template(s.Cluster))
}
