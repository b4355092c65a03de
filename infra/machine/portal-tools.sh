#!/bin/sh
# Puts what checks the portal, pinned by infra/machine/portal-tools/package-lock.json, into .tools/, and
# node where the machine lacks it. Nothing is asked of the network once both are there.
set -eu
cd "$(dirname "$0")/../.."
source=infra/machine/portal-tools
target=.tools/portal-tools
missing=
command -v node >/dev/null || missing="$missing nodejs"
command -v npm >/dev/null || missing="$missing npm"
# shellcheck disable=SC2086 # a list of words
[ -z "$missing" ] || infra/machine/packages.sh $missing
cmp -s "$source/package-lock.json" "$target/package-lock.json" && exit 0

echo "Fetching what checks the portal …" >&2
rm -rf "$target" "$target.new"
mkdir -p "$target.new"
cp "$source/package.json" "$source/package-lock.json" "$target.new"
(cd "$target.new" && npm ci --silent --ignore-scripts --no-audit --no-fund)
# Appears whole or not at all.
mv "$target.new" "$target"
