#!/bin/sh
# Serves OHIF's build, with a configuration of ours, from an origin of its own; a renewed certificate, and what another
# release changes here, are read without a restart.
set -eu
here=$(dirname "$0")
# Other than the container's own, for the tests.
folder=${OHIF_FOLDER:-/tmp}
certificates=${OHIF_CERTIFICATES:-}
portal=${PORTAL_URL:?the address that browsers use for the portal}
# Its host and port alone: what the viewer may call.
origin=$(echo "$portal" | sed -E 's|^(https?://[^/]+).*|\1|')
tls=
if [ -n "$certificates" ]; then
    # As the gateway does: on a host of its own nothing else would tell browsers to stay with TLS.
    stay='add_header Strict-Transport-Security "max-age=63072000" always;'
    tls="$stay ssl_certificate $certificates/tls.crt; ssl_certificate_key $certificates/tls.key; ssl_protocols TLSv1.2 TLSv1.3;"
fi

configure() {
    for name in nginx.conf app-config.js; do
        sed -e "s|@FOLDER@|$folder|g" -e "s|@BUILD@|${OHIF_BUILD:-/srv/ohif}|g" -e "s|@LISTEN@|${OHIF_LISTEN:-8446 ssl}|g" \
            -e "s|@TLS@|$tls|g" -e "s|@PORTAL@|$portal|g" -e "s|@ORIGIN@|$origin|g" \
            -e "s|@CLIENT@|${OHIF_CLIENT_ID:-ohif}|g" "$here/$name.template" >"$folder/$name"
    done
}

state() {
    cat "$here"/*.template ${certificates:+"$certificates/tls.crt" "$certificates/tls.key"} | sha256sum
}

# For as long as nginx runs, which takes this shell's place.
watch() {
    while sleep "${OHIF_POLL:-10}" && kill -0 $$ 2>/dev/null; do
        current=$(state) || continue
        if [ "$current" != "$known" ] && configure && nginx -t -q -c "$folder/nginx.conf" &&
            nginx -s reload -c "$folder/nginx.conf"; then
            known=$current
        fi
    done
}

# Before: what changes in between is noticed.
known=$(state)
configure
watch &
# Started by root, as tests are, it would hand the work to somebody who may read nothing.
exec nginx -c "$folder/nginx.conf" -g "daemon off; ${OHIF_USER:+user $OHIF_USER;}"
