#!/bin/bash
# MongoDB wants certificate and key in one file, which is made here and again when the certificate is renewed; then the
# image's own entry point goes on.
set -euo pipefail

fingerprint() {
    cat /run/certs/tls.crt /run/certs/tls.key | sha256sum
}

copy() {
    (umask 077 && cat /run/certs/tls.crt /run/certs/tls.key >/run/tls/mongodb.pem.new)
    mv /run/tls/mongodb.pem.new /run/tls/mongodb.pem
}

rotate() {
    # Read by the shell itself: an argument could be seen by every process.
    mongosh --quiet --nodb >&2 <<'SCRIPT'
const password = fs.readFileSync(process.env.MONGO_INITDB_ROOT_PASSWORD_FILE, "utf8").trim();
const user = encodeURIComponent(process.env.MONGO_INITDB_ROOT_USERNAME);
const ca = encodeURIComponent("/run/certs/ca.crt");
const url = `mongodb://${user}:${encodeURIComponent(password)}@localhost/admin?tls=true&tlsCAFile=${ca}`;
const answer = connect(url).adminCommand({ rotateCertificates: 1, message: "renewed" });
print(answer.ok ? "MongoDB reads the new certificate." : JSON.stringify(answer));
SCRIPT
}

watch() {
    local known=$1 current
    while sleep "${CERTIFICATE_POLL:-30}"; do
        current=$(fingerprint) || continue
        if [ "$current" != "$known" ] && copy && rotate; then
            known=$current
        fi
    done
}

first=$(fingerprint)
copy
watch "$first" &
exec docker-entrypoint.sh mongod --bind_ip_all --tlsMode requireTLS --tlsCertificateKeyFile /run/tls/mongodb.pem \
    --tlsCAFile /run/certs/ca.crt --tlsAllowConnectionsWithoutCertificates --tlsDisabledProtocols TLS1_0,TLS1_1
