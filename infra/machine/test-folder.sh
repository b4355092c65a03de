#!/bin/sh
# Names the folder for the tests' temporary files: memory, where there is plenty, since servers of tests sync
# and delete all the time and none of it has to survive.
set -eu
memory=/dev/shm
needed_kib=$((8 * 1024 * 1024))

free_kib() { df -Pk "$1" 2>/dev/null | awk 'NR == 2 { print $4 }'; }
available_kib() { awk '/^MemAvailable:/ { print $2 }' /proc/meminfo 2>/dev/null; }
runs_programs() {
	! awk -v at="$1" '$2 == at { print $4 }' /proc/mounts | grep -qw noexec
}

if [ -z "${TMPDIR:-}" ] && [ -w "$memory" ] && runs_programs "$memory" \
	&& [ "$(free_kib "$memory")" -gt "$needed_kib" ] && [ "$(available_kib)" -gt "$needed_kib" ]; then
	echo "$memory"
else
	echo "${TMPDIR:-/tmp}"
fi
