package retry_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/internal/controller/retry"
)

func TestAnHourOfErrorsDelaysTheNextTryBySeconds(t *testing.T) {
	limiter := retry.Limiter()
	if first := limiter.When(reconcile.Request{}); first != retry.First {
		t.Errorf("the first wait is %s, want %s", first, retry.First)
	}
	for range 400 {
		if wait := limiter.When(reconcile.Request{}); wait > retry.Longest {
			t.Fatalf("waits for %s", wait)
		}
	}
}

func TestEveryControllerUsesIt(t *testing.T) {
	setups, err := filepath.Glob("../*/setup.go")
	if err != nil || len(setups) < 3 {
		t.Fatalf("found %v: %v", setups, err)
	}
	for _, name := range setups {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "RateLimiter: retry.Limiter()") {
			t.Errorf("%s does not", name)
		}
	}
}
