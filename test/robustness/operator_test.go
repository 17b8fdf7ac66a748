//go:build robustness

package robustness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/cozystack/etcd-operator/internal/controller/cluster"
	"github.com/cozystack/etcd-operator/internal/controller/consistency"
	"github.com/cozystack/etcd-operator/internal/controller/member"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/metrics"
	"github.com/cozystack/etcd-operator/internal/observe"
)

// comparing is how often the operator compares the members' data; the default is longer.
const comparing = 20 * time.Second

// operator is one process of the operator, as far as its world can tell.
type operator struct {
	*mischief
	ended chan struct{}
}

// startOperator starts the controllers for one namespace, with nothing in memory.
func (w *world) startOperator() (*operator, error) {
	o := &operator{mischief: newMischief(w.rng.Uint64()), ended: make(chan struct{})}
	cfg := rest.CopyConfig(w.h.admin)
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return &transport{o.mischief, next} })
	mgr, err := ctrl.NewManager(cfg, ctrl.Options{
		Scheme: w.h.scheme,
		Logger: w.logger.WithName("operator"),
		Cache: cache.Options{
			DefaultNamespaces: map[string]cache.Config{w.ns: {}},
			DefaultTransform:  cache.TransformStripManagedFields(),
		},
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		GracefulShutdownTimeout: ptr.To(time.Duration(0)),
		Controller:              ctrlconfig.Controller{SkipNameValidation: ptr.To(true), ReconciliationTimeout: 30 * time.Second},
	})
	if err != nil {
		return nil, fmt.Errorf("make the operator: %w", err)
	}
	now := clock.RealClock{}
	recorder := mgr.GetEventRecorder("etcd-operator")
	meter := metrics.New(prometheus.NewRegistry())
	observer := &observe.Observer{
		Cached: mgr.GetClient(), Live: mgr.GetAPIReader(), ClientURL: observe.ClientURL, Now: now.Now,
		Dialer: etcd.NewPool(dialer{mischief: o.mischief}, now, 2*time.Minute),
		Peers:  peers{o.mischief, etcd.NewMetrics(nil)},
	}
	clusters := &cluster.Reconciler{
		Client: mgr.GetClient(), Observer: observer, Recorder: recorder, Meter: meter, Now: now.Now,
		OperatorImage: "operator", EtcdRepository: "etcd",
	}
	comparisons := &consistency.Reconciler{
		Client: mgr.GetClient(), Observer: observer, Recorder: recorder, Meter: meter, Now: now.Now, Period: comparing,
	}
	members := &member.Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: recorder, Now: now.Now,
		OperatorImage: "operator", EtcdRepository: "etcd", WatchNodes: true,
	}
	err = errors.Join(clusters.SetupWithManager(mgr, 4), members.SetupWithManager(mgr, 4), comparisons.SetupWithManager(mgr, 4))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(w.ctx)
	go func() {
		select {
		case <-o.died:
		case <-ctx.Done():
		}
		cancel()
	}()
	go func() {
		defer close(o.ended)
		defer cancel()
		if err := mgr.Start(ctx); err != nil && ctx.Err() == nil {
			w.logf("operator: %v", err)
		}
	}()
	return o, nil
}

// employ keeps one operator at work: one that was killed is followed by a new one after a moment.
func (w *world) employ() error {
	o, err := w.startOperator()
	if err != nil {
		return err
	}
	w.setOperator(o)
	go func() {
		for w.ctx.Err() == nil {
			select {
			case <-w.ctx.Done():
				return
			case <-o.died:
			case <-o.ended:
			}
			w.logf("operator: died %s", o.struckAt())
			sleep(w.ctx, 300*time.Millisecond)
			for w.ctx.Err() == nil {
				if next, err := w.startOperator(); err == nil {
					o = next
					break
				}
				sleep(w.ctx, time.Second)
			}
			w.setOperator(o)
		}
	}()
	return nil
}

func (m *mischief) struckAt() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.struck
}

func (w *world) setOperator(o *operator) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.op = o
}

// operator is the one at work.
func (w *world) operator() *operator {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.op
}
