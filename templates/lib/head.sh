# shellcheck shell=sh
set -eu
LC_ALL=C
export LC_ALL
# Empty on a real host; a simulated one has its files somewhere else.
: "${HOMELAB_ROOT:=}"
PATH="${HOMELAB_ROOT}/usr/local/sbin:${HOMELAB_ROOT}/usr/local/bin:${HOMELAB_ROOT}/usr/sbin:${HOMELAB_ROOT}/usr/bin:${HOMELAB_ROOT}/sbin:${HOMELAB_ROOT}/bin:${PATH}"
export PATH
umask 077

# When the session ends, so that what is to be cleaned up at the end is.
trap 'exit 143' HUP INT TERM

# unbroken COMMAND...: what must not be cut short when the session ends runs in a session of its own, its
# words in a file until it is done: a pipe that nobody reads any more would end it, too.
# shellcheck disable=SC2329 # not every script has something to protect
unbroken() {
    words=$(mktemp)
    ending=0
    setsid --wait "$@" >"$words" 2>&1 </dev/null || ending=$?
    cat "$words" >&2
    rm -f "$words"
    return "$ending"
}

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}
