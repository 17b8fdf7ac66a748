package plugin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// restoration is what "restore" is asked for.
type restoration struct {
	*shared
	place
	kube       client.Client
	from, like string
	version    string
	apply      bool
	output     string

	snapshot *v1alpha2.EtcdSnapshot // nil if a place is named
	cluster  *v1alpha2.EtcdCluster  // the new one
	remarks  []string
}

func restoreCommand(s *shared) *cobra.Command {
	r := &restoration{shared: s}
	cmd := &cobra.Command{
		Use:   "restore NEW --from SNAPSHOT",
		Short: "Make the manifest of a new cluster that starts from a snapshot, or create it",
		Long: `Make the manifest of a new cluster that starts from a snapshot, or create it with --apply.

SNAPSHOT is an EtcdSnapshot, as NAME or NAMESPACE/NAME, or the exact place of one: s3://bucket/key or pvc://claim/file. The new
cluster is like the one that the snapshot was taken of, if that is still there, or like the one that --like names. Nothing that
exists is changed: a restore is always a new cluster.`,
		Example: `  kubectl etcd restore demo-2 --from nightly-20261121-020000
  kubectl etcd restore demo-2 --from nightly-20261121-020000 --apply
  kubectl etcd restore demo -n elsewhere --from prod/nightly-20261121-020000 > demo.yaml
  kubectl etcd restore demo --from s3://backup/demo/now.db --endpoint https://s3.example.com:9000 --credentials s3 --version 3.6.16`,
		Annotations: takes("`get` on `etcdsnapshots` and `etcdclusters`; with `--apply` also `create` on `etcdclusters`"),
		Args:        cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			key, err := s.key(args[0])
			if err != nil {
				return err
			}
			if r.kube, _, _, err = s.open(); err != nil {
				return err
			}
			r.cluster = &v1alpha2.EtcdCluster{
				TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha2.GroupVersion.String(), Kind: "EtcdCluster"},
				ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
			}
			return r.run(cmd.Context())
		},
	}
	r.addFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&r.from, "from", "", "EtcdSnapshot, or s3://bucket/key or pvc://claim/file")
	flags.StringVar(&r.like, "like", "", "EtcdCluster whose spec is taken over (default: that of the snapshot)")
	flags.StringVar(&r.version, "version", "", "Version of etcd (default: that of --like, or that of the snapshot)")
	flags.BoolVar(&r.apply, "apply", false, "Create the cluster instead of printing its manifest")
	outputFlag(cmd, &r.output, "yaml", "json")
	_ = cmd.MarkFlagRequired("from") // it fails only for a flag that does not exist
	_ = cmd.RegisterFlagCompletionFunc("from", s.completeSnapshot)
	return cmd
}

func (r *restoration) run(ctx context.Context) error {
	restore, err := r.source(ctx)
	if err != nil {
		return err
	}
	if err := r.template(ctx); err != nil {
		return err
	}
	r.cluster.Spec.Bootstrap = &v1alpha2.BootstrapSpec{Restore: restore}
	if r.version != "" {
		r.cluster.Spec.Version = r.version
	}
	if err := r.fitting(); err != nil {
		return err
	}
	if r.apply {
		if err := r.kube.Create(ctx, r.cluster); err != nil {
			return fmt.Errorf("create EtcdCluster %s: %w", r.cluster.Name, err)
		}
		_, err := fmt.Fprintf(r.Out, "EtcdCluster %s is created, and starts from %s.\nkubectl etcd status %s -w shows how far it is.\n%s",
			r.cluster.Name, r.from, r.cluster.Name, r.comments("Note: "))
		return err
	}
	return r.printManifest(ctx)
}

// source says what to start from. An EtcdSnapshot of another namespace cannot be named, so its place is.
func (r *restoration) source(ctx context.Context) (*v1alpha2.RestoreSpec, error) {
	if isLocation(r.from) {
		return r.named()
	}
	namespace, name, elsewhere := strings.Cut(r.from, "/")
	if !elsewhere {
		namespace, name = r.cluster.Namespace, r.from
	}
	var err error
	if r.snapshot, err = getSnapshot(ctx, r.kube, types.NamespacedName{Namespace: namespace, Name: name}); err != nil {
		return nil, err
	}
	s := snapshotOf(r.snapshot)
	if s.Phase != string(v1alpha2.SnapshotComplete) {
		return nil, fmt.Errorf("%s is not complete: it is %s. %s", s.Name, s.Phase, s.sentence())
	}
	if s.Artifact != nil {
		r.remark("%s holds %s at revision %s of %s, taken %s", s.Name, binarySize(s.Artifact.SizeBytes), grouped(s.Artifact.Revision), s.Cluster,
			stampOf(endOf(s)))
	}
	if namespace == r.cluster.Namespace {
		return &v1alpha2.RestoreSpec{SnapshotRef: &corev1.LocalObjectReference{Name: name}}, nil
	}
	return r.elsewhere(namespace)
}

// named is the place that a URI names.
func (r *restoration) named() (*v1alpha2.RestoreSpec, error) {
	at, err := r.parse(r.from)
	if err == nil && (at.S3 != nil && at.S3.Key == "" || at.PVC != nil && at.PVC.SubPath == "") {
		err = fmt.Errorf("%s is no exact place: name the object or file itself", r.from)
	}
	return &v1alpha2.RestoreSpec{Source: &at}, err
}

