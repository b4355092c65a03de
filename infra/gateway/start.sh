#!/bin/sh
# Starts nginx, and has it read its configuration again when a service's addresses (scaled, replaced) or the certificate
# change: connections under way are kept, none is refused.
set -eu
here=$(dirname "$0")
# Other than the container's own, for the tests.
folder=${GATEWAY_FOLDER:-/tmp}
certificates=${GATEWAY_CERTIFICATES:-/run/certs}

# A name of Grafana's own, by which it shares the portal's port; without one it has only the other port.
grafana_host=${GRAFANA_HOST:-${GATEWAY_HOST:-}}
[ "$grafana_host" != "${GATEWAY_HOST:-}" ] || grafana_host=grafana.invalid

# One group per service of every address its name has now. A name that leads nowhere answers 503 and holds up nobody else.
upstreams() {
    for service in auth:8443 ingest:8443 results:8443 portal:8443 grafana:3000; do
        name=${service%:*}
        addresses=$(getent ahostsv4 "$name" | cut -d ' ' -f 1 | sort -u)
        echo "upstream $name {"
        echo "    zone $name 64k;"
        echo "    least_conn;"
        for address in ${addresses:-127.0.0.1}; do
            if [ -n "$addresses" ]; then
                echo "    server $address:${service#*:} max_fails=0;"
            else
                echo "    server 127.0.0.1:9 down;"
            fi
        done
        echo "    keepalive 32;"
        echo "}"
    done
}

configure() {
    upstreams >"$folder/upstreams.conf"
    sed -e "s|@FOLDER@|$folder|g" -e "s|@CERTIFICATES@|$certificates|g" -e "s|@PORT@|${GATEWAY_LISTEN:-8443}|g" \
        -e "s|@MAX_REQUEST_BYTES@|${MAX_REQUEST_BYTES:-68719476736}|g" -e "s|@GRAFANA_PORT@|${GRAFANA_LISTEN:-8444}|g" \
        -e "s|@GRAFANA_HOST@|$grafana_host|g" \
        -e "s|@GRAFANA_ANSWER@|${GRAFANA_URL:+308 }${GRAFANA_URL:-404}|g" "$here/nginx.conf.template" >"$folder/nginx.conf"
}

state() {
    cat "$folder/upstreams.conf" "$certificates/tls.crt" "$certificates/tls.key" "$certificates/ca.crt" | sha256sum
}

watch() {
    known=$(state)
    while sleep "${GATEWAY_POLL:-3}"; do
        # What fails (a full disk, a certificate half replaced) is tried again: this loop has to last.
        current=$(configure && state) || continue
        if [ "$current" != "$known" ] && nginx -t -q -c "$folder/nginx.conf" &&
            nginx -s reload -c "$folder/nginx.conf"; then
            known=$current
        fi
    done
}

# Lines about a connection (they bear its number) without what was asked: no request, no referrer, nothing that nginx
# quotes of what a client or a service has sent. What happened stays, and which upstream it happened with.
discreet() {
    sed -u -E -e '/#[0-9]+: \*[0-9]+ /{
        s/, (request|subrequest): ".*, upstream: "([a-z]+:\/\/[0-9.:]+).*$/, upstream: \2/
        s/, (request|subrequest|upstream|host|referrer): ".*$//
        s/".*"/(left out)/
        s/".*$/(left out)/
    }'
}

configure
watch &
errors=$folder/errors
rm -f "$errors"
mkfifo -m 600 "$errors"
discreet <"$errors" >&2 &
exec nginx -c "$folder/nginx.conf" -g "daemon off;" 2>"$errors"
