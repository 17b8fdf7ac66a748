// Command kubectl-etcd shows how etcd clusters are and what the operator does with them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cozystack/etcd-operator/internal/plugin"
)

func main() {
	ctrllog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := plugin.Command(plugin.Environment{
		IOStreams: genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		Clock:     clock.RealClock{},
		Getenv:    os.Getenv,
	}).ExecuteContext(ctx)
	stop()
	code, tell := plugin.CodeOf(err)
	if tell {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	os.Exit(code)
}
