#!/bin/sh
# Installs the servers and tools that the tests drive and this machine lacks.
set -eu
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin
missing=

[ -n "${TEST_AMQP_URL:-}" ] || command -v rabbitmq-server >/dev/null || missing="$missing rabbitmq-server"
# The embedded PostgreSQL is built without TLS, and so are its psql and pg_dump; this brings all three.
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
command -v chromium >/dev/null || missing="$missing chromium"
command -v dcmdump >/dev/null || missing="$missing dcmtk"
command -v nginx >/dev/null || missing="$missing nginx-light"
# promtool, which runs the rules, and Prometheus itself.
command -v promtool >/dev/null || missing="$missing prometheus"
# Node runs the validators of custom resources, and an OpenID provider.
command -v node >/dev/null || missing="$missing nodejs"
command -v npm >/dev/null || missing="$missing npm"

# shellcheck disable=SC2086 # a list of words
[ -z "$missing" ] || infra/machine/packages.sh $missing
infra/machine/kubectl.sh
infra/machine/node-packages.sh crd-schemas
infra/machine/node-packages.sh openid-provider
infra/machine/portal-tools.sh
