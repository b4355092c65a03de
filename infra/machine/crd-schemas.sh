#!/bin/sh
# Puts the validators of custom resources, pinned by infra/machine/crd-schemas/package-lock.json, into .tools/.
# Nothing is asked of the network once they are there.
set -eu
cd "$(dirname "$0")/../.."
source=infra/machine/crd-schemas
target=.tools/crd-schemas
cmp -s "$source/package-lock.json" "$target/package-lock.json" && exit 0

echo "Fetching the schemas of custom resources …" >&2
rm -rf "$target" "$target.new"
mkdir -p "$target.new"
cp "$source/package.json" "$source/package-lock.json" "$target.new"
npm ci --prefix "$target.new" --silent --ignore-scripts --no-audit --no-fund
# Appears whole or not at all.
mv "$target.new" "$target"
