package plugin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// rolling is what "upgrade" and "restart" are asked for.
type rolling struct {
	*shared
	kube     client.Client
	key      types.NamespacedName
	planOnly bool
	yes      bool
	watch    bool
	patience time.Duration
	output   string

	change   func(*v1alpha2.EtcdCluster) // makes what is wanted of what there is
	question string                      // asked before it is done; empty if nobody need be asked
}

func upgradeCommand(s *shared) *cobra.Command {
	r := &rolling{shared: s}
	var to string
	cmd := &cobra.Command{
		Use:   "upgrade CLUSTER --to VERSION",
		Short: "Have the operator bring a cluster to another version of etcd, or show how it would",
		Long: `Have the operator bring a cluster to another version of etcd: one minor up, one minor down, or another patch.

What it would do is shown first: the checks, the order of the members, and the first decision of the operator's own rules, run here
on what the plugin sees. --plan ends there. Otherwise spec.version is set, after a question, or at once with --yes; the operator does
the rest, and goes back by itself if a member does not come back with the new version. --watch follows it to its end.

With --plan:
  0  the operator would begin now
  1  it is refused, or an error
  2  the operator would wait for something first`,
		Example: `  kubectl etcd upgrade demo --to 3.7.3 --plan
  kubectl etcd upgrade demo --to 3.7.3 --watch
  kubectl etcd upgrade demo --to 3.6.16 --yes     # a minor down again`,
		Annotations:       takes(looks + "; without `--plan` also `patch` on `etcdclusters`"),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeCluster,
		RunE: func(cmd *cobra.Command, args []string) error {
			to = strings.TrimPrefix(to, "v")
			r.change = func(c *v1alpha2.EtcdCluster) { c.Spec.Version = to }
			r.question = "Bring it to " + to + "?"
			return r.run(cmd.Context(), args[0])
		},
	}
	r.addFlags(cmd)
	cmd.Flags().StringVar(&to, "to", "", "Version of etcd, for example 3.7.3")
	_ = cmd.MarkFlagRequired("to") // it fails only for a flag that does not exist
	completion(cmd, "to", newestPatches()...)
	return cmd
}

// newestPatches are those of all minors that are known of.
func newestPatches() []string {
	all := make([]string, len(plan.Minors))
	for i, r := range plan.Minors {
		all[i] = fmt.Sprintf("%s.%d", r.Of.MinorString(), r.Known)
	}
	return all
}

func restartCommand(s *shared) *cobra.Command {
	r := &rolling{shared: s}
	cmd := &cobra.Command{
		Use:   "restart CLUSTER",
		Short: "Have the operator restart the members of a cluster, one after the other",
		Long: `Have the operator restart the members of a cluster, one after the other and the leader last, while the others serve. It is asked
for by the annotation kubectl.kubernetes.io/restartedAt, as of a Deployment.

After a rollout that has failed, this is also how to have it tried again as it is. Of a cluster with one or two members it has to be
confirmed, because that does not serve meanwhile.`,
		Example: `  kubectl etcd restart demo --watch
  kubectl etcd restart demo --plan`,
		Annotations:       takes(looks + "; without `--plan` also `patch` on `etcdclusters`"),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeCluster,
		RunE: func(cmd *cobra.Command, args []string) error {
			at := s.Clock.Now().UTC().Format(time.RFC3339)
			r.change = func(c *v1alpha2.EtcdCluster) {
				metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha2.AnnotationRestartedAt, at)
			}
			return r.run(cmd.Context(), args[0])
		},
	}
	r.addFlags(cmd)
	return cmd
}

func (r *rolling) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&r.planOnly, "plan", false, "Show what the operator would do, and change nothing")
	flags.BoolVarP(&r.watch, "watch", "w", false, "Follow it until it is done, or has failed")
	flags.BoolVarP(&r.yes, "yes", "y", false, "Do not ask")
	flags.DurationVar(&r.patience, "timeout", time.Hour, "How long to follow it with --watch")
	outputFlag(cmd, &r.output, "text", "json", "yaml")
}

