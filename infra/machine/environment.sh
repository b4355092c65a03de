#!/bin/sh
# Makes .venv from uv.lock: `environment.sh run` with what the services need, `environment.sh test` with everything.
# Needs Python >= 3.11; installs uv into a virtual environment of its own (.uv) where the machine has none.
set -eu
cd "$(dirname "$0")/../.."
kind=$1

say() {
    echo "$*" >&2
}

recent() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# Every interpreter of the machine that will do, those that a shell would find first at the front.
pythons() {
    for name in python3 python3.13 python3.12 python3.11 python; do
        (IFS=:; for folder in $PATH; do echo "$folder/$name"; done)
    done | while read -r candidate; do
        if [ -x "$candidate" ] && recent "$candidate"; then
            echo "$candidate"
        fi
    done
}

# The one that was asked for, else the fastest of those of the first one's version.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        if recent "$PYTHON"; then
            command -v "$PYTHON"
            return
        fi
        say "$PYTHON is no Python 3.11 or later."
        return 1
    fi
    found=$(pythons)
    if [ -z "$found" ]; then
        say "Install Python 3.11 or later (Debian: apt-get install python3), or name it: make PYTHON=/path/to/python3."
        return 1
    fi
    # shellcheck disable=SC2086  # paths of interpreters, one a line
    "$(echo "$found" | head -n 1)" infra/machine/interpreter.py $found
}

# Debian's python3 comes without what makes virtual environments.
make_uv_environment() {
    if ! "$1" -c 'import ensurepip' 2>/dev/null; then
        version=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        infra/machine/packages.sh "$version"
    fi
    "$1" -m venv --clear .uv
}

if command -v uv >/dev/null 2>&1; then
    uv=uv
else
    if ! [ -x .uv/bin/uv ]; then
        python=$(find_python)
        make_uv_environment "$python"
        say "Installing uv into .uv …"
        .uv/bin/python -m pip install --quiet --disable-pip-version-check uv
    fi
    uv=.uv/bin/uv
fi

# The interpreter of the machine, never a downloaded one.
export UV_PYTHON_DOWNLOADS=never
recent .venv/bin/python || "$uv" venv --quiet --clear --python "$(find_python)" .venv

say "Installing the locked packages into .venv …"
case $kind in
# --inexact: what `make test` has added may stay.
run) "$uv" sync --quiet --frozen --extra all --no-dev --inexact ;;
test) "$uv" sync --quiet --frozen --extra all && touch .venv/.ready-run ;;
*) say "usage: environment.sh run|test" && exit 2 ;;
esac
touch ".venv/.ready-$kind"
