package manager

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/zap/zapcore"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

const (
	// defaultEtcdImageRepository is where etcd's own project publishes its images. It is part of the operator's contract with
	// its users and stands nowhere else.
	defaultEtcdImageRepository = "quay.io/coreos/etcd"
	// defaultWorkers is how many clusters, and how many members, are worked on at once. A worker mostly waits for answers.
	defaultWorkers = 16
	// leastConsistencyInterval keeps databases from being read all the time.
	leastConsistencyInterval = 10 * time.Second
)

// Options are the manager's flags. Some take their default from an environment variable.
type Options struct {
	// MetricsAddress serves metrics over HTTPS to those who may get /metrics; "0" serves none.
	MetricsAddress string
	// ProbeAddress serves /healthz and /readyz over HTTP; "0" serves none.
	ProbeAddress string
	// LeaderElect lets one of several replicas lead. Without it there must be one.
	LeaderElect bool
	// LeaderElectionNamespace holds the Lease; empty means the namespace of the Pod.
	LeaderElectionNamespace string
	// ClusterDomain is the DNS domain of the Kubernetes cluster.
	ClusterDomain string
	// OperatorImage is the image that members take their launcher from.
	OperatorImage string
	// EtcdImageRepository is the etcd image without its tag, which is "v" and the version.
	EtcdImageRepository string
	// WatchNamespaces are the namespaces to work in; none means all.
	WatchNamespaces []string
	// Workers is how many clusters, and how many members, are worked on at once.
	Workers int
	// ConsistencyInterval is the distance of the regular comparisons of members' data; 0 means none.
	ConsistencyInterval time.Duration
	// Log says what is logged and how.
	Log zap.Options
}

// AddFlags adds the flags to fs. The environment gives the defaults of some, so that an explicit flag wins.
func (o *Options) AddFlags(fs *pflag.FlagSet, getenv func(string) string) {
	fs.StringVar(&o.MetricsAddress, "metrics-bind-address", ":8443",
		"address of the metrics, HTTPS with authentication and authorization; 0 turns them off")
	fs.StringVar(&o.ProbeAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 turns them off")
	fs.BoolVar(&o.LeaderElect, "leader-elect", false, "let one of several replicas lead")
	fs.StringVar(&o.LeaderElectionNamespace, "leader-election-namespace", "",
		"namespace of the Lease; empty means the namespace of the operator's Pod")
	fs.StringVar(&o.ClusterDomain, "cluster-domain", "cluster.local",
		"DNS domain of the Kubernetes cluster; members are addressed by names that end in .svc, and certificates cover the long ones too")
	fs.StringVar(&o.OperatorImage, "operator-image", getenv("OPERATOR_IMAGE"),
		"image of the operator, which members take their launcher from (OPERATOR_IMAGE)")
	fs.StringVar(&o.EtcdImageRepository, "etcd-image-repository", cmp.Or(getenv("ETCD_IMAGE_REPOSITORY"), defaultEtcdImageRepository),
		"etcd image without its tag, which is v and the version (ETCD_IMAGE_REPOSITORY)")
	fs.StringSliceVar(&o.WatchNamespaces, "watch-namespace", split(getenv("WATCH_NAMESPACE")),
		"namespaces to work in, separated by commas; empty means all (WATCH_NAMESPACE)")
	fs.IntVar(&o.Workers, "max-concurrent-reconciles", defaultWorkers, "clusters, and members, that are worked on at once")

	fs.DurationVar(&o.ConsistencyInterval, "consistency-check-interval", time.Hour,
		"how often the data of a cluster's members are compared, and rarer the larger a database is beyond 256 MiB; "+
			"0 compares them only when etcd finds them inconsistent")

	o.Log.TimeEncoder = zapcore.ISO8601TimeEncoder
	o.Log.StacktraceLevel = zapcore.PanicLevel // an error says where it comes from
	fromGo := flag.NewFlagSet("", flag.ContinueOnError)
	o.Log.BindFlags(fromGo)
	fs.AddGoFlagSet(fromGo)
	if kubeconfig := flag.CommandLine.Lookup("kubeconfig"); kubeconfig != nil {
		fs.AddGoFlag(kubeconfig)
	}
}

// Validate says what is wrong with o.
func (o *Options) Validate() error {
	var errs []error
	if o.OperatorImage == "" {
		errs = append(errs, errors.New("set --operator-image or OPERATOR_IMAGE: members take their launcher from it"))
	}
	if o.EtcdImageRepository == "" {
		errs = append(errs, errors.New("--etcd-image-repository must not be empty"))
	}
	if o.Workers < 1 {
		errs = append(errs, fmt.Errorf("--max-concurrent-reconciles must be at least 1, not %d", o.Workers))
	}
	if o.ConsistencyInterval != 0 && o.ConsistencyInterval < leastConsistencyInterval {
		errs = append(errs, fmt.Errorf("--consistency-check-interval must be 0 or at least %s, not %s: each comparison reads every database",
			leastConsistencyInterval, o.ConsistencyInterval))
	}
	for _, ns := range o.WatchNamespaces {
		if problems := validation.IsDNS1123Label(ns); len(problems) > 0 {
			errs = append(errs, fmt.Errorf("--watch-namespace: %q is no namespace: %s", ns, strings.Join(problems, ", ")))
		}
	}
	return errors.Join(errs...)
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}
