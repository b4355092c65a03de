#!/bin/sh
# Installs the DICOM programs that `make test-peers` lets talk to the system and this machine lacks.
set -eu
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin
missing=

command -v Orthanc >/dev/null || missing="$missing orthanc"
ls /usr/share/orthanc/plugins/libOrthancDicomWeb.so* >/dev/null 2>&1 || missing="$missing orthanc-dicomweb"
command -v storescu >/dev/null || missing="$missing dcmtk"

# shellcheck disable=SC2086 # a list of words
[ -z "$missing" ] || infra/machine/packages.sh $missing
