// Package v1alpha2 holds the API of the operator: the kinds EtcdCluster, EtcdMember and EtcdSnapshot.
//
// The types carry no behaviour. What a field means, its unit and its default stand in its comment; what may not be
// written stands in the CEL rule beside it, so that the API server refuses it with a message a user can act on.
//
// +kubebuilder:object:generate=true
// +groupName=etcd-operator.cozystack.io
package v1alpha2
