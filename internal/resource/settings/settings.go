// Package settings says of every field of an EtcdCluster's spec what a change of it does to a running cluster. People read it as
// docs/reference/changing-settings.md; tests hold the operator to it, on objects here and on a real Kubernetes in test/e2e.
package settings

import (
	"reflect"
	"strings"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Effect is what a change of a field does to the members.
type Effect string

// The effects, in the order of what they cost.
const (
	Live    Effect = "live"    // nothing is restarted
	Resize  Effect = "resize"  // members join or leave
	Restart Effect = "restart" // each member is restarted, one after the other
	Grow    Effect = "grow"    // volumes grow in place where they can, else members are replaced
	Replace Effect = "replace" // each member is replaced, the new one first
	Never   Effect = "never"   // refused
)

// Setting is a field of the spec, or all fields below it.
type Setting struct {
	// Path in the JSON of the spec, such as options.snapshotCount. Elements of lists are written as users[].
	Path   string
	Effect Effect
	// Note is what else there is to know.
	Note string
}

// Of is the row that speaks of a field: its own, or the nearest above it.
func Of(path string) (Setting, bool) {
	for at := path; ; {
		for _, s := range All {
			if s.Path == at {
				return s, true
			}
		}
		dot := strings.LastIndex(at, ".")
		if dot < 0 {
			return Setting{}, false
		}
		at = strings.TrimSuffix(at[:dot], "[]")
	}
}

// Fields are the paths of all fields that hold a value: structs of the API's own are opened, those of Kubernetes are not.
func Fields() []string { return fields(reflect.TypeFor[v1alpha2.EtcdClusterSpec](), "") }

func fields(t reflect.Type, path string) (all []string) {
	if t.Kind() == reflect.Pointer {
		return fields(t.Elem(), path)
	}
	if t.Kind() == reflect.Slice && isOwn(t.Elem()) {
		return fields(t.Elem(), path+"[]")
	}
	if !isOwn(t) {
		return []string{path}
	}
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		all = append(all, fields(field.Type, below(path, name))...)
	}
	return all
}

// below is the path of a field; embedded ones have no name.
func below(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}

func isOwn(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.PkgPath() == reflect.TypeFor[v1alpha2.EtcdClusterSpec]().PkgPath()
}
