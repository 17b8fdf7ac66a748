package access_test

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cozystack/etcd-operator/internal/access"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/etcd/etcdfake"
	"github.com/cozystack/etcd-operator/internal/plan"
)

const (
	endpoint  = "http://a:2379"
	mostTries = 200
)

// operator is one that forgets all but its record at any time.
type operator struct {
	world   *etcdfake.World
	door    access.Door
	auth    plan.Auth
	passing bool // else it is the test that calls
	calls   int
	failAt  int  // the call that fails
	done    bool // though etcd does what it was asked
}

func newOperator(t *testing.T, version string) *operator {
	t.Helper()
	world := etcdfake.New(clocktesting.NewFakePassiveClock(time.Unix(1_700_000_000, 0)))
	_, err := world.Start(etcdfake.Args{
		Name: "a", PeerURL: "http://a:2380", ClientURL: endpoint, InitialCluster: "a=http://a:2380", Token: "t", Volume: "a", Version: version,
	})
	if err != nil {
		t.Fatal(err)
	}
	o := &operator{world: world, auth: plan.Auth{Whole: true}, failAt: -1}
	o.door = access.Door{Dialer: world.Dialer(), Target: etcd.Target{Endpoint: endpoint}, Passwords: access.Passwords{}}
	world.Inject(func(c etcdfake.Call) etcdfake.Fault {
		if o.passing {
			o.calls++
		}
		if !o.passing || o.calls != o.failAt {
			return etcdfake.Fault{}
		}
		return etcdfake.Fault{Err: fmt.Errorf("%w: %s was cut off", etcd.ErrAmbiguous, c.Method), Done: o.done}
	})
	return o
}

func (o *operator) password(text string) string {
	return o.door.Passwords.Add([]byte("key"), etcd.NewSecret(text))
}

// pass looks once and takes one step. What was cut off is a pass not yet taken.
func (o *operator) pass(t *testing.T) (d plan.AuthDecision, err error) {
	t.Helper()
	o.passing = true
	defer func() { o.passing = false }()
	seen, client, err := o.door.Look(t.Context(), o.auth)
	if err != nil {
		return d, err
	}
	defer client.Close()
	a := o.auth
	a.Seen = seen
	if !seen.In {
		t.Fatalf("not let in: %+v", o.auth.Record)
	}
	d = plan.NextAuth(a)
	if _, rests := d.Step.(plan.Nothing); rests {
		return d, nil
	}
	record, ours := o.auth.Record.With(d.Step)
	if ours {
		o.auth.Record = record
		return d, nil
	}
	if err := o.door.Take(t.Context(), client, d.Step); err != nil {
		return d, err
	}
	if password, known := seen.Acknowledged(d.Step); known {
		o.auth.Record, _ = o.auth.Record.With(password)
	}
	return d, nil
}

// rest passes until there is nothing to do.
func (o *operator) rest(t *testing.T) plan.AuthDecision {
	t.Helper()
	var last error
	for range mostTries {
		d, err := o.pass(t)
		if _, rests := d.Step.(plan.Nothing); rests && err == nil {
			return d
		}
		if err != nil {
			last = err
		}
	}
	t.Fatalf("no rest after %d passes; the last error is %v", mostTries, last)
	return plan.AuthDecision{}
}

func (o *operator) wantFulfilled(t *testing.T) {
	t.Helper()
	if d := o.rest(t); d.Outlook != plan.Fulfilled {
		t.Fatalf("got %+v", d)
	}
}