// elsewhere is the place of a snapshot of another namespace.
func (r *restoration) elsewhere(namespace string) (*v1alpha2.RestoreSpec, error) {
	at := task.Exact(r.snapshot)
	if at.PVC != nil {
		return nil, fmt.Errorf("%s is on the claim %s of namespace %s, which no other namespace can mount: copy the file to a store first",
			r.snapshot.Name, at.PVC.ClaimName, namespace)
	}
	for _, ref := range []*corev1.LocalObjectReference{at.S3.CredentialsSecretRef, at.S3.CASecretRef} {
		if ref != nil {
			r.remark("Secret %s must be there in namespace %s too, as it is in %s", ref.Name, r.cluster.Namespace, namespace)
		}
	}
	return &v1alpha2.RestoreSpec{Source: &at}, nil
}

func endOf(s Snapshot) time.Time {
	if s.EndedAt != nil {
		return s.EndedAt.Time
	}
	return s.CreatedAt.Time
}

func (r *restoration) remark(format string, args ...any) {
	r.remarks = append(r.remarks, fmt.Sprintf(format, args...))
}

// template takes over the spec of the cluster that the new one is to be like.
func (r *restoration) template(ctx context.Context) error {
	key := types.NamespacedName{Namespace: r.cluster.Namespace, Name: r.like}
	if r.like == "" && r.snapshot != nil {
		key = types.NamespacedName{Namespace: r.snapshot.Namespace, Name: r.snapshot.Spec.ClusterRef.Name}
	}
	if key.Name == "" {
		return r.plainSpec()
	}
	model := &v1alpha2.EtcdCluster{}
	err := r.kube.Get(ctx, key, model)
	switch {
	case apierrors.IsNotFound(err) && r.like == "":
		r.remark("%s is not there any more: check what its spec was, for only version and size are known", key.Name)
		return r.plainSpec()
	case apierrors.IsNotFound(err):
		return noSuchCluster(ctx, r.kube, key)
	case err != nil:
		return fmt.Errorf("get EtcdCluster: %w", err)
	}
	r.cluster.Spec = *model.Spec.DeepCopy()
	if n := r.cluster.Spec.Replicas; n != nil && *n == 0 {
		r.cluster.Spec.Replicas = nil
		r.remark("%s is paused; the new cluster has as many members as is the default", key.Name)
	}
	r.remark("the spec is that of %s", key.Name)
	r.secrets(model)
	return nil
}

// secrets says what of a spec speaks of one cluster only.
func (r *restoration) secrets(model *v1alpha2.EtcdCluster) {
	if tls := model.Spec.TLS; tls != nil {
		if tls.Client != nil && tls.Client.ServerSecretRef != nil {
			r.remark("Secret %s must hold a certificate for the names of %s", tls.Client.ServerSecretRef.Name, r.cluster.Name)
		}
		if tls.Peer != nil && tls.Peer.SecretRef != nil {
			r.remark("Secret %s must hold a certificate for the names of %s", tls.Peer.SecretRef.Name, r.cluster.Name)
		}
	}
	if model.Spec.Auth != nil && model.Spec.Auth.Enabled && model.Spec.Auth.RootCredentialsSecretRef != nil {
		r.remark("users and passwords are those of the snapshot: Secret %s must hold the password that root had then",
			model.Spec.Auth.RootCredentialsSecretRef.Name)
	}
}

const gibibyte = int64(1) << 30

// plainSpec is a spec that fits what is known of the snapshot.
func (r *restoration) plainSpec() error {
	spec := &r.cluster.Spec
	if r.snapshot == nil || r.snapshot.Status.Artifact == nil {
		if r.version == "" {
			return errors.New("say --version of etcd, or --like a cluster: of this snapshot nothing is known")
		}
		return nil
	}
	artifact := r.snapshot.Status.Artifact
	spec.Version = artifact.EtcdVersion
	need := 2 * artifact.SizeBytes
	spec.Storage.Size = *apiresource.NewQuantity(max((need+gibibyte-1)/gibibyte, 1)*gibibyte, apiresource.BinarySI)
	if need > defaultQuota {
		spec.Options = &v1alpha2.EtcdOptions{QuotaBackendBytes: new(need)}
	}
	return nil
}

// fitting refuses a version that cannot read the snapshot.
func (r *restoration) fitting() error {
	if r.snapshot == nil || r.snapshot.Status.Artifact == nil {
		return nil
	}
	taken, err := version.ParseSemantic(r.snapshot.Status.Artifact.EtcdVersion)
	if err != nil {
		return nil //nolint:nilerr // unknown: the operator looks at the snapshot itself
	}
	runs, err := version.ParseSemantic(r.cluster.Spec.Version)
	if err != nil {
		return fmt.Errorf("%q is no version of etcd: %w", r.cluster.Spec.Version, err)
	}
	if runs.Minor() < taken.Minor() {
		return fmt.Errorf("etcd %s cannot read a snapshot of etcd %s: say --version %s or newer", runs, taken, taken)
	}
	return nil
}

// comments are the remarks, a line each.
func (r *restoration) comments(before string) string {
	var out strings.Builder
	for _, remark := range r.remarks {
		out.WriteString(before + remark + ".\n")
	}
	return out.String()
}

func (r *restoration) printManifest(ctx context.Context) error {
	if err := r.kube.Get(ctx, client.ObjectKeyFromObject(r.cluster), &v1alpha2.EtcdCluster{}); err == nil {
		r.remark("there is an EtcdCluster %s already: a restore is a new cluster, so that one has to be deleted first", r.cluster.Name)
	}
	manifest, err := runtime.DefaultUnstructuredConverter.ToUnstructured(r.cluster)
	if err != nil {
		return fmt.Errorf("make the manifest: %w", err)
	}
	delete(manifest, "status")
	if metadata, ok := manifest["metadata"].(map[string]any); ok {
		delete(metadata, "creationTimestamp")
	}
	if r.output == "yaml" {
		if _, err := fmt.Fprint(r.Out, r.comments("# ")); err != nil {
			return err
		}
	}
	return r.print(screen{object: manifest}, r.output)
}
