package plugin

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
)

// TestReferencePageIsUpToDate writes the page anew with -update, the flag that also records the golden files.
func TestReferencePageIsUpToDate(t *testing.T) {
	const path = "../../docs/reference/plugin.md"
	page := pluginPage(command(&shared{flags: genericclioptions.NewConfigFlags(true)}))
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != page {
		t.Errorf("%s differs from the code: go test ./internal/plugin -run Reference -update", path)
	}
}

func TestEveryVerbSaysWhatItTakesAndShowsAnExample(t *testing.T) {
	for _, cmd := range verbs(command(&shared{flags: genericclioptions.NewConfigFlags(true)})) {
		if cmd.Example == "" || cmd.Annotations[rights] == "" {
			t.Errorf("%s: example %q, rights %q", cmd.CommandPath(), cmd.Example, cmd.Annotations[rights])
		}
	}
}

// verbs are the commands that do something, in the order of the help.
func verbs(cmd *cobra.Command) (all []*cobra.Command) {
	for _, sub := range cmd.Commands() {
		switch {
		case !sub.IsAvailableCommand() || sub.Name() == "completion" || sub.Name() == "help":
		case sub.HasAvailableSubCommands():
			all = append(all, verbs(sub)...)
		default:
			all = append(all, sub)
		}
	}
	return all
}

func pluginPage(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("<!-- Generated from internal/plugin: go test ./internal/plugin -run Reference -update -->\n\n# kubectl etcd\n\n")
	b.WriteString(prose(root.Long) + "\n\n| Command | |\n|---|---|\n")
	all := verbs(root)
	for _, cmd := range all {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", path(cmd), anchor(cmd), cmd.Short)
	}
	b.WriteString("\n## What it takes\n\nNobody needs more than this, and `-n` and `--as` work as with kubectl. In the API group of the " +
		"operator unless another one is named.\n\n| Command | Rights |\n|---|---|\n")
	for _, cmd := range all {
		fmt.Fprintf(&b, "| `%s` | %s |\n", path(cmd), cmd.Annotations[rights])
	}
	b.WriteString("\nThe ClusterRoles `view` and `edit` of Kubernetes have those on the operator's kinds (`rbac.aggregate` of the chart).\n")
	for _, cmd := range all {
		verbText(&b, cmd)
	}
	color := root.PersistentFlags().Lookup("color")
	fmt.Fprintf(&b, "\n## Flags of all commands\n\n`--color` (`%s`): %s. All others are those of kubectl (`kubectl options`): `--namespace`, "+
		"`--context`, `--kubeconfig`, `--as`, `--request-timeout` and so on.\n", color.DefValue, color.Usage)
	return b.String()
}

func verbText(b *strings.Builder, cmd *cobra.Command) {
	fmt.Fprintf(b, "\n## %s\n\n```\nkubectl etcd %s\n```\n\n", path(cmd), strings.TrimPrefix(cmd.UseLine(), "kubectl etcd "))
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	b.WriteString(prose(text) + "\n")
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(b, "\nAlso: `%s`.\n", strings.Join(cmd.Aliases, "`, `"))
	}
	b.WriteString("\n```sh\n" + unindented(cmd.Example) + "\n```\n")
	if cmd.HasAvailableLocalFlags() {
		b.WriteString("\n")
		flagTable(b, cmd.LocalNonPersistentFlags())
	}
}

// path is a command without the name of the program.
func path(cmd *cobra.Command) string { return strings.TrimPrefix(cmd.CommandPath(), "kubectl etcd ") }

func anchor(cmd *cobra.Command) string { return strings.ReplaceAll(path(cmd), " ", "-") }

// prose keeps tables of the help as they are.
func prose(text string) string {
	var out []string
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		if lines := strings.Split(paragraph, "\n"); slices.ContainsFunc(lines, indented) {
			head, rest := lines[0], lines[1:]
			paragraph = head + "\n\n```\n" + unindented(strings.Join(rest, "\n")) + "\n```"
			if at := slices.IndexFunc(rest, func(l string) bool { return !indented(l) }); at >= 0 {
				paragraph = head + "\n\n```\n" + unindented(strings.Join(rest[:at], "\n")) + "\n```\n\n" + strings.Join(rest[at:], "\n")
			}
		}
		out = append(out, paragraph)
	}
	return strings.Join(out, "\n\n")
}

func indented(line string) bool { return strings.HasPrefix(line, "  ") }

func unindented(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}

func flagTable(b *strings.Builder, flags *pflag.FlagSet) {
	b.WriteString("| Flag | Default | |\n|---|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		fallback := ""
		if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "false" {
			fallback = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", name, fallback, strings.ReplaceAll(f.Usage, "|", "\\|"))
	})
}
