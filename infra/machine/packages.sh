#!/bin/sh
# Installs Debian packages, as root or with sudo; where neither is possible, one sentence says what to install.
# Services that the packages bring along are not started: the tests start their own.
set -eu

if [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root=sudo
else
    as_root=none
fi
if [ "$as_root" = none ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Install what is missing, then try again: sudo apt-get install $*" >&2
    exit 1
fi

policy=/usr/sbin/policy-rc.d
if ! [ -e "$policy" ]; then
    # Debian's way to say: start no service now.
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
    trap '$as_root rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
fi

echo "Installing $* …" >&2
log=$(mktemp)
install() {
    $as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "$@"
}
if ! install "$@" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "Could not install $*: see above, or $log." >&2
    exit 1
fi
rm -f "$log"

# Nor at the next boot of a machine that only wanted to test.
for service in rabbitmq-server prometheus nginx orthanc; do
    case " $* " in
    *" $service "* | *" $service-light "*)
        if [ -d /run/systemd/system ]; then
            $as_root systemctl disable --quiet "$service"
        fi
        ;;
    esac
done
