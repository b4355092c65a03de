#!/bin/bash
# As root, the official image gives its folder to the user rabbitmq and goes on as that user.
set -euo pipefail

if [ "$(id -u)" = 0 ]; then
    find /var/lib/rabbitmq \! -user rabbitmq -exec chown rabbitmq '{}' +
    exec setpriv --reuid rabbitmq --regid rabbitmq --init-groups "$0" "$@"
fi
if [ -n "${RABBITMQ_ERLANG_COOKIE:-}" ] && ! [ -e "$HOME/.erlang.cookie" ]; then
    (umask 077 && printf '%s' "$RABBITMQ_ERLANG_COOKIE" > "$HOME/.erlang.cookie")
fi
exec "$@"
