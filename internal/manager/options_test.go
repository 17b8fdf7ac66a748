package manager

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

func parse(t *testing.T, env map[string]string, args ...string) Options {
	t.Helper()
	var o Options
	fs := pflag.NewFlagSet("manager", pflag.ContinueOnError)
	o.AddFlags(fs, func(name string) string { return env[name] })
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestEnvironmentGivesDefaultsAndFlagsWin(t *testing.T) {
	env := map[string]string{
		"OPERATOR_IMAGE": "registry.example/operator:1", "ETCD_IMAGE_REPOSITORY": "registry.example/etcd", "WATCH_NAMESPACE": "a,b",
	}
	for _, tc := range []struct {
		claim                  string
		env                    map[string]string
		args                   []string
		operator, etcd, spaces string
	}{
		{claim: "nothing given", etcd: defaultEtcdImageRepository},
		{claim: "the environment is read", env: env, operator: "registry.example/operator:1", etcd: "registry.example/etcd", spaces: "a b"},
		{claim: "a flag wins over the environment", env: env,
			args:     []string{"--operator-image=o:2", "--etcd-image-repository=e", "--watch-namespace=c", "--watch-namespace=d"},
			operator: "o:2", etcd: "e", spaces: "c d"},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			o := parse(t, tc.env, tc.args...)
			got := []string{o.OperatorImage, o.EtcdImageRepository, strings.Join(o.WatchNamespaces, " ")}
			if diff := cmp.Diff([]string{tc.operator, tc.etcd, tc.spaces}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFlagsOfTheContractExist(t *testing.T) {
	o := parse(t, nil, "--metrics-bind-address=:1", "--health-probe-bind-address=:2", "--leader-elect", "--cluster-domain=example",
		"--consistency-check-interval=0")
	if o.ConsistencyInterval != 0 {
		t.Errorf("data are compared every %s", o.ConsistencyInterval)
	}
	if o.MetricsAddress != ":1" || o.ProbeAddress != ":2" || !o.LeaderElect || o.ClusterDomain != "example" {
		t.Errorf("flags are not taken over: %+v", o)
	}
}

func TestBadOptionsAreRefusedByName(t *testing.T) {
	for _, tc := range []struct{ flag, value, want string }{
		{"operator-image", "", "OPERATOR_IMAGE"},
		{"etcd-image-repository", "", "--etcd-image-repository"},
		{"max-concurrent-reconciles", "0", "at least 1"},
		{"consistency-check-interval", "1s", "at least 10s"},
		{"watch-namespace", "no_namespace", `"no_namespace" is no namespace`},
		{"watch-namespace", "a,,b", `"" is no namespace`},
	} {
		t.Run(tc.flag+"="+tc.value, func(t *testing.T) {
			o := parse(t, map[string]string{"OPERATOR_IMAGE": "o"})
			if err := o.Validate(); err != nil {
				t.Fatalf("valid options refused: %v", err)
			}
			o = parse(t, map[string]string{"OPERATOR_IMAGE": "o"}, "--"+tc.flag+"="+tc.value)
			if err := o.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("want an error with %q, got %v", tc.want, err)
			}
		})
	}
}
