package simulation

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/etcd/etcdfake"
)

// kind is what goes wrong.
type kind string

const (
	none        kind = "none"
	crashBefore kind = "crash before"
	crashAfter  kind = "crash after"
	conflict    kind = "conflict"
	lostAnswer  kind = "lost answer" // the write is done, the answer does not come
)

// fault is what goes wrong at the nth write of the operator, counted from when counting began.
type fault struct {
	kind kind
	at   int
}

func (f fault) String() string { return fmt.Sprintf("%s at write %d", f.kind, f.at) }

var errCrash = errors.New("the operator was killed")

// faults counts the operator's writes to the API server and to etcd, and spoils one of them.
type faults struct {
	planned fault
	armed   bool
	writes  int
	names   []string // of the writes, for reports

	crashed bool // the operator has to be started anew
	struck  bool
}

// arm begins to count.
func (f *faults) arm() { f.armed, f.writes, f.names = true, 0, nil }

// next counts a write and says what goes wrong with it.
func (f *faults) next(name string) kind {
	if f.crashed {
		return crashBefore // a dead process writes nothing more
	}
	if !f.armed {
		return none
	}
	f.writes++
	f.names = append(f.names, name)
	if f.planned.kind == none || f.writes != f.planned.at {
		return none
	}
	f.struck = true
	return f.planned.kind
}

// write carries out a write to the API server.
func (f *faults) write(name string, do func() error) error {
	switch f.next(name) {
	case crashBefore:
		f.crashed = true
		return errCrash
	case crashAfter:
		_ = do()
		f.crashed = true
		return errCrash
	case conflict:
		return apierrors.NewConflict(schema.GroupResource{Resource: "things"}, name, errors.New("somebody wrote in between"))
	case lostAnswer:
		_ = do()
		return apierrors.NewTimeoutError("no answer", 1)
	}
	return do()
}

// call spoils a change of the membership.
func (f *faults) call(c etcdfake.Call) etcdfake.Fault {
	if f.crashed {
		return etcdfake.Fault{Err: errCrash}
	}
	if !c.Changes {
		return etcdfake.Fault{}
	}
	switch f.next("etcd " + c.Method) {
	case crashBefore:
		f.crashed = true
		return etcdfake.Fault{Err: errCrash}
	case crashAfter:
		f.crashed = true
		return etcdfake.Fault{Err: errCrash, Done: true}
	case conflict:
		return etcdfake.Fault{Err: etcd.ErrUnhealthyCluster}
	case lostAnswer:
		return etcdfake.Fault{Err: etcd.ErrAmbiguous, Done: true}
	}
	return etcdfake.Fault{}
}

// wrap is the client of the operator: it reads from the cache and writes to the store, through the faults.
func (f *faults) wrap(store client.WithWatch, from *cache) client.Client {
	describe := func(verb string, o client.Object) string { return fmt.Sprintf("%s %T %s", verb, o, o.GetName()) }
	return interceptor.NewClient(store, interceptor.Funcs{
		Get: func(ctx context.Context, _ client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			return from.Get(ctx, key, o, opts...)
		},
		List: func(ctx context.Context, _ client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			return from.List(ctx, l, opts...)
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return f.write(describe("create", o), func() error { return c.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return f.write(describe("update", o), func() error { return c.Update(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return f.write(describe("patch", o), func() error { return c.Patch(ctx, o, p, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return f.write(describe("delete", o), func() error { return c.Delete(ctx, o, opts...) })
		},
		SubResourcePatch: func(
			ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption,
		) error {
			return f.write(describe("patch "+sub+" of", o), func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			return f.write(describe("update "+sub+" of", o), func() error { return c.SubResource(sub).Update(ctx, o, opts...) })
		},
	})
}

// admission does what the API server does and the fake client does not: it gives out UIDs and holds deletions with a grace period.
func (w *world) admission() interceptor.Funcs {
	return interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			w.uids++
			o.SetUID(types.UID(fmt.Sprintf("00000000-0000-0000-0000-%012d", w.uids)))
			o.SetGeneration(1)
			o.SetCreationTimestamp(metav1.NewTime(w.clock.Now()))
			w.cache.behind = true
			return c.Create(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			w.cache.behind = true
			return c.Update(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			w.cache.behind = true
			return c.Patch(ctx, o, p, opts...)
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			w.cache.behind = true
			return c.SubResource(sub).Update(ctx, o, opts...)
		},
		SubResourcePatch: func(
			ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption,
		) error {
			w.cache.behind = true
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			if err := c.Delete(ctx, o, opts...); err != nil {
				return err
			}
			w.cache.behind = true
			w.watchdog.deleted(w, o)
			return nil
		},
	}
}
