package snapshot

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// surroundings are what an agent needs: the cluster, and the way to the store.
type surroundings struct {
	cluster *v1alpha2.EtcdCluster // nil if it is gone
	source  resource.AgentSource

	clusterLacks, storeLacks plan.Obstacle
}

func (a *surroundings) obstacle() plan.Obstacle {
	if a.clusterLacks.Reason != "" {
		return a.clusterLacks
	}
	return a.storeLacks
}

// lookAround sees what the next agent would be given, and what it would lack.
func (r *Reconciler) lookAround(ctx context.Context, from client.Reader, s *scene, kind task.Kind) error {
	c := &v1alpha2.EtcdCluster{}
	err := from.Get(ctx, clusterKey(s.snapshot), c)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return fmt.Errorf("get EtcdCluster: %w", err)
	case err == nil:
		s.around.cluster = c
	}
	if kind == task.Save {
		if err := readSource(ctx, from, s); err != nil {
			return err
		}
	}
	if s.around.storeLacks, err = r.storeLacks(ctx, s.snapshot.Namespace, s.snapshot.Spec.Destination); err != nil {
		return err
	}
	s.known.Cluster, s.known.Store = s.around.clusterLacks, s.around.storeLacks
	return nil
}

// closed is why no snapshot can be taken of a cluster now; empty if one can.
func closed(name string, c *v1alpha2.EtcdCluster) plan.Obstacle {
	notReady := func(format string, args ...any) plan.Obstacle {
		return plan.Obstacle{Reason: v1alpha2.ReasonClusterNotReady, Message: "EtcdCluster " + name + fmt.Sprintf(format, args...)}
	}
	switch {
	case c == nil:
		return plan.Obstacle{Reason: v1alpha2.ReasonClusterMissing, Message: "EtcdCluster " + name + " is not there"}
	case !c.DeletionTimestamp.IsZero():
		return plan.Obstacle{Reason: v1alpha2.ReasonClusterMissing, Message: "EtcdCluster " + name + " is being deleted"}
	case c.Status.ClusterID == "":
		return notReady(" has yet to form")
	case c.Spec.Replicas != nil && *c.Spec.Replicas == 0:
		return notReady(" is paused: a snapshot can be taken once its replicas are above 0")
	}
	if available := meta.FindStatusCondition(c.Status.Conditions, v1alpha2.ConditionAvailable); available != nil &&
		available.Status == metav1.ConditionFalse {
		return notReady(" is not available: %s", cmp.Or(available.Message, available.Reason))
	}
	return plan.Obstacle{}
}

// readSource sees whom a snapshot can be streamed from, and what has to be shown to them.
func readSource(ctx context.Context, from client.Reader, s *scene) error {
	a := &s.around
	if a.clusterLacks = closed(s.snapshot.Spec.ClusterRef.Name, a.cluster); a.clusterLacks.Reason != "" {
		return nil
	}
	voters, err := voters(ctx, from, a.cluster)
	if err != nil {
		return err
	}
	if len(voters) == 0 {
		a.clusterLacks = plan.Obstacle{
			Reason: v1alpha2.ReasonClusterNotReady, Message: "EtcdCluster " + a.cluster.Name + " has no member that votes",
		}
		return nil
	}
	secured := func(m *v1alpha2.EtcdMember) bool {
		_, secured := resource.StartsWith(m, resource.ClientPlane)
		return secured
	}
	for _, m := range voters {
		url := resource.ClientURL(m.Name, a.cluster.Name, m.Namespace, secured(m))
		a.source.Endpoints = append(a.source.Endpoints, task.Endpoint{Member: m.Name, URL: url})
	}
	if slices.ContainsFunc(voters, secured) {
		if err := readTrust(ctx, from, a, voters); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(voters, func(m *v1alpha2.EtcdMember) bool { return !secured(m) }) {
		return nil // no password is sent in plain
	}
	return readPasswords(ctx, from, a, s.known.Record.Attempts)
}

func voters(ctx context.Context, from client.Reader, c *v1alpha2.EtcdCluster) (voters []*v1alpha2.EtcdMember, err error) {
	var members v1alpha2.EtcdMemberList
	ours := client.MatchingLabels{v1alpha2.LabelCluster: c.Name, v1alpha2.LabelClusterUID: string(c.UID)}
	if err := from.List(ctx, &members, client.InNamespace(c.Namespace), ours); err != nil {
		return nil, fmt.Errorf("list EtcdMembers: %w", err)
	}
	for i := range members.Items {
		if m := &members.Items[i]; m.Status.IsVoter && m.Spec.Removal == nil {
			voters = append(voters, m)
		}
	}
	slices.SortFunc(voters, func(a, b *v1alpha2.EtcdMember) int { return cmp.Compare(a.Name, b.Name) })
	return voters, nil
}

// readTrust finds whom to trust, and what to present where a member wants to see a certificate.
func readTrust(ctx context.Context, from client.Reader, a *surroundings, voters []*v1alpha2.EtcdMember) error {
	c := a.cluster
	pending := func(what string) {
		a.clusterLacks = plan.Obstacle{Reason: v1alpha2.ReasonClusterNotReady, Message: what + " of EtcdCluster " + c.Name + " is not there yet"}
	}
	bundle := resource.BundleOf(c, resource.ClientPlane)
	trust := resource.TrustName(c.Name, resource.ClientPlane, bundle)
	there, err := exists(ctx, from, &corev1.ConfigMap{}, c.Namespace, trust)
	if err != nil {
		return err
	}
	if bundle == "" || !there {
		pending("the bundle of CAs")
		return nil
	}
	a.source.Trust = trust
	asks := func(m *v1alpha2.EtcdMember) bool { return m.Spec.TLS != nil && m.Spec.TLS.ClientMTLS }
	if resource.StageOf(c, resource.ClientPlane) != v1alpha2.TLSMutual && !slices.ContainsFunc(voters, asks) {
		return nil
	}
	a.source.Client = resource.OperatorClientName(c.Name)
	if there, err = exists(ctx, from, &corev1.Secret{}, c.Namespace, a.source.Client); err == nil && !there {
		pending("the operator's client certificate")
	}
	return err
}

// readPasswords finds what root logs in with where authentication is on.
func readPasswords(ctx context.Context, from client.Reader, a *surroundings, tries int) error {
	c := a.cluster
	if c.Spec.Auth == nil && c.Status.Auth == nil && !c.Status.AuthEnabled {
		return nil
	}
	secret := &corev1.Secret{}
	err := from.Get(ctx, types.NamespacedName{Namespace: c.Namespace, Name: resource.OperatorRootName(c.Name)}, secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("get what root logs in with: %w", err)
	}
	if secret.Labels[v1alpha2.LabelClusterUID] != string(c.UID) {
		return nil
	}
	if keys := resource.PasswordKeys(secret); len(keys) > 0 {
		// While the password changes, root has the one or the other: the next try takes the other.
		a.source.Root, a.source.PasswordKey = secret.Name, keys[tries%len(keys)]
	}
	return nil
}

func exists(ctx context.Context, from client.Reader, o client.Object, namespace, name string) (bool, error) {
	err := from.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, o)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("get %s: %w", name, err)
	}
	return err == nil, nil
}

