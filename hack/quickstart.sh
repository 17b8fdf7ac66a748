#!/usr/bin/env bash
# The operator at work, start to finish, in the cluster of KUBECONFIG or in a testbed of its own. Leaves the cluster running.
set -euo pipefail
cd "$(dirname "$0")/.."

namespace=quickstart
started=$(date +%s)
bold=""; dim=""; plain=""
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m'; dim=$'\e[2m'; plain=$'\e[0m'; fi

step=0
say() { step=$((step + 1)); printf '\n%s[%d/8] %s%s %s(%d s)%s\n' "$bold" "$step" "$1" "$plain" "$dim" "$(($(date +%s) - started))" "$plain"; }
run() { printf '%s$ %s%s\n' "$dim" "$*" "$plain"; "$@"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

kubectl() { "$kubectl" "$@"; }

# etcdctl runs inside a ready member, against the client Service.
etcdctl() {
	local pod
	pod=$(kubectl -n $namespace get pods -l etcd-operator.cozystack.io/cluster=demo,etcd-operator.cozystack.io/role=voter \
		-o jsonpath='{.items[0].metadata.name}')
	kubectl -n $namespace exec "$pod" -c etcd -- etcdctl --endpoints=demo-client.$namespace.svc:2379 "$@"
}

ready() { run kubectl -n $namespace wait --for=condition=Ready etcd/demo --timeout=180s; }

# scale waits until the operator has seen the change: Ready of the old size would be true at once.
scale() {
	run kubectl -n $namespace scale etcd/demo --replicas="$1"
	local generation
	generation=$(kubectl -n $namespace get etcd/demo -o jsonpath='{.metadata.generation}')
	kubectl -n $namespace wait --for=jsonpath='{.status.observedGeneration}'="$generation" etcd/demo --timeout=30s >/dev/null
	ready
}

identities() {
	kubectl -n $namespace get etcd/demo -o jsonpath='cluster ID {.status.clusterID}{"\n"}'
	kubectl -n $namespace get etcdm --sort-by=.metadata.name -o jsonpath='{range .items[*]}{.metadata.name} {.status.memberID}{"\n"}{end}'
}

say "A Kubernetes cluster"
if [ -n "${KUBECONFIG:-}" ]; then
	kubectl=$(command -v kubectl) || die "kubectl is not on your PATH"
	echo "using the cluster of KUBECONFIG"
else
	make --no-print-directory testbed-up
	export KUBECONFIG=$PWD/.testbed/kubeconfig
	kubectl=$PWD/.testbed/bin/kubectl
	own=1
fi
kubectl get nodes

say "The operator, from this tree and its chart"
make --no-print-directory build deploy

say "An etcd cluster of three members"
kubectl create namespace $namespace --dry-run=client -o yaml | kubectl apply -f - >/dev/null
kubectl -n $namespace apply -f - <<-YAML
	apiVersion: etcd-operator.cozystack.io/v1alpha2
	kind: EtcdCluster
	metadata:
	  name: demo
	spec:
	  replicas: 3
	  version: ${ETCD_VERSION:-3.6.16}
	  storage:
	    size: 256Mi
YAML
scale 3
run kubectl -n $namespace get etcd,etcdm

say "Write and read"
run etcdctl put greeting "hello from $(date -u +%H:%M:%S)"
run etcdctl get greeting

say "Three members become five, and three again"
scale 5
run bin/kubectl-etcd -n $namespace status demo
scale 3

say "Pause: all members stop, all volumes and identities stay"
before=$(identities)
value=$(etcdctl get greeting --print-value-only)
scale 0
run kubectl -n $namespace get etcd,pods

say "Resume: the same cluster, the same members, the same data"
scale 3
[ "$(identities)" = "$before" ] || die "the cluster came back with other identities: $(identities)"
[ "$(etcdctl get greeting --print-value-only)" = "$value" ] || die "the cluster came back without its data"
printf '%s\n' "$before" "greeting is still: $value"

say "As the plugin shows it"
run bin/kubectl-etcd -n $namespace status demo
run bin/kubectl-etcd -n $namespace explain demo

cat <<-TEXT

	${bold}Done in $(($(date +%s) - started)) s. The cluster goes on running.${plain}

	Go on:
	  export KUBECONFIG=$KUBECONFIG PATH=\$PWD/bin:\$PWD/.testbed/bin:\$PATH
	  kubectl -n $namespace delete pod -l etcd-operator.cozystack.io/cluster=demo --wait=false   # they come back by themselves
	  kubectl etcd -n $namespace status demo --watch
	Remove it:
	  kubectl delete namespace $namespace${own:+
	  make testbed-down}
TEXT
