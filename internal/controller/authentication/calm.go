package authentication

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// calm remembers what was known when there was nothing to do, so that clusters at rest are looked at rarely. Forgetting it costs a look.
type calm struct {
	mu  sync.Mutex
	all map[types.NamespacedName]rested
}

type rested struct {
	known string
	until time.Time
}

// left is how long there is nothing to look at, unless anything else becomes known.
func (c *calm) left(key types.NamespacedName, known string, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if was := c.all[key]; was.known == known {
		return was.until.Sub(now)
	}
	return 0
}

func (c *calm) keep(key types.NamespacedName, known string, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[types.NamespacedName]rested{}
	}
	c.all[key] = rested{known, until}
}

func (c *calm) forget(key types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, key)
}

// known is what Kubernetes tells that steps follow from.
func (r *Reconciler) known(ctx context.Context, c *v1alpha2.EtcdCluster) (string, error) {
	record, err := json.Marshal(c.Status.Auth)
	if err != nil {
		return "", fmt.Errorf("read status.auth: %w", err)
	}
	healthy := 0
	for _, m := range c.Status.Members {
		if m.Healthy {
			healthy++
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %t %s %d/%d", c.UID, c.Generation, c.Status.AuthEnabled, record, healthy, len(c.Status.Members))
	if ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha2.ConditionReady); c.Status.ClusterID == "" && ready != nil {
		b.WriteString(" " + ready.Reason) // a snapshot may come with authentication
	}
	for _, name := range append(namedSecrets(c), resource.OperatorRootName(c.Name)) {
		secret, err := r.secret(ctx, c.Namespace, name)
		if err != nil {
			return "", err
		}
		if secret != nil {
			fmt.Fprintf(&b, " %s/%s", secret.UID, secret.ResourceVersion)
		} else {
			b.WriteString(" -")
		}
	}
	return b.String(), nil
}

// secret reads a Secret past the cache, nil if there is none.
func (r *Reconciler) secret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // none is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("get Secret %s: %w", name, err)
	}
	return secret, nil
}
