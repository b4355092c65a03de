#!/bin/sh
# Puts the type checker of the portal's modules, pinned by infra/machine/typescript/package-lock.json, into .tools/, and
# node where the machine lacks it. Nothing is asked of the network once both are there.
set -eu
cd "$(dirname "$0")/../.."
source=infra/machine/typescript
target=.tools/typescript
missing=
command -v node >/dev/null || missing="$missing nodejs"
command -v npm >/dev/null || missing="$missing npm"
# shellcheck disable=SC2086 # a list of words
[ -z "$missing" ] || infra/machine/packages.sh $missing
cmp -s "$source/package-lock.json" "$target/package-lock.json" && exit 0

echo "Fetching the type checker …" >&2
rm -rf "$target" "$target.new"
mkdir -p "$target.new"
cp "$source/package.json" "$source/package-lock.json" "$target.new"
(cd "$target.new" && npm ci --silent --ignore-scripts --no-audit --no-fund)
# Appears whole or not at all.
mv "$target.new" "$target"
