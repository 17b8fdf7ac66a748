package plugin

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

const exitCodes = `Exit codes:
  0  healthy, or paused as asked for
  1  error
  2  degraded: it serves, but a member does not, an alarm is raised, or only a human can fulfil the spec
  3  unavailable: it does not serve linearizable reads and writes
With many clusters the worst of them counts.`

// Exit is a code to end with after everything has been said.
type Exit int

// Error implements error.
func (e Exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// CodeOf is the exit code that err asks for, and whether err still has to be told.
func CodeOf(err error) (code int, tell bool) {
	var exit Exit
	switch {
	case err == nil:
		return ExitHealthy, false
	case errors.As(err, &exit):
		return int(exit), false
	}
	return ExitError, true
}

// rights is the annotation of a command that says what its user has to be allowed to do.
const rights = "rights"

func takes(what string) map[string]string { return map[string]string{rights: what} }

// looks is what it takes to look at a cluster.
const looks = "`get` on `etcdclusters`, `list` on `etcdmembers` and core `pods`, `create` on core `pods/portforward`; with TLS and " +
	"authentication what is said above"

// Environment is what the plugin runs in.
type Environment struct {
	genericiooptions.IOStreams
	Clock  clock.WithTicker
	Getenv func(string) string
}

// shared is what all verbs have in common.
type shared struct {
	Environment
	flags  *genericclioptions.ConfigFlags
	colour string
	// open connects to Kubernetes and to the members, stream to the data of one; tests put fakes in their place.
	stream streamer
	open   func() (client.Client, etcd.Dialer, func(pod string) error, error)
}

// Command is kubectl-etcd.
func Command(env Environment) *cobra.Command {
	s := &shared{Environment: env, flags: genericclioptions.NewConfigFlags(true), stream: stream}
	s.open = s.openLive
	return command(s)
}

func command(s *shared) *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-etcd",
		Short: "See how etcd clusters are, upgrade and restart them, and take snapshots",
		Long: `See how etcd clusters are, and what the operator does with them; upgrade and restart them; take snapshots, and restore them.

The argument is a cluster, never a Pod: NAME, etcd/NAME or etcdcluster/NAME. Members are asked through the API server's
port forwarding. That takes get and list on etcdclusters, etcdmembers and pods, and create on pods/portforward; where members
speak TLS, also get on the ConfigMap with their CAs, and on the Secret CLUSTER-operator-tls where they ask for client
certificates; with authentication, on the Secret CLUSTER-operator-root. Without one of these the status that the operator
wrote is shown instead, and the output says so.`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl etcd"},
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	s.flags.AddFlags(root.PersistentFlags())
	root.PersistentFlags().StringVar(&s.colour, "color", "auto",
		"Colour the output: auto (on a terminal, unless NO_COLOR is set), always or never")
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.ErrOut)
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if !slices.Contains([]string{"auto", "always", "never"}, s.colour) {
			return fmt.Errorf("--color is %q: use auto, always or never", s.colour)
		}
		return nil
	}
	completion(root, "color", "auto", "always", "never")
	root.AddCommand(statusCommand(s), explainCommand(s), upgradeCommand(s), restartCommand(s), certificateCommand(s),
		snapshotCommand(s), restoreCommand(s))
	return root
}

// completion offers values for a flag.
func completion(cmd *cobra.Command, flag string, values ...string) {
	// It fails only for a flag that does not exist, which every test would notice.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// openLive connects to the cluster of the kubeconfig.
func (s *shared) openLive() (client.Client, etcd.Dialer, func(pod string) error, error) {
	config, err := s.flags.ToRESTConfig()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 50, 100 // a person waits
	reader, forwarder, err := connect(config)
	if err != nil {
		return nil, nil, nil, err
	}
	return reader, etcd.NewPool(etcd.Adapter{Connect: forwarder.Connect}, s.Clock, idle), forwarder.Failure, nil
}

func (s *shared) looker() (*looker, error) {
	reader, dialer, failure, err := s.open()
	if err != nil {
		return nil, err
	}
	return &looker{reader: reader, dialer: dialer, failure: failure, now: s.Clock.Now, warm: map[string]bool{}}, nil
}

func (s *shared) namespace() (string, error) {
	namespace, _, err := s.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", fmt.Errorf("read kubeconfig: %w", err)
	}
	return namespace, nil
}

// key is the cluster that an argument names.
func (s *shared) key(arg string) (types.NamespacedName, error) {
	name, err := clusterName(arg)
	if err != nil {
		return types.NamespacedName{}, err
	}
	namespace, err := s.namespace()
	return types.NamespacedName{Namespace: namespace, Name: name}, err
}

// completeCluster offers the clusters of the namespace as the one argument.
func (s *shared) completeCluster(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	reader, _, _, err := s.open()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	namespace, err := s.namespace()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	all, err := clusters(cmd.Context(), reader, namespace)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// terminal is the size of the terminal that out is, in columns and rows; false if it is none.
func terminal(out io.Writer) (width, height int, is bool) {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0, 0, false
	}
	width, height, err := term.GetSize(int(file.Fd()))
	return width, height, err == nil
}

// page is what the output is rendered for now.
func (s *shared) page(wide bool) page {
	width, _, tty := terminal(s.Out)
	coloured := s.colour == "always" || s.colour == "auto" && tty && s.Getenv("NO_COLOR") == "" && s.Getenv("TERM") != "dumb"
	return page{width: width, colour: coloured, wide: wide}
}
