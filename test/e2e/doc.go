// Package e2e claims what the operator does for people on a real Kubernetes with real etcd: the testbed.
//
//	make testbed-up deploy e2e
//	go test -tags e2e -count=1 -parallel 4 -run TestScale ./test/e2e/
//
// The tag full adds the other minors of etcd, whose images the testbed makes with "testbed up --etcd 3.5.35,3.6.16,3.7.3". E2E_SEED
// replays the random times of an earlier run, KUBECONFIG names another cluster than the testbed. What explains a failure is in
// .testbed/logs/e2e/<test>/.
package e2e