func (o *operator) as(t *testing.T, user, password string) etcd.Client {
	t.Helper()
	c, err := o.world.Dialer().Dial(etcd.Target{Endpoint: endpoint, Username: user, Password: etcd.NewSecret(password)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (o *operator) wantLogIn(t *testing.T, user, password string, want error) {
	t.Helper()
	if err := o.as(t, user, password).LogIn(t.Context()); !errors.Is(err, want) {
		t.Fatalf("%s logs in: got %v, want %v", user, err, want)
	}
}

// life goes through all that may be declared. Each part ends at rest.
func (o *operator) life(t *testing.T) {
	t.Helper()
	probe := plan.Permission{Key: etcd.ProbeKey, Access: plan.AccessRead}
	want := plan.AuthWant{
		Enabled: true, Root: o.password("first"),
		Roles: []plan.AuthRole{{Name: "probe", Permissions: []plan.Permission{probe}}},
		Users: []plan.AuthUser{{Name: "app", Roles: []string{"probe"}, Password: o.password("app's")}},
	}
	o.auth.Want = want
	o.wantFulfilled(t)
	o.wantLogIn(t, "root", "first", nil)
	if err := o.as(t, "app", "app's").Read(t.Context()); err != nil {
		t.Fatalf("app reads: %v", err)
	}
	want.Root = o.password("second")
	want.Users = []plan.AuthUser{{Name: "app", Password: o.password("app's new")}}
	o.auth.Want = want
	o.wantFulfilled(t)
	o.wantLogIn(t, "root", "first", etcd.ErrAuthFailed)
	o.wantLogIn(t, "root", "second", nil)
	o.wantLogIn(t, "app", "app's", etcd.ErrAuthFailed)
	if err := o.as(t, "app", "app's new").Read(t.Context()); !errors.Is(err, etcd.ErrPermission) {
		t.Fatalf("app reads without its role: %v", err)
	}
	o.auth.Want = plan.AuthWant{}
	o.wantFulfilled(t)
	o.wantLogIn(t, "app", "app's new", etcd.ErrAuthOff)
	want.Root, want.Users = o.password("third"), nil
	o.auth.Want = want
	o.wantFulfilled(t)
	o.wantLogIn(t, "root", "third", nil)
	o.wantLogIn(t, "app", "app's new", etcd.ErrAuthFailed)
}

func TestUsersRolesAndPasswordsFollowWhatIsDeclared(t *testing.T) {
	for _, version := range []string{"3.5.35", "3.6.16", "3.7.3"} {
		t.Run(version, func(t *testing.T) { newOperator(t, version).life(t) })
	}
}

// The life is gone through once for each call to etcd that it takes, which fails before or after it was carried out.
func TestNoCallThatIsCutOffKeepsTheOperatorOut(t *testing.T) {
	whole := newOperator(t, "3.6.16")
	whole.life(t)
	for n := range whole.calls {
		for _, done := range []bool{false, true} {
			o := newOperator(t, "3.6.16")
			o.failAt, o.done = n+1, done
			o.life(t)
		}
	}
	t.Logf("%d calls", whole.calls)
}

func TestARestoredEtcdIsTakenOverWithThePasswordOfTheSecret(t *testing.T) {
	o := newOperator(t, "3.6.16")
	o.life(t)
	o.auth.Record, o.auth.Restored = plan.AuthRecord{}, true
	o.wantFulfilled(t)
	if o.auth.Record.Users["root"] != o.auth.Want.Root || !o.auth.Record.Enabled {
		t.Errorf("the record is %+v", o.auth.Record)
	}
	o.auth.Record, o.auth.Want.Root = plan.AuthRecord{}, o.password("wrong")
	seen, client, err := o.door.Look(t.Context(), o.auth)
	if err != nil || seen.In || !seen.On {
		t.Fatalf("with a wrong password: got %+v, %v", seen, err)
	}
	_ = client.Close()
}

func TestAFingerprintTellsPasswordsAndKeysApart(t *testing.T) {
	seen := map[string]bool{}
	for _, key := range []string{"one", "two"} {
		for _, password := range []string{"a", "b"} {
			seen[access.Fingerprint([]byte(key), etcd.NewSecret(password))] = true
		}
	}
	if len(seen) != 4 || access.Fingerprint([]byte("one"), etcd.Secret{}) != "" {
		t.Errorf("got %v", seen)
	}
	p := access.Passwords{}
	if p.Add([]byte("one"), etcd.Secret{}); len(p) != 0 {
		t.Errorf("it holds %v", maps.Keys(p))
	}
}
