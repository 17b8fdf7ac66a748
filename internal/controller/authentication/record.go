package authentication

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

const digestKeySize = 32 // bytes

// owned says whether the operator's Secret is there; foreign, whether somebody else has its name, whose Secret is never written to.
func (s *scene) owned() (owned, foreign bool) {
	if s.secret == nil {
		return false, false
	}
	owned = s.secret.Labels[v1alpha2.LabelClusterUID] == string(s.cluster.UID)
	return owned, !owned
}

// makeSecret gives the Secret a key for digests, and keeps what else it holds.
func (r *Reconciler) makeSecret(ctx context.Context, s *scene) error {
	root := s.root
	root.Digest = make([]byte, digestKeySize)
	if _, err := io.ReadFull(r.Random, root.Digest); err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	if s.secret != nil {
		return r.writeSecret(ctx, s, root)
	}
	secret := resource.RootSecret(s.cluster, root)
	if err := r.Client.Create(ctx, secret); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create Secret %s: %w", secret.Name, err)
	}
	return nil
}

// write writes a record down: what is root's in the Secret, all else in status, which is published at the end of the pass. Where both
// change, what is cut off in between is begun anew.
func (r *Reconciler) write(ctx context.Context, s *scene, record plan.AuthRecord) error {
	root := s.root
	var digest string
	digest, root.Kept = record.Users[resource.RootUser]
	root.Password, root.Next = s.passwords[digest].Reveal(), s.passwords[record.Next].Reveal()
	if root.Kept != s.root.Kept || root.Password != s.root.Password || root.Next != s.root.Next {
		if err := r.writeSecret(ctx, s, root); err != nil {
			return err
		}
	}
	s.auth.Record = record
	return nil
}

func (r *Reconciler) writeSecret(ctx context.Context, s *scene, root resource.Root) error {
	secret := s.secret.DeepCopy()
	resource.WriteRoot(secret, root)
	if err := r.Client.Update(ctx, secret); err != nil {
		return fmt.Errorf("update Secret %s: %w", secret.Name, err)
	}
	s.secret, s.root = secret, root
	return nil
}

// recorded is the record as status holds it, nil if there is nothing to remember.
func (s *scene) recorded() *v1alpha2.AuthStatus {
	record := s.auth.Record
	status := &v1alpha2.AuthStatus{KeptOn: record.Enabled, Adopted: record.Adopted, Roles: slices.Sorted(slices.Values(record.Roles))}
	for _, name := range slices.Sorted(maps.Keys(record.Users)) {
		if name != resource.RootUser {
			status.Users = append(status.Users, v1alpha2.AuthUserRecord{Name: name, PasswordDigest: record.Users[name]})
		}
	}
	return status
}

// forget drops what is not needed any more: the Secret, then what status says.
func (r *Reconciler) forget(ctx context.Context, s *scene) error {
	if err := r.deleteSecret(ctx, s.secret); err != nil {
		return err
	}
	s.forgotten = true
	return r.publish(ctx, s, plan.AuthDecision{Step: plan.Nothing{}, Outlook: plan.Fulfilled}, false)
}

func (r *Reconciler) deleteSecret(ctx context.Context, secret *corev1.Secret) error {
	seen := client.Preconditions{UID: ptr.To(secret.UID), ResourceVersion: ptr.To(secret.ResourceVersion)}
	if err := r.Client.Delete(ctx, secret, seen); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete Secret %s: %w", secret.Name, err)
	}
	return nil
}
