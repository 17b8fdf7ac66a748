// Command chart-render prints what "helm install" would apply, without Helm and without a cluster:
//
//	chart-render [--name NAME] [--namespace NAMESPACE] [--values FILE]... [--set KEY=VALUE]... [--set-string KEY=VALUE]... CHART
//
// dist/install.yaml, make deploy and the integration tests are made with it, so the chart is the one install source.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
	"helm.sh/helm/v3/pkg/strvals"
)

// repeated is a flag that may be given more than once.
type repeated []string

func (r *repeated) String() string     { return strings.Join(*r, ",") }
func (r *repeated) Set(v string) error { *r = append(*r, v); return nil }

type options struct {
	name, namespace          string
	files, settings, strings repeated
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "chart-render:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	var o options
	flags := flag.NewFlagSet("chart-render", flag.ContinueOnError)
	flags.StringVar(&o.name, "name", "etcd-operator", "release name")
	flags.StringVar(&o.namespace, "namespace", "etcd-operator-system", "release namespace")
	flags.Var(&o.files, "values", "file of values; may be repeated, later ones win")
	flags.Var(&o.settings, "set", "KEY=VALUE; may be repeated, wins over files")
	flags.Var(&o.strings, "set-string", "like --set, but VALUE is text even if it looks like a number")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return fmt.Errorf("want one chart, got %d arguments", flags.NArg())
	}
	return render(flags.Arg(0), o, out)
}

func render(path string, o options, out io.Writer) error {
	chart, err := loader.Load(path)
	if err != nil {
		return fmt.Errorf("load chart: %w", err)
	}
	given, err := o.values()
	if err != nil {
		return err
	}
	release := chartutil.ReleaseOptions{Name: o.name, Namespace: o.namespace, IsInstall: true, Revision: 1}
	values, err := chartutil.ToRenderValues(chart, given, release, chartutil.DefaultCapabilities)
	if err != nil {
		return fmt.Errorf("check values: %w", err)
	}
	rendered, err := engine.Render(chart, values)
	if err != nil {
		return fmt.Errorf("render: %w", err)
	}
	for name := range rendered {
		if filepath.Ext(name) == ".txt" {
			delete(rendered, name)
		}
	}
	_, manifests, err := releaseutil.SortManifests(rendered, nil, releaseutil.InstallOrder)
	if err != nil {
		return fmt.Errorf("sort manifests: %w", err)
	}
	for _, m := range manifests {
		if _, err := fmt.Fprintf(out, "---\n%s\n", strings.TrimSpace(m.Content)); err != nil {
			return err
		}
	}
	return nil
}

func (o options) values() (map[string]any, error) {
	merged := map[string]any{}
	for _, file := range o.files {
		values, err := chartutil.ReadValuesFile(file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		merged = chartutil.CoalesceTables(values, merged)
	}
	for _, setting := range o.settings {
		if err := strvals.ParseInto(setting, merged); err != nil {
			return nil, fmt.Errorf("parse --set %s: %w", setting, err)
		}
	}
	for _, setting := range o.strings {
		if err := strvals.ParseIntoString(setting, merged); err != nil {
			return nil, fmt.Errorf("parse --set-string %s: %w", setting, err)
		}
	}
	return merged, nil
}
