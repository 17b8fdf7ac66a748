package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/observe"
)

// sceneDialer lets the members of a scene answer as they do there.
type sceneDialer struct{ *observe.Scene }

func (d sceneDialer) Dial(t etcd.Target) (etcd.Client, error) {
	for _, m := range d.Members {
		if observe.ClientURL(m.Object) == t.Endpoint {
			return sceneClient{scene: d.Scene, m: m}, nil
		}
	}
	return nil, etcd.ErrUnreachable
}

type sceneClient struct {
	etcd.Client
	scene *observe.Scene
	m     *observe.Member
}

func (c sceneClient) Status(context.Context) (etcd.Status, error) {
	if c.m.Answer.Status == nil {
		return etcd.Status{}, c.m.Answer.Err
	}
	return *c.m.Answer.Status, nil
}

func (c sceneClient) Read(context.Context) error {
	if !c.m.Answer.Healthy {
		return etcd.ErrNoLeader
	}
	return nil
}

func (c sceneClient) ReadLocal(context.Context) error { return nil }

func (c sceneClient) ClusterVersion(context.Context) (string, error) { return "", etcd.ErrUnreachable }

func (c sceneClient) Members(context.Context) (etcd.MemberList, error) { return *c.scene.List, nil }
func (c sceneClient) Alarms(context.Context) ([]etcd.Alarm, error)     { return nil, nil }
func (c sceneClient) Close() error                                     { return nil }

// stage is a Kubernetes in memory that holds a scene, seen by somebody who may not do what is forbidden.
type stage struct {
	scene     *observe.Scene
	forbidden []string // kinds, as PodList
	barred    error    // why Pods cannot be reached
	unknown   bool     // the CRDs are not installed
	objects   []client.Object
	dialer    etcd.Dialer          // the way to members, if it is another one
	mutual    *bool                // members speak TLS, and ask, or do not ask, for certificates
	issue     func(*corev1.Secret) // what the operator does with a Secret that is made
	operate   func(client.Client)  // what it does twice a second
	after     func(client.Client)  // what is looked at in the end
	refuse    error                // what the API server says to a patch
	stream    streamer
}

func (st stage) run(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	build := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha2.EtcdSnapshot{})
	if st.scene != nil {
		c := st.scene.Cluster.DeepCopy()
		c.ManagedFields = nil // the fake client wants them complete
		build = build.WithObjects(c)
		for _, m := range st.scene.Members {
			build = build.WithObjects(m.Object.DeepCopy(), m.Pod.DeepCopy(), m.Claim.DeepCopy())
		}
		build = build.WithObjects(st.objects...)
		for _, o := range st.scene.Objects {
			build = build.WithObjects(o.DeepCopyObject().(client.Object))
		}
	}
	may := func(verb string, o any) error {
		kind := reflect.TypeOf(o).Elem().Name()
		if st.unknown && strings.HasPrefix(kind, "Etcd") {
			return apierrors.NewGenericServerResponse(http.StatusNotFound, verb, schema.GroupResource{Resource: kind}, "", "", 0, true)
		}
		if slices.Contains(st.forbidden, kind) {
			return apierrors.NewForbidden(schema.GroupResource{Resource: kind}, "", errors.New("jane may not"))
		}
		return nil
	}
	reader := build.WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if err := may("get", o); err != nil {
				return err
			}
			return c.Get(ctx, key, o, opts...)
		},
		List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			if err := may("list", l); err != nil {
				return err
			}
			return c.List(ctx, l, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if st.refuse != nil {
				return st.refuse
			}
			return c.Patch(ctx, o, p, opts...)
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if err := may("create", o); err != nil {
				return err
			}
			if secret, ok := o.(*corev1.Secret); ok && st.issue != nil {
				st.issue(secret)
			}
			return c.Create(ctx, o, opts...)
		},
	}).Build()

	var out bytes.Buffer
	clock := clocktesting.NewFakeClock(now)
	s := &shared{flags: genericclioptions.NewConfigFlags(false), Environment: Environment{
		IOStreams: genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &out},
		Clock:     clock, Getenv: func(string) string { return "" },
	}, stream: st.stream}
	if st.operate != nil {
		defer st.goOn(t, reader, clock)()
	}
	s.open = func() (client.Client, etcd.Dialer, func(string) error, error) {
		if st.dialer != nil {
			return reader, st.dialer, func(string) error { return st.barred }, nil
		}
		if st.mutual != nil {
			return reader, strictDialer{sceneDialer{st.scene}, *st.mutual}, func(string) error { return st.barred }, nil
		}
		return reader, sceneDialer{st.scene}, func(string) error { return st.barred }, nil
	}
	cmd := command(s)
	cmd.SetArgs(slices.Insert(args, 1, "--namespace=default"))
	err = cmd.ExecuteContext(t.Context())
	if st.after != nil {
		st.after(reader)
	}
	return out.String(), err
}

// goOn lets time go by, and the operator work, until what it gives is called.
func (st stage) goOn(t *testing.T, kube client.Client, clock *clocktesting.FakeClock) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if clock.HasWaiters() {
				st.operate(kube)
				clock.Step(poll)
			}
			runtime.Gosched()
		}
	}()
	return func() { cancel(); <-done }
}

func contains(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("does not say %q:\n%s", want, text)
		}
	}
}

