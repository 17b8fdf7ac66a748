#!/usr/bin/env bash
# Installs the operator from the chart. Run by "make deploy".
#
#   KUBECONFIG unset: into the testbed, which must be up, with an image built from this tree.
#   KUBECONFIG set:   into that cluster, with the image IMG, which its nodes must be able to pull.
#
# CHART_ARGS are more arguments for the chart, for example "--set replicas=1".
set -euo pipefail
cd "$(dirname "$0")/.."

namespace=etcd-operator-system
testbed_config=.testbed/kubeconfig
here=$(realpath -m "$testbed_config")
config=${KUBECONFIG:-$here}
image=${IMG:-}
settings=(--set createNamespace=true)

kubectl=.testbed/bin/kubectl
[ -x "$kubectl" ] || kubectl=kubectl

if [ "$(realpath -m "$config")" = "$here" ]; then
	if [ ! -e "$testbed_config" ]; then
		echo "deploy: the testbed is not up: run \"make testbed-up\", or set KUBECONFIG and IMG" >&2
		exit 1
	fi
	image=${image:-localhost/etcd-operator:dev}
	echo "==> Building $image from this tree and loading it into the testbed's nodes"
	make --no-print-directory image IMG="$image"
	.testbed/bin/testbed load-image bin/etcd-operator.tar
	# The testbed's nodes hold etcd's images too. The digest makes a new image a new Deployment: its tag stays the same.
	settings+=(--set etcdImageRepository=localhost/etcd --set-string "podAnnotations.image-digest=$(sha256sum <bin/etcd-operator.tar | cut -c1-16)")
elif [ -z "$image" ]; then
	echo "deploy: set IMG to an image of the operator that the nodes of this cluster can pull" >&2
	exit 1
fi
case ${image##*/} in
*:*) settings+=(--set "image.repository=${image%:*}" --set-string "image.tag=${image##*:}") ;;
*) settings+=(--set "image.repository=$image" --set image.tag=latest) ;;
esac

echo "==> Installing the operator into namespace $namespace"
manifest=$(mktemp)
trap 'rm -f "$manifest"' EXIT
# shellcheck disable=SC2086 # CHART_ARGS is a list of arguments
bin/tools/chart-render --namespace "$namespace" "${settings[@]}" ${CHART_ARGS:-} charts/etcd-operator >"$manifest"
"$kubectl" --kubeconfig "$config" apply --server-side --force-conflicts --field-manager=etcd-operator-deploy -f "$manifest" >/dev/null
"$kubectl" --kubeconfig "$config" --namespace "$namespace" rollout status deployment/etcd-operator --timeout=3m
