# Sets up k3s as <{ role }> from the binary that was brought here, and starts it without waiting for it:
# `await-k3s` follows. Prints what was changed.
<% include "lib/head.sh" %>
<% include "lib/files.sh" %>
: "${JOIN_TOKEN:=}" "${AGENT_TOKEN:=}" "${DATASTORE_KEY:=}"
k3s="${HOMELAB_ROOT}/usr/local/bin/k3s"
<% if joins or role == "agent" %>
data="${HOMELAB_ROOT}/var/lib/rancher/k3s"
<% endif %>

# A node is one or the other, once and for all.
[ ! -e "${HOMELAB_ROOT}"<{ other_unit | quote }> ] ||
    fail 'this node was set up as <{ other_role }> before: a <{ role }> must be a new machine'
<% if role == "agent" %>
[ ! -e "$data/server/db" ] ||
    fail "this node holds a server's database ($data/server/db): it cannot become an agent"
<% endif %>
datastore_key="${HOMELAB_ROOT}"<{ datastore_key_file | quote }>
for file in "${HOMELAB_ROOT}"/etc/rancher/k3s/config.yaml.d/*.yaml; do
    [ ! -e "$file" ] || [ "$file" = "$datastore_key" ] || fail "$file would override our configuration: move its settings into the inventory"
done
[ "$(sha256sum "$k3s" | cut -d ' ' -f 1)" = <{ sha256 | quote }> ] ||
    fail "$k3s is not the pinned one: it must be brought here first"

work=$(mktemp -d "${HOMELAB_ROOT}/run/homelab-k3s.XXXXXX")
trap 'rm -rf "$work"' EXIT
changes="$work/changes"
: >"$changes"

# write_secret PATH VALUE
write_secret() {
    mkdir -p "${1%/*}"
    if [ "$(cat "$1" 2>/dev/null)" != "$2" ]; then
        printf '%s\n' "$2" >"$1.homelab-next"
        mv -f "$1.homelab-next" "$1"
        printf '%s\n' "${1##*/}"
    fi
    chmod 0600 "$1"
}

<% if joins %>
# The authority that an earlier cluster gave this node is of no use in this one (K3S-10).
pinned=${JOIN_TOKEN#K10}
pinned=${pinned%%::*}
known=$(sha256sum "$data/agent/server-ca.crt" 2>/dev/null | cut -d ' ' -f 1)
if [ -n "$known" ] && [ "$known" != "$pinned" ]; then
    if [ -n "$(ls "${HOMELAB_ROOT}/var/lib/longhorn" 2>/dev/null)" ]; then
        fail "this node belongs to a cluster with another authority ($known) and holds Longhorn volumes"
    fi
    aside="$data/agent/homelab-former-$(date +%s)"
    mkdir "$aside"
    for file in "$data"/agent/client-* "$data"/agent/server-ca.crt "$data"/agent/serving-* "$data"/agent/*.kubeconfig "$data"/agent/etc; do
        [ ! -e "$file" ] || mv "$file" "$aside/"
    done
fi
write_secret "${HOMELAB_ROOT}"<{ token_file | quote }> "${JOIN_TOKEN:?}" >>"$changes"
<% endif %>
<% if role == "server" %>
<% if joins %>
write_secret "${HOMELAB_ROOT}"<{ agent_token_file | quote }> "${AGENT_TOKEN:?}" >>"$changes"
<% else %>
# Made here and never sent: agents get it in its full form, from the server that is up.
[ -s "${HOMELAB_ROOT}"<{ agent_token_file | quote }> ] ||
    write_secret "${HOMELAB_ROOT}"<{ agent_token_file | quote }> "$(od -An -N 16 -tx1 "${HOMELAB_ROOT}/dev/urandom" | tr -d ' \n')" >>"$changes"
<% endif %>
<% endif %>
<% if has_datastore_key %>
write_secret "$datastore_key" "${DATASTORE_KEY:?}" >>"$changes"
<% else %>
if [ -e "$datastore_key" ]; then
    rm -f "$datastore_key"
    echo "${datastore_key##*/} is gone" >>"$changes"
fi
<% endif %>
{
    :
<% for file in files %>
# shellcheck disable=SC2016 # what a file says is not expanded here
write_file <{ file.path | quote }> <{ file.mode }> <{ file.content | quote }>
<% endfor %>
} >>"$changes"
for name in kubectl crictl ctr; do
    [ -e "${k3s%/*}/$name" ] || ln -s k3s "${k3s%/*}/$name"
done

# Flannel's device and the pods' bridge keep the MTU that they were made with, whatever Flannel says later; so
# do pods that run.
for device in flannel.1 cni0; do
    found=$(cat "${HOMELAB_ROOT}/sys/class/net/$device/mtu" 2>/dev/null) || continue
    [ "$found" != <{ pod_mtu }> ] || continue
    # Too much for what is below: then the overlay itself changes, and Flannel makes its device anew.
    ip link set dev "$device" mtu <{ pod_mtu }> 2>/dev/null || continue
    echo "$device: MTU <{ pod_mtu }>; pods that run keep theirs until they are made anew"
done

# The binary has a start of its own: a new one runs only after a restart.
stamp="${HOMELAB_ROOT}/run/homelab/k3s.started"
mkdir -p "${stamp%/*}"
[ "$(cat "$stamp" 2>/dev/null)" = <{ sha256 | quote }> ] || echo "k3s "<{ version | quote }> >>"$changes"

<% if restart %>
echo <{ restart | quote }> >>"$changes"
<% endif %>
systemctl daemon-reload
systemctl --quiet enable <{ unit | quote }>
if ! systemctl --quiet is-active <{ unit | quote }>; then
    # A unit that gave up before is to be tried anew.
    systemctl reset-failed <{ unit | quote }> 2>/dev/null || :
    systemctl --no-block start <{ unit | quote }>
elif [ -s "$changes" ]; then
    systemctl --no-block restart <{ unit | quote }>
fi
printf '%s\n' <{ sha256 | quote }> >"$stamp"
cat "$changes"
