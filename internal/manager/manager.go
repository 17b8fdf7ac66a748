package manager

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/controller/authentication"
	"github.com/cozystack/etcd-operator/internal/controller/certificate"
	"github.com/cozystack/etcd-operator/internal/controller/cluster"
	"github.com/cozystack/etcd-operator/internal/controller/connection"
	"github.com/cozystack/etcd-operator/internal/controller/consistency"
	"github.com/cozystack/etcd-operator/internal/controller/member"
	"github.com/cozystack/etcd-operator/internal/controller/schedule"
	"github.com/cozystack/etcd-operator/internal/controller/snapshot"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/metrics"
	"github.com/cozystack/etcd-operator/internal/observe"
)

const (
	// leaseName is the Lease of the leader; the chart's Role names it too.
	leaseName = "etcd-operator.cozystack.io"
	// A leader that ends hands the Lease back at once. One that dies is followed after at most leaseDuration and
	// retryPeriod; one that cannot renew stops after renewDeadline, well before that.
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
	// reconcileTimeout bounds a pass, whose calls to etcd and to the API server are bounded by themselves.
	reconcileTimeout = 30 * time.Second
	// connectionIdle is how long a connection to a member is kept that nobody uses: longer than clusters at rest are left alone.
	connectionIdle = 2 * time.Minute
	// syncPatience bounds one readiness probe.
	syncPatience = time.Second
)

// Run runs the controllers until ctx ends. It leaves cfg as it is.
func Run(ctx context.Context, cfg *rest.Config, o Options) error {
	mgr, err := build(cfg, o)
	if err != nil {
		return err
	}
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

func build(cfg *rest.Config, o Options) (ctrl.Manager, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	caches, err := cacheOptions(o.WatchNamespaces)
	if err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(cfg, ctrl.Options{
		Scheme:                        scheme,
		Client:                        clientOptions(o),
		Cache:                         caches,
		Metrics:                       metricsOptions(o.MetricsAddress),
		HealthProbeBindAddress:        o.ProbeAddress,
		LeaderElection:                o.LeaderElect,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       o.LeaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true, // the process ends when Run returns
		LeaseDuration:                 ptr.To(leaseDuration),
		RenewDeadline:                 ptr.To(renewDeadline),
		RetryPeriod:                   ptr.To(retryPeriod),
		Controller: ctrlconfig.Controller{
			EnableWarmup:          ptr.To(true), // a replica that stands by can lead at once
			ReconciliationTimeout: reconcileTimeout,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("set up: %w", err)
	}
	return mgr, errors.Join(addControllers(mgr, o), addProbes(mgr))
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha2.AddToScheme(scheme), cmv1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("register types: %w", err)
	}
	return scheme, nil
}

// labelled selects the objects that have a label: those that belong to a cluster, or to a snapshot.
func labelled(label string) (labels.Selector, error) {
	has, err := labels.NewRequirement(label, selection.Exists, nil)
	if err != nil {
		return nil, fmt.Errorf("select by label: %w", err)
	}
	return labels.NewSelector().Add(*has), nil
}

// cacheOptions keep out of memory what is not the operator's, and the bookkeeping of server-side apply.
func cacheOptions(namespaces []string) (cache.Options, error) {
	selector, err := labelled(v1alpha2.LabelCluster)
	ofSnapshots, errJobs := labelled(v1alpha2.LabelSnapshot)
	o := cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:                   {Label: selector},
			&corev1.PersistentVolumeClaim{}: {Label: selector},
			&corev1.Service{}:               {Label: selector},
			&corev1.Secret{}:                {Label: selector},
			&corev1.ConfigMap{}:             {Label: selector},
			&policyv1.PodDisruptionBudget{}: {Label: selector},
			&batchv1.Job{}:                  {Label: ofSnapshots},
			&corev1.Node{}:                  {Transform: slimNode},
		},
	}
	o.DefaultNamespaces = configFor(namespaces)
	return o, errors.Join(err, errJobs)
}

func configFor(namespaces []string) map[string]cache.Config {
	if len(namespaces) == 0 {
		return nil
	}
	all := map[string]cache.Config{}
	for _, ns := range namespaces {
		all[ns] = cache.Config{}
	}
	return all
}

// addStrangers makes a cache of the names of all Secrets, so that a change of one that a spec names is seen. What they hold never
// comes into the process before it is asked for.
func addStrangers(mgr ctrl.Manager, namespaces []string) (cache.Cache, error) {
	strangers, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), DefaultNamespaces: configFor(namespaces),
		DefaultTransform: func(in any) (any, error) {
			o, ok := in.(*metav1.PartialObjectMetadata)
			if !ok {
				return in, nil
			}
			slim := certificate.SecretMetadata()
			slim.Namespace, slim.Name, slim.UID, slim.ResourceVersion = o.Namespace, o.Name, o.UID, o.ResourceVersion
			if cluster, asks := o.Labels[v1alpha2.LabelClientCertificateOf]; asks {
				slim.Labels = map[string]string{v1alpha2.LabelClientCertificateOf: cluster}
			}
			return slim, nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("set up cache of Secrets' names: %w", err)
	}
	return strangers, mgr.Add(strangers)
}

