package resource

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// HeadlessService gives every member its DNS name, ready or not: members must find each other before they can be ready.
func HeadlessService(c *v1alpha2.EtcdCluster) *corev1.Service {
	s := service(c, HeadlessServiceName(c.Name), servicePort("client", ClientPort), servicePort("peer", PeerPort))
	s.Spec.ClusterIP = corev1.ClusterIPNone
	s.Spec.PublishNotReadyAddresses = true
	s.Spec.Selector = MemberPodLabels(c.UID)
	return s
}

// ClientService leads to ready voters only.
func ClientService(c *v1alpha2.EtcdCluster) *corev1.Service {
	s := service(c, ClientServiceName(c.Name), servicePort("client", ClientPort))
	s.Spec.Selector = MemberPodLabels(c.UID)
	s.Spec.Selector[v1alpha2.LabelRole] = v1alpha2.RoleVoter
	return s
}

func service(c *v1alpha2.EtcdCluster, name string, ports ...corev1.ServicePort) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: objectMeta(c.Namespace, name, Labels(c.Name, c.UID, componentCluster), c.Spec.AdditionalMetadata),
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Ports: ports},
	}
	s.OwnerReferences = clusterOwner(c)
	return s
}

func servicePort(name string, port int32) corev1.ServicePort {
	return corev1.ServicePort{Name: name, Port: port, TargetPort: intstr.FromString(name), Protocol: corev1.ProtocolTCP}
}