// storeLacks is what people have yet to bring, so that agents can get at the store.
func (r *Reconciler) storeLacks(ctx context.Context, namespace string, at v1alpha2.SnapshotLocation) (plan.Obstacle, error) {
	if at.PVC != nil {
		return r.claimLacks(ctx, namespace, at.PVC.ClaimName)
	}
	if at.S3 == nil {
		return plan.Obstacle{}, nil
	}
	for _, need := range []struct {
		ref  *corev1.LocalObjectReference
		what string
		keys []string
	}{
		{at.S3.CredentialsSecretRef, "the credentials of the store", []string{resource.S3AccessKey, resource.S3SecretKey}},
		{at.S3.CASecretRef, "the CAs of the store", []string{resource.TrustKey}},
	} {
		if need.ref == nil {
			continue
		}
		secret := &corev1.Secret{}
		there, err := exists(ctx, r.Live, secret, namespace, need.ref.Name)
		if err != nil {
			return plan.Obstacle{}, err
		}
		if !there {
			return plan.Obstacle{
				Reason: v1alpha2.ReasonSecretMissing, Message: fmt.Sprintf("Secret %s with %s is not there", need.ref.Name, need.what),
			}, nil
		}
		for _, key := range need.keys {
			if len(secret.Data[key]) == 0 {
				return plan.Obstacle{
					Reason: v1alpha2.ReasonSecretMissing, Message: fmt.Sprintf("Secret %s with %s has no key %s", need.ref.Name, need.what, key),
				}, nil
			}
		}
	}
	return plan.Obstacle{}, nil
}

func (r *Reconciler) claimLacks(ctx context.Context, namespace, name string) (plan.Obstacle, error) {
	claim := &corev1.PersistentVolumeClaim{}
	there, err := exists(ctx, r.Live, claim, namespace, name)
	var missing string
	switch {
	case err != nil:
		return plan.Obstacle{}, err
	case !there:
		missing = "is not there"
	case claim.Status.Phase == corev1.ClaimLost:
		missing = "has lost its volume"
	case !claim.DeletionTimestamp.IsZero():
		missing = "is being deleted"
	default:
		return plan.Obstacle{}, nil
	}
	return plan.Obstacle{Reason: v1alpha2.ReasonClaimMissing, Message: "PersistentVolumeClaim " + name + " " + missing}, nil
}

// intent is what the next agent is given.
func (s *scene) intent(kind task.Kind) resource.AgentIntent {
	in := resource.AgentIntent{Kind: kind, EtcdVersion: resource.DrillVersion(s.snapshot, s.around.cluster)}
	deadline := s.known.Deadline
	if kind == task.Save {
		in.Source = s.around.source
		deadline = s.known.Created.Add(deadline).Sub(s.known.Now)
	}
	if kind == task.Delete {
		deadline = eraseWithin
	}
	in.Deadline = int64(deadline.Seconds())
	if c := s.around.cluster; c != nil {
		in.ImagePullSecrets, in.Metadata = c.Spec.ImagePullSecrets, c.Spec.AdditionalMetadata
		return in
	}
	for _, job := range s.jobs { // the cluster is gone: what it gave to an earlier try is good enough
		in.ImagePullSecrets = job.Spec.Template.Spec.ImagePullSecrets
	}
	return in
}
