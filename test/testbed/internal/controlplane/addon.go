package controlplane

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/cozystack/etcd-operator/test/testbed/internal/build"
	"github.com/cozystack/etcd-operator/test/testbed/internal/layout"
)

// ErrNoAddOn says that there is no add-on of that name.
var ErrNoAddOn = errors.New("find add-on")

// certManagerReady answers on this machine once cert-manager's caches are filled.
const certManagerReady = "127.0.0.1:18282"

//go:embed certmanager.yaml
var certManagerManifests []byte

// AddOn is a program on the host that a cluster has only if it is asked for.
type AddOn struct {
	// Name is also that of its build target.
	Name string
	// Manifests are its objects, CRDs the folder of its CustomResourceDefinitions; both may be empty.
	Manifests []byte
	CRDs      string
	// Ready is a URL that answers once the program works.
	Ready string
}

// AddOns lists the names of all add-ons.
func AddOns() []string { return []string{"cert-manager"} }

// IsAddOn says whether a program is an add-on.
func IsAddOn(name string) bool { return slices.Contains(AddOns(), name) }

// FindAddOn returns the add-on of a name.
func FindAddOn(l layout.Layout, name string) (AddOn, error) {
	if name == "cert-manager" {
		return AddOn{
			Name: name, Manifests: certManagerManifests, CRDs: l.Bin(build.CRDFolder),
			Ready: "http://" + certManagerReady + "/readyz",
		}, nil
	}
	return AddOn{}, fmt.Errorf("%w %q: known are %s", ErrNoAddOn, name, strings.Join(AddOns(), ", "))
}

// Answers returns nil once the add-on works.
func (a AddOn) Answers(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.Ready, nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask %s whether it is ready: %w", a.Name, err)
	}
	if err := resp.Body.Close(); err != nil {
		return fmt.Errorf("ask %s whether it is ready: %w", a.Name, err)
	}
	return nil
}

func certManagerArgs(l layout.Layout) []string {
	return []string{"-kubeconfig", l.PKI("cert-manager.conf"), "-ready", certManagerReady}
}
