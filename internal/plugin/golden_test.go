package plugin

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
)

var update = flag.Bool("update", false, "record the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// scenes are clusters in all conditions, as the plugin sees them.
var scenes = map[string]func() *observation{
	"upgrade-checking": upgradeChecking, "upgrade-rolling": upgradeRolling, "upgrade-failed": upgradeFailed,
	"upgrade-refused": upgradeRefused, "on-delete": onDelete,
	"healthy": func() *observation {
		s := demoScene(5)
		publish(s, time.Hour)
		s.Cluster.Status.LastSnapshot = &v1alpha2.LastSnapshot{
			Name: "nightly-20261121-020000", CompletedAt: metav1.NewTime(now.Add(-6 * time.Hour)), SizeBytes: 412 * mib,
			Revision: 9004110, Verified: true,
		}
		return observed(s)
	},
	"degraded": func() *observation {
		s := demoScene(3)
		publish(s, 12*time.Second)
		silence(s.Members[2], true)
		s.Members[2].Pod.Status.ContainerStatuses[0].RestartCount = 4
		s.Members[1].Answer.Status.Alarms = []etcd.Alarm{{MemberID: s.Members[1].Answer.Status.MemberID, Type: etcd.AlarmNoSpace}}
		return observed(s)
	},
	"data-lost": func() *observation {
		s := demoScene(3)
		silence(s.Members[2], false)
		s.Members[2].Object.Status.Failure = &v1alpha2.MemberFailure{
			Reason: v1alpha2.FailureDataLost, Message: "the volume is empty, but this member has started on it before. " +
				"Starting would forget acknowledged writes.",
		}
		publish(s, 3*time.Minute)
		return observed(s)
	},
	"paused": func() *observation {
		s := demoScene(3)
		s.Cluster.Spec.Replicas = new(int32(0))
		s.List = nil
		for _, m := range s.Members {
			m.Object.Spec.Dormant, m.Pod, m.Answer, m.Entry = true, nil, observe.Answer{}, nil
		}
		publish(s, 2*time.Hour)
		return observed(s)
	},
	"bootstrapping": func() *observation {
		s := demoScene(3)
		s.Cluster.Status.ClusterID, s.List = "", nil
		s.Cluster.Status.LastProgressTime = new(metav1.NewTime(now.Add(-5 * time.Second)))
		delete(s.Objects, plan.ClientService)
		for _, m := range s.Members {
			m.Object.Status, m.Entry = v1alpha2.EtcdMemberStatus{}, nil
			silence(m, false)
		}
		s.Members[2].Pod = nil
		publish(s, 5*time.Second)
		return observed(s)
	},
	"quorum-lost": func() *observation {
		s := demoScene(3)
		publish(s, time.Hour)
		leaderless(s.Members[0])
		silence(s.Members[1], true)
		silence(s.Members[2], true)
		s.List = nil
		for _, m := range s.Members {
			m.Entry = nil
		}
		return observed(s)
	},
	"growing": func() *observation {
		s := demoScene(4)
		s.Cluster.Status.LastProgressTime = new(metav1.NewTime(now.Add(-20 * time.Second)))
		s.Cluster.Spec.Replicas = new(int32(5))
		m := s.Members[3]
		m.Object.Spec.Bootstrap, m.Object.Status.IsVoter = false, false
		m.Entry.Learner, m.Answer.Status.Learner = true, true // the entry is that of the list
		m.Answer.Status.RaftAppliedIndex -= 800000
		s.Objects[plan.DisruptionBudget] = s.Desired(plan.DisruptionBudget)
		publish(s, time.Second)
		return observed(s)
	},
	"operator-absent": func() *observation {
		s := demoScene(3)
		publish(s, 3*time.Hour)
		s.Cluster.Spec.Replicas = new(int32(5))
		s.Cluster.Generation++
		s.Objects[plan.DisruptionBudget] = s.Desired(plan.DisruptionBudget)
		return observed(s)
	},
	"removal-refused": func() *observation {
		s := demoScene(3)
		s.Cluster.Spec.Replicas = new(int32(1))
		silence(s.Members[1], true)
		s.Objects[plan.DisruptionBudget] = s.Desired(plan.DisruptionBudget)
		publish(s, 4*time.Second)
		return observed(s)
	},
	"fallback": func() *observation {
		s := demoScene(3)
		publish(s, 12*time.Second)
		for _, m := range s.Members {
			silence(m, true)
		}
		o := observed(s)
		o.blind = errors.New(`pods "demo-7x2kb" is forbidden: User "jane" cannot create resource "pods/portforward" ` +
			`in API group "" in the namespace "default"`)
		return o
	},
	"fallback-without-pods": func() *observation {
		s := demoScene(3)
		silence(s.Members[2], true)
		publish(s, 12*time.Second)
		o := observed(s)
		o.scene, o.blind = nil, errors.New(`pods is forbidden: User "jane" cannot list resource "pods" `+
			`in API group "" in the namespace "default"`)
		return o
	},
	"never-looked-at": func() *observation {
		s := demoScene(3)
		s.Cluster.Status = v1alpha2.EtcdClusterStatus{ObservedGeneration: -1}
		s.Cluster.CreationTimestamp = metav1.NewTime(now.Add(-3 * time.Second))
		s.Members, s.List, s.Objects = nil, nil, nil
		return observed(s)
	},
}

func TestStatusScreens(t *testing.T) {
	for name, scene := range scenes {
		t.Run(name, func(t *testing.T) { golden(t, "status-"+name, statusText(statusOf(scene()), page{width: 120})) })
	}
	t.Run("narrow", func(t *testing.T) {
		golden(t, "status-narrow", statusText(statusOf(scenes["data-lost"]()), page{width: 80}))
	})
	t.Run("narrow, rolling", func(t *testing.T) {
		golden(t, "status-upgrade-narrow", statusText(statusOf(scenes["upgrade-rolling"]()), page{width: 80}))
	})
	t.Run("wide", func(t *testing.T) {
		golden(t, "status-wide", statusText(statusOf(scenes["healthy"]()), page{wide: true}))
	})
	t.Run("in colour", func(t *testing.T) {
		golden(t, "status-colour", statusText(statusOf(scenes["degraded"]()), page{width: 120, colour: true}))
	})
}

func TestExplanations(t *testing.T) {
	for name, scene := range scenes {
		t.Run(name, func(t *testing.T) {
			golden(t, "explain-"+name, explanationText(explain(scene()), page{width: 120}))
		})
	}
	t.Run("narrow", func(t *testing.T) {
		golden(t, "explain-narrow", explanationText(explain(scenes["removal-refused"]()), page{width: 80}))
	})
}

func TestNoLineIsWiderThanThePage(t *testing.T) {
	for name, scene := range scenes {
		for _, width := range []int{80, 120} {
			screens := map[string]string{
				"status":  statusText(statusOf(scene()), page{width: width}),
				"explain": explanationText(explain(scene()), page{width: width}),
				"upgrade": proposalText(propose(scene(), func(c *v1alpha2.EtcdCluster) { c.Spec.Version = "3.7.4" }), page{width: width}),
			}
			for verb, text := range screens {
				for line := range strings.Lines(text) {
					if n := length(strings.TrimSuffix(line, "\n")); n > width {
						t.Errorf("%s of %s: %d columns on a page of %d: %s", verb, name, n, width, line)
					}
				}
			}
		}
	}
}

func TestHealthAndExitCodes(t *testing.T) {
	for name, want := range map[string]struct {
		health Health
		code   int
	}{
		"healthy": {Healthy, 0}, "paused": {Paused, 0}, "growing": {Healthy, 0}, "operator-absent": {Healthy, 0},
		"degraded": {Degraded, 2}, "data-lost": {Degraded, 2}, "removal-refused": {Degraded, 2}, "fallback": {Healthy, 0},
		"fallback-without-pods": {Degraded, 2}, "quorum-lost": {Unavailable, 3}, "bootstrapping": {Forming, 3}, "never-looked-at": {Forming, 3},
	} {
		got := statusOf(scenes[name]()).Health
		if got != want.health || got.ExitCode() != want.code {
			t.Errorf("%s: %s, exit code %d; want %s, %d", name, got, got.ExitCode(), want.health, want.code)
		}
	}
}

func TestList(t *testing.T) {
	list := ClusterStatusList{}
	for _, name := range []string{"healthy", "degraded", "paused", "quorum-lost", "data-lost", "never-looked-at", "operator-absent"} {
		c := scenes[name]().cluster
		c.Name, c.Namespace = name, "tenant-a"
		list.Items = append(list.Items, recorded(c, now))
	}
	golden(t, "list-all", listText(list, page{width: 120}, true))
	golden(t, "list-narrow", listText(list, page{width: 80}, false))
}
