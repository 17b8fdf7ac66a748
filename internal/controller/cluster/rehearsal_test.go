package cluster

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// refusing is an API server that lets nothing in.
type refusing struct {
	client.Client
	err error
}

func (r refusing) Create(context.Context, client.Object, ...client.CreateOption) error { return r.err }

var errExceeded = errors.New("exceeded quota")

func TestARehearsalLeavesItsResultAndNoPod(t *testing.T) {
	c := etcdCluster(unchanged)
	b := newBench(t, []client.Object{c}, []client.Object{c})
	b.Client, b.OperatorImage, b.EtcdRepository = b.live, "operator:dev", "etcd"
	key := client.ObjectKey{Namespace: demo.Namespace, Name: demo.Name + "-rehearsal"}
	look := func() *observe.Scene {
		s := &observe.Scene{Cluster: &v1alpha2.EtcdCluster{}}
		pod := &corev1.Pod{}
		if err := b.live.Get(t.Context(), demo, s.Cluster); err != nil {
			t.Fatal(err)
		}
		if err := b.live.Get(t.Context(), key, pod); err == nil {
			s.Rehearsal = pod
		}
		return s
	}
	for _, step := range []plan.Step{
		plan.Rehearse{}, plan.RecordRehearsal{Result: plan.RefusedByEtcd, Message: "no"}, plan.EndRehearsal{},
	} {
		s := look()
		if err := b.act(t.Context(), s, step); err != nil {
			t.Fatalf("%T: %v", step, err)
		}
		if _, made := step.(plan.Rehearse); made {
			if pod := look().Rehearsal; pod == nil || pod.Spec.Containers[0].Image != "etcd:v3.6.16" {
				t.Fatalf("no Pod of the version: %v", pod)
			}
		}
	}
	s := look()
	if s.Rehearsal != nil {
		t.Error("the Pod is still there")
	}
	if got := s.Cluster.Status.Rollout.Rehearsal; got.Result != v1alpha2.RehearsalFailed || got.Message != "no" || got.Template == "" {
		t.Errorf("on record is %+v", got)
	}
}

func TestAPodThatIsNotLetInIsAResult(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	for claim, err := range map[string]error{
		"a quota forbids it":     apierrors.NewForbidden(pods, "demo-rehearsal", errExceeded),
		"its name is taken":      apierrors.NewAlreadyExists(pods, "demo-rehearsal"),
		"nobody understands why": apierrors.NewInternalError(errExceeded),
	} {
		t.Run(claim, func(t *testing.T) {
			c := etcdCluster(unchanged)
			b := newBench(t, []client.Object{c}, []client.Object{c})
			b.Client = refusing{b.live, err}
			s := &observe.Scene{Cluster: &v1alpha2.EtcdCluster{}}
			if err := b.live.Get(t.Context(), demo, s.Cluster); err != nil {
				t.Fatal(err)
			}
			acted := b.act(t.Context(), s, plan.Rehearse{})
			r := s.Cluster.Status.Rollout
			if apierrors.IsInternalError(err) {
				if acted == nil || r != nil {
					t.Errorf("an error of the API server is taken for a result: %+v", r)
				}
				return
			}
			if acted != nil || r.Rehearsal.Result != v1alpha2.RehearsalPrevented || !strings.Contains(r.Rehearsal.Message, "demo-rehearsal") {
				t.Errorf("acted: %v, on record is %+v", acted, r)
			}
		})
	}
}

func TestAQuotaNearTheVolumeIsAConditionAndOneEvent(t *testing.T) {
	seen := well(3)
	seen.Space = plan.Space{Quota: 95, Volume: 100}
	s := &observe.Scene{Cluster: etcdCluster(unchanged)}
	before := s.Cluster.DeepCopy()
	s.Cluster.Status = statusFrom(s, seen, plan.Next(seen), noon)
	if !meta.IsStatusConditionTrue(s.Cluster.Status.Conditions, v1alpha2.ConditionQuotaNearVolumeSize) {
		t.Fatal("no condition")
	}
	heard := events.NewFakeRecorder(2)
	r := &Reconciler{Recorder: heard}
	r.warn(before, s.Cluster)
	r.warn(s.Cluster, s.Cluster)
	if len(heard.Events) != 1 {
		t.Errorf("%d events", len(heard.Events))
	}
	seen.Space.Volume = 200
	if st := statusFrom(s, seen, plan.Next(seen), noon.Add(time.Second)); meta.FindStatusCondition(st.Conditions,
		v1alpha2.ConditionQuotaNearVolumeSize) != nil {
		t.Error("the condition stays although there is room")
	}
}
