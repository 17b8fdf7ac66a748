//go:build e2e

package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

// etcdVersion is what the clusters run unless a test is about versions.
const etcdVersion = "3.6.16"

var (
	testbed *bed.Bed
	seed    uint64
)

func TestMain(m *testing.M) {
	bed.Occupy()
	flag.Parse()
	ctrllog.SetLogger(logr.Discard())
	if err := setUp(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	fmt.Printf("random times come from E2E_SEED=%d\n", seed)
	code := m.Run()
	for what, check := range map[string]func(context.Context) error{"clean up": testbed.Settle, "look for leaks": testbed.Betrayals} {
		if err := check(context.Background()); err != nil {
			fmt.Fprintf(os.Stderr, "e2e: %s: %v\n", what, err)
			code = 1
		}
	}
	os.Exit(code)
}

func setUp() (err error) {
	seed = uint64(time.Now().UnixNano())
	if s := os.Getenv("E2E_SEED"); s != "" {
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			return fmt.Errorf("read E2E_SEED: %w", err)
		}
	}
	if testbed, err = bed.Connect(); err != nil || os.Getenv("KUBECONFIG") != "" {
		return err
	}
	return testbed.StartComponent(context.Background(), "s3") // snapshots need a store; in other clusters people bring one
}

// random is a source of its own for each test, so that one test can be replayed without the others.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	var name uint64
	for _, c := range []byte(t.Name()) {
		name = name*31 + uint64(c)
	}
	return rand.New(rand.NewPCG(seed, name))
}
