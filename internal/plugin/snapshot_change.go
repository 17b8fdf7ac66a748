package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

func verifyCommand(s *shared) *cobra.Command {
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "verify NAME",
		Short: "Have the operator try a snapshot out, by restoring it into a throwaway member",
		Long: `Have the operator try a snapshot out: it is restored into a throwaway member of the version it was taken from, and its data are
compared with what was recorded. With --wait the command ends with 1 unless they are the same.`,
		Example:           `  kubectl etcd snapshot verify nightly-20261121-020000 --wait`,
		Annotations:       takes("`get` and `patch` on `etcdsnapshots`"),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeSnapshot,
		RunE: func(cmd *cobra.Command, args []string) error {
			kube, o, err := s.snapshot(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if o.Status.Phase != v1alpha2.SnapshotComplete {
				return fmt.Errorf("%s is not complete: %s", o.Name, snapshotOf(o).sentence())
			}
			request := s.Clock.Now().UTC().Format(time.RFC3339Nano)
			before := o.DeepCopy()
			metav1.SetMetaDataAnnotation(&o.ObjectMeta, v1alpha2.AnnotationVerify, request)
			if err := kube.Patch(cmd.Context(), o, client.MergeFrom(before)); err != nil {
				return fmt.Errorf("ask for a restore drill: %w", err)
			}
			if !wait {
				_, err := fmt.Fprintf(s.Out, "A restore drill of %[1]s is asked for; kubectl etcd snapshot describe %[1]s shows what it comes to.\n",
					o.Name)
				return err
			}
			return s.awaitDrill(cmd.Context(), kube, client.ObjectKeyFromObject(o), request, timeout)
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "Wait for the outcome")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Hour, "How long to wait with --wait")
	return cmd
}

func (s *shared) awaitDrill(ctx context.Context, kube client.Client, key client.ObjectKey, request string, patience time.Duration) error {
	line := s.progressLine()
	defer line.end()
	var v *v1alpha2.SnapshotVerification
	err := s.await(ctx, patience, func() (bool, error) {
		o, err := getSnapshot(ctx, kube, key)
		if err != nil {
			return false, err
		}
		v = o.Status.Verification
		switch {
		case v != nil && v.Request == request && v.Outcome != "":
			return true, nil
		case v != nil && v.Request == request:
			line.say("restoring "+key.Name+" into a throwaway member", "")
		default:
			line.say("waiting for the operator to begin", "")
		}
		return false, nil
	})
	switch {
	case errors.Is(err, errOverdue):
		return fmt.Errorf("the restore drill of %s has not ended within %s, and goes on", key.Name, patience)
	case err != nil:
		return err
	case v.Outcome != v1alpha2.VerificationVerified:
		return fmt.Errorf("the restore drill of %s is %s: %s", key.Name, v.Outcome, v.Message)
	}
	_, err = fmt.Fprintf(s.Out, "%s is verified: %s\n", key.Name, v.Message)
	return err
}

// deletion is what "snapshot delete" is asked for.
type deletion struct {
	*shared
	kube     client.Client
	withData bool
	yes      bool
	patience time.Duration
}

func deleteCommand(s *shared) *cobra.Command {
	d := &deletion{shared: s}
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a snapshot, and with --with-data what it stored",
		Long: `Delete a snapshot. What it stored stays where it is, unless --with-data says that it goes too.

Nothing is deleted without --yes; then what would be is told.`,
		Example:           `  kubectl etcd snapshot delete nightly-20261121-020000 --with-data --yes`,
		Annotations:       takes("`get` and `delete` on `etcdsnapshots`; with `--with-data` also `patch`"),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeSnapshot,
		RunE: func(cmd *cobra.Command, args []string) error {
			kube, o, err := s.snapshot(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			d.kube = kube
			return d.run(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&d.withData, "with-data", false, "Delete what is stored as well")
	cmd.Flags().BoolVar(&d.yes, "yes", false, "Do it")
	cmd.Flags().DurationVar(&d.patience, "timeout", 5*time.Minute, "How long to wait until it is gone")
	return cmd
}

func (d *deletion) run(ctx context.Context, o *v1alpha2.EtcdSnapshot) error {
	s := snapshotOf(o)
	if !d.withData && o.Spec.DeletionPolicy == v1alpha2.SnapshotDelete {
		return fmt.Errorf("the deletionPolicy of %s is Delete, so %s would go too: add --with-data, or set it to Retain first", s.Name, s.URI)
	}
	if !d.yes {
		fate := "what is stored at " + s.URI + " stays"
		if d.withData {
			fate = "what is stored at " + s.URI + " is deleted as well"
		}
		return fmt.Errorf("%s (%s, %s) would be deleted, and %s: add --yes to do it", s.Name, s.Cluster, s.Phase, fate)
	}
	if err := d.condemn(ctx, o); err != nil {
		return err
	}
	if err := d.kube.Delete(ctx, o); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete EtcdSnapshot %s: %w", s.Name, err)
	}
	if err := d.awaitGone(ctx, o); err != nil {
		return err
	}
	told := fmt.Sprintf("%s is deleted. What it stored stays at %s\n", s.Name, s.URI)
	if d.withData {
		told = fmt.Sprintf("%s is deleted, and what was stored at %s\n", s.Name, s.URI)
	}
	_, err := fmt.Fprint(d.Out, told)
	return err
}

// condemn lets the deletion delete what is stored. The finalizer is put on together with the policy: the EtcdSnapshot must not go before
// the operator has seen that there is something to do.
func (d *deletion) condemn(ctx context.Context, o *v1alpha2.EtcdSnapshot) error {
	if !d.withData || !o.DeletionTimestamp.IsZero() && o.Spec.DeletionPolicy == v1alpha2.SnapshotDelete {
		return nil
	}
	before := o.DeepCopy()
	o.Spec.DeletionPolicy = v1alpha2.SnapshotDelete
	if o.DeletionTimestamp.IsZero() {
		controllerutil.AddFinalizer(o, v1alpha2.FinalizerSnapshot)
	}
	if err := d.kube.Patch(ctx, o, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("set deletionPolicy of %s: %w", o.Name, err)
	}
	return nil
}

func (d *deletion) awaitGone(ctx context.Context, o *v1alpha2.EtcdSnapshot) error {
	line := d.progressLine()
	defer line.end()
	last := ""
	err := d.await(ctx, d.patience, func() (bool, error) {
		there := &v1alpha2.EtcdSnapshot{}
		err := d.kube.Get(ctx, client.ObjectKeyFromObject(o), there)
		if apierrors.IsNotFound(err) || err == nil && there.UID != o.UID {
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("get EtcdSnapshot: %w", err)
		}
		if s := snapshotOf(there); s.Reason == "Deleting" {
			last = ": " + s.Message
		}
		line.say("deleting "+o.Name+last, "")
		return false, nil
	})
	if errors.Is(err, errOverdue) {
		return fmt.Errorf("%s is not gone within %s, and will be once what it stored is%s", o.Name, d.patience, last)
	}
	return err
}
