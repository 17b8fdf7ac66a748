#!/usr/bin/env bash
# Everything that CI runs, in order, with the time each part took. Run by "make test".
set -euo pipefail
cd "$(dirname "$0")/.."

began=$SECONDS
declare -a report
beside=

finish() {
	local code=$?
	[ -z "$beside" ] || kill -- -"$beside"
	printf '\n== %s after %d s ==\n' "$([ $code = 0 ] && echo PASSED || echo FAILED)" $((SECONDS - began))
	printf '%s\n' "${report[@]}"
	exit $code
}
trap finish EXIT

section() { # name, command...
	local name=$1 start=$SECONDS
	shift
	printf '\n== %s ==\n' "$name"
	report+=("$(printf '   FAIL  %s' "$name")")
	"$@"
	report[-1]=$(printf '%5d s  %s' $((SECONDS - start)) "$name")
}

# beside begins what needs nothing but a processor, while the sections that follow mostly wait; join shows its output and ends as it does.
beside() { # command...
	beside_log=$(mktemp)
	setsid nice -n 10 "$@" >"$beside_log" 2>&1 &
	beside=$!
}

join() {
	local code=0
	wait "$beside" || code=$?
	beside=
	cat "$beside_log"
	return $code
}

section "build"                          make --no-print-directory build tools
section "generated files"                make --no-print-directory verify-generate
section "lint"                           make --no-print-directory lint
section "unit tests"                     make --no-print-directory test-unit
section "testbed: build"                 make --no-print-directory testbed-build
section "contract: etcd 3.5, 3.6, 3.7"   make --no-print-directory test-contract
beside                                   make --no-print-directory test-simulation
section "integration: kube-apiserver"    make --no-print-directory test-integration
section "robustness: etcd processes"     make --no-print-directory robustness-ci
section "testbed: up"                    make --no-print-directory testbed-up
section "deploy"                         env -u KUBECONFIG make --no-print-directory deploy
section "simulation (what was left)"     join
section "end to end"                     env -u KUBECONFIG make --no-print-directory e2e
