#!/bin/bash
# What the official image does at its first start: the same settings, files and order, none of its rarer options.
set -Eeuo pipefail

from_file() {
    local file_variable=${1}_FILE
    if [ -n "${!file_variable:-}" ]; then
        printf -v "$1" '%s' "$(<"${!file_variable}")"
    fi
}

if [ "${1:0:1}" = - ]; then
    set -- postgres "$@"
fi
if [ "$1" != postgres ]; then
    exec "$@"
fi
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
    exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi

if ! [ -s "$PGDATA/PG_VERSION" ]; then
    POSTGRES_PASSWORD=${POSTGRES_PASSWORD:-}
    from_file POSTGRES_PASSWORD
    POSTGRES_USER=${POSTGRES_USER:-postgres}
    from_file POSTGRES_USER
    POSTGRES_DB=${POSTGRES_DB:-$POSTGRES_USER}
    from_file POSTGRES_DB
    if [ -z "$POSTGRES_PASSWORD" ]; then
        echo "No POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE." >&2
        exit 1
    fi
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA"
    eval "initdb --username=$POSTGRES_USER --pwfile=<(printf '%s\n' \"\$POSTGRES_PASSWORD\") ${POSTGRES_INITDB_ARGS:-}"
    printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >> "$PGDATA/pg_hba.conf"
    export PGUSER=$POSTGRES_USER PGPASSWORD=$POSTGRES_PASSWORD
    PGDATABASE=postgres
    # Only its own socket, so that nobody else finds a server that is not ready yet.
    pg_ctl -D "$PGDATA" -w start -o "$(printf '%q ' "${@:2}" -c listen_addresses= -p "${PGPORT:-5432}")"
    if [ "$POSTGRES_DB" != postgres ]; then
        createdb "$POSTGRES_DB"
    fi
    export PGDATABASE=$POSTGRES_DB
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
        *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
        *.sql) psql -v ON_ERROR_STOP=1 --no-psqlrc --file "$file" ;;
        *.sql.gz) gunzip -c "$file" | psql -v ON_ERROR_STOP=1 --no-psqlrc ;;
        esac
    done
    pg_ctl -D "$PGDATA" -m fast -w stop
    unset PGUSER PGPASSWORD PGDATABASE
    echo "PostgreSQL init process complete; ready for start up."
fi
exec "$@"