func TestStatusLooksAtMembersAndEndsWithTheCodeOfTheHealth(t *testing.T) {
	for name, c := range map[string]struct {
		silent int
		code   int
		says   string
	}{
		"all answer":            {0, ExitHealthy, "HEALTHY   3/3 members ready"},
		"one does not answer":   {1, ExitDegraded, "DEGRADED   2/3 members ready"},
		"two do not answer":     {2, ExitUnavailable, "UNAVAILABLE   0/3 members ready"},
		"no one answers at all": {3, ExitUnavailable, "ClusterUnreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			s := demoScene(3)
			publish(s, 0)
			for i := range c.silent {
				silence(s.Members[2-i], true)
			}
			if c.silent == 2 {
				leaderless(s.Members[0])
			}
			out, err := stage{scene: s}.run(t, "status", "etcd/demo")
			contains(t, out, c.says)
			if code, tell := CodeOf(err); code != c.code || tell {
				t.Errorf("exit code %d, %v; want %d", code, err, c.code)
			}
		})
	}
}

func TestWhatMayNotBeReadMakesThePictureSmaller(t *testing.T) {
	all := []string{"PersistentVolumeClaimList", "Service", "PodDisruptionBudget"}
	for name, c := range map[string]struct {
		stage stage
		args  []string
		says  []string
	}{
		"members are asked without volumes, Services and budget": {
			stage{forbidden: all}, []string{"status", "demo"},
			[]string{"HEALTHY", "12,004,118", "not allowed to read every PersistentVolumeClaim, Service, PodDisruptionBudget"},
		},
		"the rules are run without them too": {stage{forbidden: all}, []string{"explain", "demo"}, []string{"AsDesired", "steady"}},
		"without Pods the status is shown": {
			stage{forbidden: []string{"PodList"}}, []string{"status", "demo"},
			[]string{"HEALTHY", "from status", "jane may not", "demo-7x2kb"},
		},
		"without port forwarding the status is shown": {
			stage{barred: errors.New("pods/portforward is forbidden")}, []string{"status", "demo"},
			[]string{"HEALTHY", "from status", "pods/portforward is forbidden", "node-a"},
		},
		"without port forwarding nothing is decided": {
			stage{barred: errors.New("pods/portforward is forbidden")}, []string{"explain", "demo"}, []string{"nothing can be decided from here"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := demoScene(3)
			publish(s, 0)
			if c.stage.scene = s; c.stage.barred != nil {
				for _, m := range s.Members {
					silence(m, true)
				}
			}
			out, err := c.stage.run(t, c.args...)
			if err != nil {
				t.Error(err)
			}
			contains(t, out, c.says...)
		})
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		stage stage
		args  []string
		says  string
	}{
		"another name":    {stage{scene: demoScene(3)}, []string{"status", "dmeo"}, `"dmeo" in namespace "default": there is demo`},
		"a member":        {stage{scene: demoScene(3)}, []string{"explain", "demo-7x2kb"}, "demo-7x2kb is a member: name its cluster, demo"},
		"a Pod":           {stage{scene: demoScene(3)}, []string{"status", "pod/demo-7x2kb"}, "is not an EtcdCluster"},
		"no CRDs":         {stage{unknown: true}, []string{"status"}, "install the operator with"},
		"no CRDs, a name": {stage{unknown: true}, []string{"status", "demo"}, "install the operator with"},
		"an output":       {stage{scene: demoScene(3)}, []string{"status", "-o", "xml"}, `--output is "xml": use one of`},
		"a colour":        {stage{scene: demoScene(3)}, []string{"status", "--color=blue"}, "use auto, always or never"},
		"a name and -A":   {stage{scene: demoScene(3)}, []string{"status", "demo", "-A"}, "leave out the name"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.stage.run(t, c.args...)
			if code, tell := CodeOf(err); code != ExitError || !tell {
				t.Fatalf("exit code %d, %v", code, err)
			}
			contains(t, err.Error(), c.says)
		})
	}
}

func TestListAndCompletion(t *testing.T) {
	s := demoScene(3)
	publish(s, 0)
	out, err := stage{scene: s}.run(t, "status", "-A")
	if err != nil {
		t.Error(err)
	}
	contains(t, out, "NAMESPACE", "default", "demo", "Healthy", "3/3")
	if out, _ = (stage{}).run(t, "status"); !strings.Contains(out, "There is no EtcdCluster in namespace") {
		t.Error(out)
	}
	out, _ = stage{scene: s}.run(t, "__complete", "status", "")
	if !slices.Contains(strings.Split(out, "\n"), "demo") {
		t.Errorf("completion does not offer demo:\n%s", out)
	}
}

func TestDocumentsNameTheirSchema(t *testing.T) {
	s := demoScene(3)
	publish(s, 0)
	for kind, args := range map[string][]string{
		"ClusterStatus": {"status", "demo"}, "ClusterStatusList": {"status"}, "Explanation": {"explain", "demo"},
	} {
		out, err := stage{scene: s}.run(t, append(args, "-o", "json")...)
		if err != nil {
			t.Error(err)
		}
		var head struct{ APIVersion, Kind string }
		if err := json.Unmarshal([]byte(out), &head); err != nil || head.APIVersion != Schema || head.Kind != kind {
			t.Errorf("%v: %+v, %v", args, head, err)
		}
	}
}