func (r *rolling) run(ctx context.Context, arg string) error {
	o, err := r.look(ctx, arg)
	if err != nil {
		return err
	}
	unread := r.readSafeguards(ctx, o)
	p := propose(o, r.change)
	p.Notes = append(p.Notes, unread...)
	if err := r.tryOut(ctx, o, &p); err != nil {
		return err
	}
	if err := r.print(screen{text: func(at page) string { return proposalText(p, at) }, object: p}, r.output); err != nil {
		return err
	}
	switch {
	case p.Refused != "":
		return Exit(ExitError)
	case r.planOnly && p.waits():
		return Exit(ExitDegraded)
	case r.planOnly, p.First != nil && len(p.Order) == 0:
		return nil
	}
	return r.carryOut(ctx, o.cluster, p)
}

func (r *rolling) look(ctx context.Context, arg string) (o *observation, err error) {
	if r.key, err = r.shared.key(arg); err != nil {
		return nil, err
	}
	if r.kube, _, _, err = r.open(); err != nil {
		return nil, err
	}
	l, err := r.looker()
	if err != nil {
		return nil, err
	}
	return l.look(ctx, r.key)
}

// readSafeguards reads the snapshots of the cluster. What may not be read is noted.
func (r *rolling) readSafeguards(ctx context.Context, o *observation) (notes []string) {
	if o.scene == nil {
		return nil
	}
	if err := o.scene.ReadSafeguards(ctx, r.kube); err != nil {
		return []string{"cannot see the snapshots of the cluster: " + brief(err)}
	}
	return nil
}

// waits says whether the operator would not begin at once.
func (p Proposal) waits() bool { return p.First != nil && p.First.Step == "" && len(p.Order) > 0 }

// tryOut lets the API server say what it thinks of the change, without making it.
func (r *rolling) tryOut(ctx context.Context, o *observation, p *Proposal) error {
	err := r.patch(ctx, o.cluster, client.DryRunAll)
	switch {
	case apierrors.IsInvalid(err):
		p.Refused, p.First, p.Notes = strings.Join(causes(err), "; "), nil, nil
	case apierrors.IsForbidden(err):
		p.Notes = append(p.Notes, "you may not change this EtcdCluster: "+brief(err))
	case err != nil:
		return err
	}
	if note := keptNote(o.cluster); note != "" && p.FromVersion != p.ToVersion {
		p.Notes = append(p.Notes, note)
	}
	return nil
}

// preamble is what the API server puts in front of the message of a rule.
var preamble = regexp.MustCompile(`^Invalid value: ("[^"]*": )?`)

// causes are the messages of the API's own rules.
func causes(err error) (all []string) {
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, c := range status.Status().Details.Causes {
			all = append(all, preamble.ReplaceAllString(c.Message, ""))
		}
	}
	if len(all) == 0 {
		all = []string{err.Error()}
	}
	return all
}

func (r *rolling) patch(ctx context.Context, c *v1alpha2.EtcdCluster, opts ...client.PatchOption) error {
	wanted := c.DeepCopy()
	r.change(wanted)
	if err := r.kube.Patch(ctx, wanted, client.MergeFrom(c), opts...); err != nil {
		return fmt.Errorf("change EtcdCluster %s: %w", c.Name, err)
	}
	return nil
}

// carryOut makes the change, and follows what becomes of it.
func (r *rolling) carryOut(ctx context.Context, c *v1alpha2.EtcdCluster, p Proposal) error {
	if p.Outage != "" || r.question != "" {
		if err := r.confirm(strings.TrimSpace(r.question + " " + p.consent())); err != nil {
			return err
		}
	}
	if err := r.patch(ctx, c); err != nil {
		return err
	}
	if !r.watch {
		_, err := fmt.Fprintf(r.ErrOut, "It is asked for; kubectl etcd status %s -w shows how far it is.\n", c.Name)
		return err
	}
	return r.follow(ctx)
}

// consent is what people have to agree to besides.
func (p Proposal) consent() string {
	if p.Outage == "" {
		return ""
	}
	return "There is an outage: " + p.Outage + "."
}

// confirm asks on a terminal; where there is none, --yes has to be said.
func (r *rolling) confirm(question string) error {
	if r.yes {
		return nil
	}
	file, ok := r.In.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return errors.New("nothing is changed without --yes")
	}
	_, _ = fmt.Fprintf(r.ErrOut, "\n%s [y/N] ", question)
	answer, err := bufio.NewReader(file).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return errors.New("nothing is changed")
	}
	return nil
}
