// Package retry says how long controllers wait after an error.
package retry

import (
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// The first wait after an error, and the longest.
const (
	First   = 50 * time.Millisecond
	Longest = 10 * time.Second
)

// Limiter doubles the wait with each error in a row. Unlike the default of controller-runtime, which goes up to 1000 s, an API server
// that was away for minutes is not made up for by minutes without an operator.
func Limiter() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](First, Longest)
}
