#!/usr/bin/env bash
# Fails when a generated file is not what its source makes. The tree is left as generated: look at it and commit it.
set -euo pipefail
cd "$(dirname "$0")/.."

generated=(api charts dist docs/reference)
before=$(mktemp -d)
trap 'rm -rf "$before"' EXIT

cp -r --parents "${generated[@]}" "$before"
hack/generate.sh
for path in "${generated[@]}"; do
	if ! diff -ru "$before/$path" "$path"; then
		echo "verify-generate: $path was out of date; it is generated anew now, commit it" >&2
		exit 1
	fi
done
