package plugin

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/resource"
)

func certificateCommand(s *shared) *cobra.Command {
	var secret string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "certificate CLUSTER NAME",
		Short: "Get a client certificate for an application",
		Long: `Get a client certificate for an application, from the CA of the cluster's own (spec.tls.client.auto).

NAME is the common name of the certificate; with authentication it is the user of etcd. A Secret is made that asks for it, and the
operator writes tls.crt, tls.key and ca.crt into it. It renews them in place as long as the Secret is there, and carries them
through changes of the CA: mount the Secret, and do not copy it. Asked for once more, nothing is made twice.

What is printed is no secret.`,
		Example: `  kubectl etcd certificate demo shop
  kubectl etcd certificate demo shop --secret shop-etcd`,
		Annotations: takes("`get` on `etcdclusters`, `get` and `create` on core `secrets`"),
		Args:        cobra.ExactArgs(2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			return s.completeCluster(cmd, args, begun)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := s.key(args[0])
			if err != nil {
				return err
			}
			kube, _, _, err := s.open()
			if err != nil {
				return err
			}
			a := &applicant{shared: s, kube: kube, cluster: &v1alpha2.EtcdCluster{}, name: args[1], patience: timeout}
			a.key = types.NamespacedName{Namespace: key.Namespace, Name: secret}
			if secret == "" {
				a.key.Name = key.Name + "-client-" + args[1]
			}
			return a.run(cmd.Context(), key)
		},
	}
	cmd.Flags().StringVar(&secret, "secret", "", "Name of the Secret (default CLUSTER-client-NAME)")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "How long to wait for the certificate")
	return cmd
}

// applicant asks for a certificate.
type applicant struct {
	*shared
	kube     client.Client
	cluster  *v1alpha2.EtcdCluster
	name     string // common name
	key      types.NamespacedName
	patience time.Duration
}

