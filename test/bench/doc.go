// Package bench measures how long the operator takes, beside the floor: the same etcd Pods as a plain StatefulSet that starts them
// all at once. It reports and asserts nothing.
//
//	make testbed-up deploy bench
//	BENCH_ROUNDS=1 go test -tags bench -count=1 -timeout 30m ./test/bench/
//	make bench ARGS="-run TestHealing"                    # recoveries only
//	make bench ARGS="-run TestHealing" BENCH_DATA_MB=1000 # with a large database
package bench