// mayWatchNodes: in an installation for some namespaces nothing says that Nodes can be listed, and a cache of what is
// forbidden never fills.
func mayWatchNodes(o Options) bool { return len(o.WatchNamespaces) == 0 }

// clientOptions let Nodes be read one at a time where they are not watched.
func clientOptions(o Options) client.Options {
	if mayWatchNodes(o) {
		return client.Options{}
	}
	return client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Node{}}}}
}

// slimNode keeps of a Node what tells whether it is up, and which volumes it can reach.
func slimNode(in any) (any, error) {
	node, ok := in.(*corev1.Node)
	if !ok {
		return in, nil
	}
	slim := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: node.Name, UID: node.UID, ResourceVersion: node.ResourceVersion, Labels: node.Labels,
	}}
	slim.Spec.Taints = node.Spec.Taints
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			slim.Status.Conditions = append(slim.Status.Conditions, corev1.NodeCondition{Type: c.Type, Status: c.Status})
		}
	}
	return slim, nil
}

func metricsOptions(address string) metricsserver.Options {
	return metricsserver.Options{
		BindAddress:    address,
		SecureServing:  true,
		FilterProvider: filters.WithAuthenticationAndAuthorization,
	}
}

func newObserver(mgr ctrl.Manager, now clock.Clock) *observe.Observer {
	return &observe.Observer{
		Cached:    mgr.GetClient(),
		Live:      mgr.GetAPIReader(),
		Dialer:    etcd.NewPool(etcd.Adapter{}, now, connectionIdle),
		Peers:     etcd.NewMetrics(nil),
		ClientURL: observe.ClientURL,
		Now:       now.Now,
	}
}

func addControllers(mgr ctrl.Manager, o Options) error {
	now := clock.RealClock{}
	recorder := mgr.GetEventRecorder("etcd-operator")
	meter := metrics.New(ctrlmetrics.Registry)
	observer := newObserver(mgr, now)
	clusters := &cluster.Reconciler{
		Client: mgr.GetClient(), Observer: observer, Recorder: recorder, Meter: meter, Now: now.Now,
		OperatorImage: o.OperatorImage, EtcdRepository: o.EtcdImageRepository,
	}
	comparisons := &consistency.Reconciler{
		Client:   mgr.GetClient(),
		Observer: observer,
		Recorder: recorder,
		Meter:    meter,
		Now:      now.Now,
		Period:   o.ConsistencyInterval,
	}
	members := &member.Reconciler{
		Client:         mgr.GetClient(),
		Live:           mgr.GetAPIReader(),
		Recorder:       recorder,
		Now:            now.Now,
		OperatorImage:  o.OperatorImage,
		EtcdRepository: o.EtcdImageRepository,
		WatchNodes:     mayWatchNodes(o),
		Progress:       snapshot.AskAgent,
	}
	strangers, err := addStrangers(mgr, o.WatchNamespaces)
	certificates := &certificate.Reconciler{
		Client:        mgr.GetClient(),
		Live:          mgr.GetAPIReader(),
		Names:         strangers,
		Greeter:       etcd.Adapter{},
		Recorder:      recorder,
		Meter:         meter,
		Now:           now.Now,
		Random:        rand.Reader,
		ClientURL:     observe.ClientURL,
		ClusterDomain: o.ClusterDomain,
		Grace:         certificate.DefaultGrace,
	}
	connections := &connection.Reconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: recorder}
	authentications := &authentication.Reconciler{
		Client:   mgr.GetClient(),
		Live:     mgr.GetAPIReader(),
		Observer: observer,
		Dialer:   observer.Dialer,
		Recorder: recorder,
		Now:      now.Now,
		Random:   rand.Reader,
	}
	schedules := &schedule.Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: recorder, Meter: meter, Now: now.Now,
	}
	return errors.Join(err, clusters.SetupWithManager(mgr, o.Workers), members.SetupWithManager(mgr, o.Workers),
		comparisons.SetupWithManager(mgr, o.Workers), connections.SetupWithManager(mgr, o.Workers),
		certificates.SetupWithManager(mgr, o.Workers, strangers), authentications.SetupWithManager(mgr, o.Workers, strangers),
		schedules.SetupWithManager(mgr, o.Workers), addSnapshots(mgr, o, meter, recorder))
}

func addSnapshots(mgr ctrl.Manager, o Options, meter *metrics.Meter, recorder events.EventRecorder) error {
	snapshots := &snapshot.Reconciler{
		Client:         mgr.GetClient(),
		Live:           mgr.GetAPIReader(),
		Recorder:       recorder,
		Meter:          meter,
		Now:            clock.RealClock{}.Now,
		Progress:       snapshot.AskAgent,
		OperatorImage:  o.OperatorImage,
		EtcdRepository: o.EtcdImageRepository,
	}
	last := &snapshot.Recorder{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Meter: meter}
	return errors.Join(snapshots.SetupWithManager(mgr, o.Workers), last.SetupWithManager(mgr, o.Workers))
}

// addProbes: alive as long as it answers, ready once the caches hold what the controllers decide on.
func addProbes(mgr ctrl.Manager) error {
	synced := func(r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), syncPatience)
		defer cancel()
		if !mgr.GetCache().WaitForCacheSync(ctx) {
			return errors.New("caches are not filled yet")
		}
		return nil
	}
	return errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("caches", synced))
}