func (a *applicant) run(ctx context.Context, cluster types.NamespacedName) error {
	if err := a.kube.Get(ctx, cluster, a.cluster); err != nil {
		if apierrors.IsNotFound(err) {
			return noSuchCluster(ctx, a.kube, cluster)
		}
		return fmt.Errorf("get EtcdCluster: %w", err)
	}
	if err := issuable(a.cluster); err != nil {
		return err
	}
	if err := a.ask(ctx); err != nil {
		return err
	}
	secret, err := a.await(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(a.Out, granted(a.cluster, secret))
	return err
}

// issuable says where to get a certificate that the operator cannot issue.
func issuable(c *v1alpha2.EtcdCluster) error {
	var tls *v1alpha2.ClientTLS
	if c.Spec.TLS != nil {
		tls = c.Spec.TLS.Client
	}
	_, mutual := resource.WantsTLS(c, resource.ClientPlane)
	switch {
	case tls == nil:
		return fmt.Errorf("clients of %s need no certificate: they connect in plain (spec.tls.client is not set)", c.Name)
	case tls.Auto != nil:
		return nil
	case !mutual:
		return fmt.Errorf("clients of %s need no certificate: its members ask for none. ConfigMap %s has the CA to trust",
			c.Name, resource.ConnectionName(c.Name))
	case tls.CertManager != nil:
		issuer := tls.CertManager.OperatorClientIssuerRef
		return fmt.Errorf("certificates of %s come from cert-manager: create a Certificate with issuerRef %s %s, the common name and usages "+
			"[client auth] in this namespace", c.Name, issuer.Kind, issuer.Name)
	}
	return fmt.Errorf("certificates of %s are your own: ask whoever issued the one in Secret %s for a client certificate that verifies "+
		"under the ca.crt of Secret %s", c.Name, tls.OperatorClientSecretRef.Name, tls.ServerSecretRef.Name)
}

var secretName = regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$`)

// ask makes the Secret. One that asks for the same already is as good.
func (a *applicant) ask(ctx context.Context) error {
	if !secretName.MatchString(a.key.Name) {
		return fmt.Errorf("%q cannot be the name of a Secret: give it another one by --secret", a.key.Name)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: a.key.Namespace, Name: a.key.Name,
			Labels:      map[string]string{v1alpha2.LabelClientCertificateOf: a.cluster.Name},
			Annotations: map[string]string{v1alpha2.AnnotationCommonName: a.name},
		},
	}
	err := a.kube.Create(ctx, secret)
	if !apierrors.IsAlreadyExists(err) {
		if err != nil {
			return fmt.Errorf("create Secret %s: %w", a.key.Name, err)
		}
		return nil
	}
	there, err := a.look(ctx)
	if err != nil {
		return err
	}
	if there.Labels[v1alpha2.LabelClientCertificateOf] != a.cluster.Name || there.Annotations[v1alpha2.AnnotationCommonName] != a.name {
		return fmt.Errorf("there is a Secret %s already, and it does not ask %s for a certificate for %s: name another one by --secret",
			a.key.Name, a.cluster.Name, a.name)
	}
	return nil
}

func (a *applicant) look(ctx context.Context) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	if err := a.kube.Get(ctx, a.key, secret); err != nil {
		return nil, fmt.Errorf("get Secret %s: %w", a.key.Name, err)
	}
	return secret, nil
}

// await waits until the certificate is there.
func (a *applicant) await(ctx context.Context) (*corev1.Secret, error) {
	ticks, end := a.Clock.NewTicker(glance), a.Clock.Now().Add(a.patience)
	defer ticks.Stop()
	for {
		secret, err := a.look(ctx)
		if err != nil {
			return nil, err
		}
		if why := secret.Annotations[v1alpha2.AnnotationCertificateRefused]; why != "" {
			return nil, fmt.Errorf("the operator issues nothing into Secret %s: %s", secret.Name, why)
		}
		if m, err := pki.ParsePair(secret.Name, secret.Data); err == nil && m.Leaf().Subject.CommonName == a.name {
			return secret, nil
		}
		if !a.Clock.Now().Before(end) {
			return nil, a.overdue(ctx)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticks.C():
		}
	}
}

// overdue says what may hold the certificate up.
func (a *applicant) overdue(ctx context.Context) error {
	late := fmt.Errorf("no certificate was issued into Secret %s within %s; it will be, once the operator can", a.key.Name, a.patience)
	if err := a.kube.Get(ctx, client.ObjectKeyFromObject(a.cluster), a.cluster); err != nil {
		return errors.Join(late, fmt.Errorf("get EtcdCluster: %w", err))
	}
	if c := meta.FindStatusCondition(a.cluster.Status.Conditions, v1alpha2.ConditionTLSReady); c != nil {
		return fmt.Errorf("%w: TLSReady is %s, %s: %s", late, c.Status, c.Reason, c.Message)
	}
	return fmt.Errorf("%w: it has said nothing about the certificates of %s yet", late, a.cluster.Name)
}

// granted says what to do with the Secret.
func granted(c *v1alpha2.EtcdCluster, secret *corev1.Secret) string {
	m, err := pki.ParsePair(secret.Name, secret.Data)
	if err != nil {
		return "" // it was read a moment ago
	}
	return fmt.Sprintf(`Secret %[1]s has a client certificate for %[2]s, valid until %[3]s. It is renewed in place: mount it, do not copy it.
Whoever reads ca.crt only when it starts, as kube-apiserver does, has to be started again while a CA is replaced.

  # in the Pod
  volumes:
  - name: etcd
    secret:
      secretName: %[1]s
  containers:
  - name: ...
    env:
    - name: ETCDCTL_ENDPOINTS    # or whatever the application wants
      valueFrom:
        configMapKeyRef: {name: %[4]s, key: service}    # %[5]s
    volumeMounts:
    - name: etcd                 # ca.crt, tls.crt, tls.key
      mountPath: /etc/etcd-client
`, secret.Name, m.Leaf().Subject.CommonName, m.Leaf().NotAfter.UTC().Format(time.RFC3339), resource.ConnectionName(c.Name),
		resource.ServiceURL(c, true))
}
