#!/usr/bin/env bash
# Makes every generated file anew from its source. Run by "make generate", which builds the tools it needs.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=bin/tools
chart=charts/etcd-operator
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$tools/controller-gen" object paths=./api/...
"$tools/controller-gen" crd paths=./api/... output:crd:dir="$scratch/crds"
"$tools/controller-gen" rbac:roleName=manager paths=./internal/... output:rbac:dir="$scratch/rbac"

# CRDs are templates of the chart, so that an upgrade of the release upgrades them, and stay when it is uninstalled.
rm -f "$chart"/templates/crds/*.yaml
for crd in "$scratch"/crds/*.yaml; do
	if grep -q '{{' "$crd"; then
		echo "generate: $crd holds {{, which the chart would take for a template" >&2
		exit 1
	fi
	plural=${crd##*_}
	{
		echo '{{- if .Values.crds.enabled }}'
		sed -e '/^---$/d' -e 's/^  annotations:$/&\n    helm.sh\/resource-policy: keep/' "$crd"
		echo '{{- end }}'
	} >"$chart/templates/crds/$plural"
done

# One list of rules for the ClusterRole and for the Roles of the namespaced mode.
sed -n '/^rules:$/,$p' "$scratch/rbac/role.yaml" >"$chart/generated/manager-rules.yaml"

mkdir -p dist docs/reference
"$tools/chart-render" --set createNamespace=true "$chart" >dist/install.yaml
"$tools/crd-ref-docs" --source-path=api --config=hack/api-reference.yaml --renderer=markdown \
	--output-path=docs/reference/api.md --log-level=ERROR
