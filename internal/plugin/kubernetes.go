package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// newScheme knows the kinds that the plugin reads.
func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	err := errors.Join(corev1.AddToScheme(scheme), policyv1.AddToScheme(scheme), storagev1.AddToScheme(scheme), v1alpha2.AddToScheme(scheme))
	if err != nil {
		return nil, fmt.Errorf("register types: %w", err)
	}
	return scheme, nil
}

// newMapper names the resources of those kinds, so that nothing has to be discovered first.
func newMapper() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []schema.GroupVersionKind{
		v1alpha2.GroupVersion.WithKind("EtcdCluster"), v1alpha2.GroupVersion.WithKind("EtcdMember"),
		v1alpha2.GroupVersion.WithKind("EtcdSnapshot"), v1alpha2.GroupVersion.WithKind("EtcdSnapshotSchedule"),
		corev1.SchemeGroupVersion.WithKind("Pod"), corev1.SchemeGroupVersion.WithKind("Service"),
		corev1.SchemeGroupVersion.WithKind("ConfigMap"), corev1.SchemeGroupVersion.WithKind("Secret"),
		corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"), policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"),
	} {
		mapper.Add(kind, meta.RESTScopeNamespace)
	}
	return mapper
}

// connect makes a client of the Kubernetes API and the Forwarder to its Pods.
func connect(config *rest.Config) (client.Client, *Forwarder, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, nil, err
	}
	reader, err := client.New(config, client.Options{Scheme: scheme, Mapper: newMapper()})
	if err != nil {
		return nil, nil, fmt.Errorf("make client: %w", err)
	}
	core := rest.CopyConfig(config)
	core.APIPath = "/api"
	core.GroupVersion = &corev1.SchemeGroupVersion
	core.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	pods, err := rest.RESTClientFor(core)
	if err != nil {
		return nil, nil, fmt.Errorf("make client of Pods: %w", err)
	}
	return reader, NewForwarder(config, pods), nil
}

var clusterResources = []string{"etcd", "etcdcluster", "etcdclusters", "etcdclusters." + v1alpha2.GroupVersion.Group}

// clusterName reads NAME, etcd/NAME and etcdcluster/NAME.
func clusterName(arg string) (string, error) {
	resource, name, typed := strings.Cut(arg, "/")
	if !typed {
		return arg, nil
	}
	if !slices.Contains(clusterResources, strings.ToLower(resource)) {
		return "", fmt.Errorf("%q is not an EtcdCluster: name the cluster, as NAME or etcd/NAME", arg)
	}
	return name, nil
}

// clusters lists the EtcdClusters of a namespace; of all namespaces if it is empty.
func clusters(ctx context.Context, from client.Reader, namespace string) ([]v1alpha2.EtcdCluster, error) {
	var list v1alpha2.EtcdClusterList
	err := from.List(ctx, &list, client.InNamespace(namespace))
	switch {
	case apierrors.IsNotFound(err) || meta.IsNoMatchError(err):
		return nil, errors.New("this Kubernetes cluster does not know EtcdClusters: install the operator with " +
			"\"helm install etcd-operator charts/etcd-operator\" or \"kubectl apply -f dist/install.yaml\" of " +
			"https://github.com/cozystack/etcd-operator")
	case err != nil:
		return nil, fmt.Errorf("list EtcdClusters: %w", err)
	}
	return list.Items, nil
}

// noSuchCluster says what there is instead of the cluster that was asked for.
func noSuchCluster(ctx context.Context, from client.Reader, key types.NamespacedName) error {
	var member v1alpha2.EtcdMember
	if err := from.Get(ctx, key, &member); err == nil {
		return fmt.Errorf("%s is a member: name its cluster, %s", key.Name, member.Spec.ClusterName)
	}
	all, err := clusters(ctx, from, key.Namespace)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("no EtcdCluster %q in namespace %q: there is none at all; -n names another namespace, -A lists all",
			key.Name, key.Namespace)
	}
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	return fmt.Errorf("no EtcdCluster %q in namespace %q: there is %s", key.Name, key.Namespace, strings.Join(names, ", "))
}

// lenientReader does without what the plugin's user may not read besides the operator's own kinds and Pods: volumes are
// believed to be as recorded, and the other objects of the cluster to be as wanted.
type lenientReader struct {
	client.Reader
	unread []string // kinds
}

// Get implements client.Reader.
func (r *lenientReader) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	err := r.Reader.Get(ctx, key, into, opts...)
	kind := ""
	switch into.(type) {
	case *corev1.Service:
		kind = "Service"
	case *policyv1.PodDisruptionBudget:
		kind = "PodDisruptionBudget"
	}
	if kind == "" || !apierrors.IsForbidden(err) {
		return err
	}
	r.note(kind)
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

// List implements client.Reader.
func (r *lenientReader) List(ctx context.Context, into client.ObjectList, opts ...client.ListOption) error {
	err := r.Reader.List(ctx, into, opts...)
	claims, ok := into.(*corev1.PersistentVolumeClaimList)
	if !ok || !apierrors.IsForbidden(err) {
		return err
	}
	r.note("PersistentVolumeClaim")
	var members v1alpha2.EtcdMemberList
	if err := r.Reader.List(ctx, &members, opts...); err != nil {
		return err
	}
	for i := range members.Items {
		if m := &members.Items[i]; m.Status.PVCName != "" {
			claim := corev1.PersistentVolumeClaim{}
			claim.Name, claim.Namespace, claim.Labels = m.Status.PVCName, m.Namespace, m.Labels
			claim.OwnerReferences = m.OwnerReferences
			claim.UID = types.UID(m.Status.VolumeUID)
			claims.Items = append(claims.Items, claim)
		}
	}
	return nil
}

func (r *lenientReader) note(kind string) {
	if !slices.Contains(r.unread, kind) {
		r.unread = append(r.unread, kind)
	}
}

// amend takes the objects that could not be read for what they should be.
func (r *lenientReader) amend(seen *plan.Cluster) {
	if slices.Contains(r.unread, "PersistentVolumeClaim") {
		seen.Owners = nil
	}
	for i := range seen.Objects {
		o := &seen.Objects[i]
		kind := "Service"
		if o.Kind == plan.DisruptionBudget {
			kind = "PodDisruptionBudget"
		}
		if slices.Contains(r.unread, kind) && !o.Exists {
			o.Exists, o.Current = true, true
		}
	}
}
