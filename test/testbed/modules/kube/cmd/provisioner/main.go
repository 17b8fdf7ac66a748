// Command provisioner makes "local" PersistentVolumes for the testbed, and lets those grow whose class says so. It runs on
// the host, where every node's volume folders can be seen, so it needs no helper Pod.
package main

import (
	"context"
	"flag"
	"os/signal"
	"syscall"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// name is what the StorageClass names as its provisioner.
const name = "testbed.etcd.local/volume"

func main() {
	kubeconfig := flag.String("kubeconfig", "", "path of the kubeconfig")
	root := flag.String("root", "", "folder of the volumes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		klog.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		klog.Fatal(err)
	}
	go newResizer(client).run(ctx)
	controller.NewProvisionController(ctx, client, name, folders{*root},
		controller.LeaderElection(false)).Run(ctx)
}
