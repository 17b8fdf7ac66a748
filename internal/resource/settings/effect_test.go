package settings_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
	"github.com/cozystack/etcd-operator/internal/resource/settings"
)

// TestMembersTakeEveryFieldOverAsTheTableSays changes each field alone, and asks what a member that runs is to do about it.
func TestMembersTakeEveryFieldOverAsTheTableSays(t *testing.T) {
	for _, path := range settings.Fields() {
		if strings.HasPrefix(path, "tls.") || strings.HasPrefix(path, "bootstrap.") {
			continue // certificates come in stages, and what is refused reaches nobody
		}
		row, _ := settings.Of(path)
		before := &v1alpha2.EtcdCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "demo", UID: "u"}}
		before.Spec.Version, before.Spec.Storage.Size = "3.6.16", apiresource.MustParse("1Gi")
		m := resource.Member(before, resource.MemberIntent{Ordinal: 1, Founder: true})
		after := before.DeepCopy()
		vary(t, reflect.ValueOf(&after.Spec).Elem(), path)
		if equality.Semantic.DeepEqual(before.Spec, after.Spec) {
			t.Errorf("%s was not changed", path)
		}
		d := resource.Differences(after, m, true)
		want := resource.Changes{Restart: d.Restart, Grow: d.Grow, Replace: d.Replace}
		switch row.Effect {
		case settings.Live, settings.Resize:
			want = resource.Changes{Live: d.Live}
		case settings.Restart:
			want = resource.Changes{Restart: []string{row.Path}}
		case settings.Grow:
			want = resource.Changes{Grow: []string{row.Path}}
		case settings.Replace:
			want = resource.Changes{Replace: []string{row.Path}}
		case settings.Never:
		}
		if !reflect.DeepEqual(d, want) {
			t.Errorf("%s is %s by the table, and members differ in %+v", path, row.Effect, d)
		}
	}
}

func TestEveryFieldThatMembersTakeOverIsInTheTable(t *testing.T) {
	for _, f := range resource.MemberFields {
		if f.Name == "restartedAt" {
			continue // an annotation
		}
		i := slices.IndexFunc(settings.All, func(s settings.Setting) bool { return s.Path == f.Name })
		if i < 0 || string(settings.All[i].Effect) != string(f.Class) {
			t.Errorf("%s is %s for members, and not so in the table", f.Name, f.Class)
		}
	}
}

// vary gives the field at a path a value that it does not have.
func vary(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		vary(t, v.Elem(), path)
		return
	}
	if rest, ok := strings.CutPrefix(path, "[]"); ok {
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		vary(t, v.Index(v.Len()-1), strings.TrimPrefix(rest, "."))
		return
	}
	if path == "" {
		v.Set(other(v))
		return
	}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		rest, ok := strings.CutPrefix(path, name)
		if ok && name != "" && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			vary(t, v.Field(i), strings.TrimPrefix(rest, "."))
			return
		}
	}
	t.Fatalf("%s has no field %s", v.Type(), path)
}

// other is a value that v is not.
func other(v reflect.Value) reflect.Value {
	to := reflect.New(v.Type()).Elem()
	switch to.Addr().Interface().(type) {
	case *apiresource.Quantity:
		return reflect.ValueOf(apiresource.MustParse("7Gi"))
	case *metav1.Duration:
		return reflect.ValueOf(metav1.Duration{Duration: 7 * time.Second})
	}
	switch v.Kind() {
	case reflect.String:
		to.SetString(v.String() + "7")
	case reflect.Bool:
		to.SetBool(!v.Bool())
	case reflect.Int, reflect.Int32, reflect.Int64:
		to.SetInt(v.Int() + 7)
	case reflect.Slice:
		to.Set(reflect.Append(to, reflect.Zero(v.Type().Elem())))
	case reflect.Map:
		to.Set(reflect.MakeMap(v.Type()))
		to.SetMapIndex(reflect.New(v.Type().Key()).Elem(), reflect.Zero(v.Type().Elem()))
	case reflect.Pointer:
		to.Set(reflect.New(v.Type().Elem()))
	case reflect.Struct: // of Kubernetes: its first field says enough
		to.Set(v)
		to.Field(0).Set(other(v.Field(0)))
	default:
		panic(v.Kind())
	}
	return to
}
