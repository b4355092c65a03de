#!/bin/sh
# Installs what `make test-deploy` drives: podman and what makes stand-in images.
set -eu
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin
missing=

command -v podman >/dev/null || missing="$missing podman"
# Debian's podman brings crun, which does not start containers under cgroups v1.
command -v runc >/dev/null || missing="$missing runc"
[ -x /usr/lib/podman/netavark ] || missing="$missing netavark"
[ -x /usr/lib/podman/aardvark-dns ] || missing="$missing aardvark-dns"
# netavark calls it; without it, it says `No such file or directory` and does not say of what.
command -v iptables >/dev/null || missing="$missing iptables"
# What holds the namespaces of a pod.
command -v catatonit >/dev/null || missing="$missing catatonit"
command -v debootstrap >/dev/null || missing="$missing debootstrap"

# shellcheck disable=SC2086 # a list of words
[ -z "$missing" ] || infra/machine/packages.sh $missing
