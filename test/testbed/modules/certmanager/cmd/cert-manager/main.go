// Command cert-manager runs cert-manager's controllers for Certificates and for CA and self-signed issuers, without the webhook
// and without ACME. Upstream's own command is a module that is not published; what it starts is public.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/cert-manager/cert-manager/pkg/controller"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	_ "github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	_ "github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"
)

// namespace holds the Secrets of ClusterIssuers.
const namespace = "cert-manager"

// workers is how many objects a controller handles at once.
const workers = 2

func main() {
	kubeconfig := flag.String("kubeconfig", "", "path of the kubeconfig")
	ready := flag.String("ready", "", "address that answers /readyz once all caches are filled")
	klog.InitFlags(nil)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, *kubeconfig, *ready)
	stop()
	if err != nil {
		klog.Fatal(err)
	}
}

// run ends when the context does, or when a controller fails.
func run(ctx context.Context, kubeconfig, ready string) error {
	factory, err := controller.NewContextFactory(ctx, controller.ContextOptions{
		Kubeconfig: kubeconfig, KubernetesAPIQPS: 200, KubernetesAPIBurst: 500,
		IssuerOptions: controller.IssuerOptions{ClusterResourceNamespace: namespace},
		// Upstream waits an hour after a failed request: a test that repairs an issuer would wait with it.
		CertificateOptions: controller.CertificateOptions{
			CertificateRequestMinimumBackoffDuration: 5 * time.Second,
			CertificateRequestMaximumBackoffDuration: time.Minute,
		},
	})
	if err != nil {
		return fmt.Errorf("connect to the API server: %w", err)
	}
	base, err := factory.Build()
	if err != nil {
		return fmt.Errorf("make clients: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	for name, build := range controller.Known() {
		c, err := build(factory)
		if err != nil {
			return fmt.Errorf("make controller %s: %w", name, err)
		}
		group.Go(func() error {
			if err := c.Run(workers, ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("run controller %s: %w", name, err)
			}
			return nil
		})
	}
	// The factories start what the controllers have asked them for.
	base.SharedInformerFactory.Start(ctx.Done())
	base.KubeSharedInformerFactory.Start(ctx.Done())
	group.Go(func() error { return serveReady(ctx, ready, base) })
	return group.Wait()
}

// serveReady listens only once the controllers see all objects.
func serveReady(ctx context.Context, address string, base *controller.Context) error {
	base.SharedInformerFactory.WaitForCacheSync(ctx.Done())
	base.KubeSharedInformerFactory.WaitForCacheSync(ctx.Done())
	if ctx.Err() != nil || address == "" {
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("answer whether this is ready: %w", err)
	}
	return nil
}
