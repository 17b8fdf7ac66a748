package bed

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

func conflict(err error) bool { return apierrors.IsConflict(err) }

// Unlock annotates an object so that people may do to it what the chart's policy refuses.
func (b *Bed) Unlock(ctx context.Context, o client.Object) error {
	key := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"`+v1alpha2.AnnotationAllowDeletion+`":"true"}}}`))
	if err := b.Patch(ctx, o, key); err != nil {
		return fmt.Errorf("allow the deletion of %s: %w", o.GetName(), err)
	}
	return nil
}

// DeleteByHand deletes an EtcdMember or the claim of one, as somebody does who means it.
func (b *Bed) DeleteByHand(ctx context.Context, o client.Object, options ...client.DeleteOption) error {
	if err := b.Unlock(ctx, o); err != nil {
		return err
	}
	if err := b.Delete(ctx, o, options...); err != nil {
		return fmt.Errorf("delete %s: %w", o.GetName(), err)
	}
	return nil
}

// RemovePersistentVolume takes the PersistentVolume from a claim, which protects neither: the claim is Lost afterwards.
func (b *Bed) RemovePersistentVolume(ctx context.Context, namespace, claim string) error {
	var c corev1.PersistentVolumeClaim
	if err := b.Get(ctx, client.ObjectKey{Namespace: namespace, Name: claim}, &c); err != nil {
		return fmt.Errorf("find volume: %w", err)
	}
	v := &corev1.PersistentVolume{}
	v.Name = c.Spec.VolumeName
	if err := b.Delete(ctx, v); err != nil {
		return fmt.Errorf("delete volume of %s: %w", claim, err)
	}
	free := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	if err := client.IgnoreNotFound(b.Patch(ctx, v, free)); err != nil {
		return fmt.Errorf("free volume of %s: %w", claim, err)
	}
	return nil
}
