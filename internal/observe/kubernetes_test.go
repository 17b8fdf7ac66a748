package observe

import (
	"context"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

func TestAKindThatIsGoneIsNotTakenForTheCluster(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha2.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	cluster := &v1alpha2.EtcdCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "c"}}
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(cluster).WithInterceptorFuncs(interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return apierrors.NewNotFound(schema.GroupResource{Resource: "etcdmembers"}, "")
		},
	}).Build()
	o := &Observer{Cached: reader, Live: reader, Now: time.Now}
	if _, _, err := o.Look(t.Context(), client.ObjectKeyFromObject(cluster)); err == nil || apierrors.IsNotFound(err) {
		t.Errorf("got %v", err)
	}
	if _, _, err := o.Look(t.Context(), client.ObjectKey{Namespace: "n", Name: "other"}); !apierrors.IsNotFound(err) {
		t.Errorf("a cluster that is gone: got %v", err)
	}
}
