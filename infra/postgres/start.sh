#!/bin/sh
# PostgreSQL takes a private key from its own user or root only, so it gets a copy; when the mounted certificate is
# renewed, a new copy and the signal to read it. Then the image's own entry point goes on.
set -eu

fingerprint() {
    cat /run/certs/tls.crt /run/certs/tls.key | sha256sum
}

copy() {
    for name in tls.crt tls.key; do
        (umask 077 && cat "/run/certs/$name" >"/run/tls/$name.new")
        mv "/run/tls/$name.new" "/run/tls/$name"
    done
}

watch() {
    known=$1
    while sleep "${CERTIFICATE_POLL:-30}"; do
        current=$(fingerprint) || continue
        if [ "$current" != "$known" ]; then
            copy || continue
            known=$current
            echo "The certificate has changed: PostgreSQL reads it." >&2
            kill -HUP 1
        fi
    done
}

first=$(fingerprint)
copy
watch "$first" &
exec docker-entrypoint.sh "$@"
