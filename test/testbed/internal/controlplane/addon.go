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

// AddOn is what runs on the host only if a cluster is asked to have it.
type AddOn struct {
	// Name is also that of its build target.
	Name string
	// Programs are the names of its processes.
	Programs []string
	// Manifests are its objects, CRDs the folder of its CustomResourceDefinitions; both may be empty.
	Manifests []byte
	CRDs      string
	// Data is the folder of its data, which may be empty.
	Data string
	// Ready are URLs that answer, be it with a refusal, once it works.
	Ready []string
}

// addOns are all there are.
func addOns(l layout.Layout) []AddOn {
	return []AddOn{
		{
			Name: "cert-manager", Programs: []string{"cert-manager"}, Manifests: certManagerManifests,
			CRDs: l.Bin(build.CRDFolder), Ready: []string{"http://" + certManagerReady + "/readyz"},
		},
		{Name: "s3", Programs: []string{s3Plain, s3TLS}, Data: l.Buckets(), Ready: []string{S3URL, S3TLSURL}},
	}
}

// AddOns lists the names of all add-ons.
func AddOns() []string {
	var names []string
	for _, a := range addOns(layout.Layout{}) {
		names = append(names, a.Name)
	}
	return names
}

// AddOnPrograms lists the processes of some add-ons.
func AddOnPrograms(names []string) []string {
	var programs []string
	for _, a := range addOns(layout.Layout{}) {
		if slices.Contains(names, a.Name) {
			programs = append(programs, a.Programs...)
		}
	}
	return programs
}

// IsAddOn says whether there is an add-on of this name.
func IsAddOn(name string) bool { return slices.Contains(AddOns(), name) }

// FindAddOn returns the add-on of a name.
func FindAddOn(l layout.Layout, name string) (AddOn, error) {
	for _, a := range addOns(l) {
		if a.Name == name {
			return a, nil
		}
	}
	return AddOn{}, fmt.Errorf("%w %q: known are %s", ErrNoAddOn, name, strings.Join(AddOns(), ", "))
}

// Answers returns nil once the add-on works.
func (c *Client) Answers(ctx context.Context, a AddOn) error {
	for _, url := range a.Ready {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("make request: %w", err)
		}
		resp, err := c.http.Do(req)
		if err != nil {
			return fmt.Errorf("ask %s whether it is ready: %w", a.Name, err)
		}
		if err := resp.Body.Close(); err != nil {
			return fmt.Errorf("ask %s whether it is ready: %w", a.Name, err)
		}
	}
	return nil
}

func certManagerArgs(l layout.Layout) []string {
	return []string{"-kubeconfig", l.PKI("cert-manager.conf"), "-ready", certManagerReady}
}
