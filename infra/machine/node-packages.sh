#!/bin/sh
# Puts the Node packages that infra/machine/NAME/package-lock.json pins into .tools/NAME. Nothing is asked of the
# network once they are there.
set -eu
cd "$(dirname "$0")/../.."
source=infra/machine/$1
target=.tools/$1
cmp -s "$source/package-lock.json" "$target/package-lock.json" && exit 0

echo "Fetching the Node packages of $1 …" >&2
rm -rf "$target" "$target.new"
mkdir -p "$target.new"
cp "$source/package.json" "$source/package-lock.json" "$target.new"
(cd "$target.new" && npm ci --silent --ignore-scripts --no-audit --no-fund)
# Appears whole or not at all.
mv "$target.new" "$target"
