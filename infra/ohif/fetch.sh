#!/bin/sh
# Puts the released build of OHIF (npm, @ohif/app) into a folder, after its digest was compared. Nothing is asked of the
# network once it is there:
#     infra/ohif/fetch.sh var/deploy/ohif
set -eu
version=3.12.10
# As the registry's `dist.integrity` of that version: SHA-512, in base64.
digest=0kuF66Mq9c9dMD++bUsTjMrJpXJwaZhz9B4uS244DawAjSkTwIYFU93pxPuRUQixaRi7QAHlF3Fe1qudBlZrmA==
target=${1:?the folder to put it into}
[ "$(cat "$target/version" 2>/dev/null)" != "$version" ] || [ ! -e "$target/package/dist/index.html" ] || exit 0

echo "Fetching OHIF $version …" >&2
draft=$target/new
rm -rf "$draft"
mkdir -p "$draft"
(cd "$draft" && npm pack --silent --ignore-scripts "@ohif/app@$version" >/dev/null)
archive=$(echo "$draft"/*.tgz)
if [ "$(openssl dgst -sha512 -binary "$archive" | openssl base64 -A)" != "$digest" ]; then
    echo "@ohif/app@$version is not what it was when it was pinned: nothing is used of it." >&2
    exit 1
fi
# Source maps are half of it and nobody's here. In the package every file is of 1985, so a browser would take another
# release's page of the same size for the one that it has.
tar -xzmf "$archive" -C "$draft" --exclude '*.map' package/dist package/LICENSE
chmod -R a+rX "$draft" "$target"
# The build appears whole or not at all, in the same folder as before: a container that runs has no other.
rm -rf "$target/package"
mv "$draft/package" "$target/package"
rm -r "$draft"
echo "$version" >"$target/version"
chmod a+r "$target/version"
