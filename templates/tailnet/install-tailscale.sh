# Installs Tailscale at its pinned version with our units around it, and (re)starts what differs.
# Prints what was changed.
<% include "lib/head.sh" %>
<% include "lib/files.sh" %>
sha256=<{ sha256 | quote }>
archive="${HOMELAB_ROOT}/var/cache/homelab/$sha256"
release="${HOMELAB_ROOT}/usr/local/lib/homelab/tailscale.release"
mkdir -p "${archive%/*}"
work=$(mktemp -d "${archive%/*}/unpacked.XXXXXX")
trap 'rm -rf "$work"' EXIT
changes="$work/changes"
: >"$changes"

is_installed() (
    [ "$(head -n 1 "$release" 2>/dev/null)" = "$sha256" ] &&
        cd "${HOMELAB_ROOT}/" && sed 1d "$release" | sha256sum --check --status
)
# install_program NAME PATH: by rename, so that a running program is not written to.
install_program() {
    found=$(find "$work" -type f -name "$1" | head -n 1)
    [ -n "$found" ] || fail "the archive $archive holds no file $1"
    (umask 022 && mkdir -p "${2%/*}")
    install -m 0755 "$found" "$2.homelab-next"
    mv -f "$2.homelab-next" "$2"
}
if ! is_installed; then
    tar -xzf "$archive" -C "$work" --no-same-owner
    install_program tailscale "${HOMELAB_ROOT}/"<{ tailscale | quote }>
    install_program tailscaled "${HOMELAB_ROOT}/"<{ tailscaled | quote }>
    (umask 022 && mkdir -p "${release%/*}")
    {
        printf '%s\n' "$sha256"
        (cd "${HOMELAB_ROOT}/" && sha256sum -- <{ tailscale | quote }> <{ tailscaled | quote }>)
    } >"$release.homelab-next"
    chmod 0644 "$release.homelab-next"
    mv -f "$release.homelab-next" "$release"
    echo "tailscale "<{ version | quote }> >>"$changes"
fi

if ! command -v nft >/dev/null 2>&1; then
    unbroken env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a \
        apt-get -y -q -o DPkg::Lock::Timeout=600 -o Acquire::Retries=5 install nftables
fi
{
    :
<% for file in files %>
# shellcheck disable=SC2016 # what a file says is not expanded here
write_file <{ file.path | quote }> <{ file.mode }> <{ file.content | quote }>
<% endfor %>
} >>"$changes"

systemctl daemon-reload
systemctl --quiet enable homelab-filter.service homelab-tun.service tailscaled.service
if grep -q overlay.nft "$changes"; then
    systemctl restart homelab-filter.service
else
    systemctl start homelab-filter.service
fi

# A TUN that tailscaled made itself goes when tailscaled goes, and takes flannel.1 with it: it is made
# anew, as a lasting one, while tailscaled is stopped.
tun_is_wrong() {
<% if persistent %>
    ! ip -details link show dev tailscale0 2>/dev/null | grep -q 'persist on'
<% else %>
    false
<% endif %>
}
device() { cat "${HOMELAB_ROOT}/sys/class/net/tailscale0/ifindex" 2>/dev/null || :; }
<% if overlay %>
# Flannel makes its VTEP when it starts, and on another device there is none: all nodes at once would
# otherwise wait for their guards.
start_vteps_anew() {
    [ -n "$1" ] || return 0
<% if persistent %>
    [ "$(device)" != "$1" ] || return 0
<% endif %>
    for unit in k3s k3s-agent; do
        systemctl --quiet is-active "$unit.service" || continue
        echo "$unit starts anew: tailscale0 is another device" >>"$changes"
        systemctl --no-block restart "$unit.service"
    done
}
<% endif %>
if tun_is_wrong || ! systemctl --quiet is-active tailscaled.service || grep -qv overlay.nft "$changes"; then
    before=$(device)
    systemctl stop tailscaled.service
    systemctl restart homelab-tun.service
    systemctl start tailscaled.service
<% if overlay %>
    start_vteps_anew "$before"
<% endif %>
fi
rm -f "$archive"
cat "$changes"
