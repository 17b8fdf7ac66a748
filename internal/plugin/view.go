package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// screen is one picture of what was asked for: as text, as a document, and in a word.
type screen struct {
	text   func(page) string
	object any
	health Health
}

// picture takes a look and makes a screen of it.
type picture func(context.Context) (screen, error)

// view is how people want to see what was looked at.
type view struct {
	output     string
	all, watch bool
}

// addFlags adds what everything that lists things has in common.
func (v *view) addFlags(cmd *cobra.Command, things string) {
	outputFlag(cmd, &v.output, "table", "wide", "json", "yaml")
	cmd.Flags().BoolVarP(&v.all, "all-namespaces", "A", false, "List the "+things+" of all namespaces")
	cmd.Flags().BoolVarP(&v.watch, "watch", "w", false, "Look again every 2 s: in place on a terminal, else one after the other")
}

// outputFlag lets people choose among formats; the first is what they get unasked.
func outputFlag(cmd *cobra.Command, output *string, formats ...string) {
	last := len(formats) - 1
	cmd.Flags().StringVarP(output, "output", "o", formats[0],
		"Output format: "+strings.Join(formats[:last], ", ")+" or "+formats[last])
	completion(cmd, "output", formats...)
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if !slices.Contains(formats, *output) {
			return fmt.Errorf("--output is %q: use one of %v", *output, formats)
		}
		return nil
	}
}

// present shows a picture once, or again and again.
func (s *shared) present(ctx context.Context, p picture, v view) error {
	if v.watch {
		return s.watch(ctx, p, v.output)
	}
	return s.show(ctx, p, v.output)
}

// show takes one look, prints it and ends with the code of the health.
func (s *shared) show(ctx context.Context, p picture, output string) error {
	scr, err := p(ctx)
	if err != nil {
		return err
	}
	if err := s.print(scr, output); err != nil {
		return err
	}
	return exitWith(scr.health)
}

func exitWith(h Health) error {
	if code := h.ExitCode(); code != ExitHealthy {
		return Exit(code)
	}
	return nil
}

func (s *shared) print(scr screen, output string) error {
	text, err := s.render(scr, output)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(s.Out, text)
	return err
}

func (s *shared) render(scr screen, output string) (string, error) {
	switch output {
	case "json":
		out, err := json.MarshalIndent(scr.object, "", "  ")
		return string(out) + "\n", err
	case "yaml":
		out, err := yaml.Marshal(scr.object)
		return string(out), err
	}
	return scr.text(s.page(output == "wide")), nil
}
