# shellcheck shell=sh
set -eu
LC_ALL=C
export LC_ALL
# Empty on a real host; a simulated one has its files somewhere else.
: "${HOMELAB_ROOT:=}"
PATH="${HOMELAB_ROOT}/usr/local/sbin:${HOMELAB_ROOT}/usr/local/bin:${HOMELAB_ROOT}/usr/sbin:${HOMELAB_ROOT}/usr/bin:${HOMELAB_ROOT}/sbin:${HOMELAB_ROOT}/bin:${PATH}"
export PATH
umask 077

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}
