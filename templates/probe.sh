# All that there is to know about a node, as one JSON document; changes nothing but its own notes in /run.
<% include "lib/head.sh" %>
<% include "lib/json.sh" %>
<% include "lib/root-disk.sh" %>
<% include "lib/cloud-init.sh" %>
<% include "lib/hashes.sh" %>

field() {
    printf ',\n"%s":' "$1"
}
os_release() {
    sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" "${HOMELAB_ROOT}/etc/os-release" 2>/dev/null || :
}
# {"path": "sha256"} of those that exist.
json_hashes() {
    printf '{'
    hashes "$@" | awk -v root="${HOMELAB_ROOT}" '{
        path = $0
        sub(/^[^ ]* [ *]/, "", path)
        printf "%s\"%s\":\"%s\"", separator, substr(path, length(root) + 1), $1
        separator = ","
    }'
    printf '}'
}
# {"unit": {"Property": "value"}}
json_units() {
    printf '{'
    { systemctl show --property=Id,LoadState,ActiveState,SubState,UnitFileState,Result,NRestarts,InvocationID,ActiveEnterTimestampMonotonic "$@" 2>/dev/null || :; } | awk '
        function flush() {
            if (id != "") { printf "%s\"%s\":{%s}", separator, id, body; separator = "," }
            id = body = ""
        }
        /^$/ { flush(); next }
        {
            at = index($0, "="); key = substr($0, 1, at - 1); value = substr($0, at + 1)
            gsub(/["\\]/, "", value)
            if (key == "Id") id = value
            body = body (body == "" ? "" : ",") "\"" key "\":\"" value "\""
        }
        END { flush() }'
    printf '}'
}
# A list of JSON strings, one a line of standard input.
json_lines() {
    printf '['
    awk '{ gsub(/["\\]/, "\\\\&"); printf "%s\"%s\"", separator, $0; separator = "," }'
    printf ']'
}
host_keys() {
    for key in "${HOMELAB_ROOT}"/etc/ssh/ssh_host_*_key.pub; do
        [ ! -r "$key" ] || cut -d ' ' -f 1,2 "$key"
    done
}
storage_disk() {
    disk="${HOMELAB_ROOT}/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_drive-scsi1"
    [ -b "$disk" ] || { printf null; return 0; }
    printf '{"device":'
    json_word "$(readlink -f "$disk")"
    printf ',"bytes":'
    json_number "$(blockdev --getsize64 "$disk" 2>/dev/null || :)"
    printf ',"filesystem":'
    json_word "$(blkid -o value -s TYPE "$disk" 2>/dev/null || :)"
    printf ',"uuid":'
    json_word "$(blkid -p -o value -s UUID "$disk" 2>/dev/null || :)"
    mounted=$(findmnt -n -o TARGET --source "$(readlink -f "$disk")" 2>/dev/null | head -n 1 || :)
    printf ',"mount_point":'
    json_word "$mounted"
    printf ',"filesystem_bytes":'
    json_number "$([ -z "$mounted" ] || stat -f -c '%S %b' "$mounted" 2>/dev/null | awk '{ printf "%.0f", $1 * $2 }')"
    printf '}'
}
# What Longhorn needs of its host.
storage_host() {
    printf '{"iscsiadm":'
    json_whether command -v iscsiadm
    printf ',"mount_nfs":'
    json_whether command -v mount.nfs
    printf ',"cryptsetup":'
    json_whether command -v cryptsetup
    printf ',"iscsi_tcp":'
    json_whether modprobe --dry-run --quiet iscsi_tcp
    printf ',"multipath_maps":'
    lsblk -n -r -o NAME,TYPE,VENDOR 2>/dev/null | awk '$2 == "mpath" { print $1 }' | json_lines
    printf '}'
}
# Whether the binaries are those that the release file lists (paths relative to the root).
release_intact() {
    listed=$(sed 1d "${HOMELAB_ROOT}/usr/local/lib/homelab/tailscale.release" | awk -v root="${HOMELAB_ROOT}/" '{ print $1, root $2 }')
    [ -n "$listed" ] || return 1
    # What stands behind the hash is one word: the release file is ours.
    found=$(printf '%s\n' "$listed" | cut -d ' ' -f 2 | while read -r program; do hashes "$program"; done | awk '{ print $1, $2 }')
    [ "$listed" = "$found" ]
}
datastore() {
    if [ -d "${HOMELAB_ROOT}/var/lib/rancher/k3s/server/db/etcd" ]; then
        echo etcd
    elif [ -e "${HOMELAB_ROOT}/var/lib/rancher/k3s/server/db/state.db" ]; then
        echo sqlite
    fi
}

printf '{"version":1'
field boot_id
json_word "$(first_line "${HOMELAB_ROOT}/proc/sys/kernel/random/boot_id")"
field machine_id
json_word "$(first_line "${HOMELAB_ROOT}/etc/machine-id")"
field system_uuid
json_word "$(first_line "${HOMELAB_ROOT}/sys/class/dmi/id/product_uuid")"
read -r hostname kernel architecture <<EOT
$(uname -n -r -m)
EOT
field hostname
json_word "$hostname"
field kernel
json_word "$kernel"
field architecture
json_word "$architecture"
field os
printf '{"id":'
json_word "$(os_release ID)"
printf ',"version":'
json_word "$(os_release VERSION_ID)"
printf ',"name":'
json_word "$(os_release PRETTY_NAME)"
printf '}'
field time_seconds
json_number "$(date +%s)"
field time_synchronized
json_whether test "$(timedatectl show --property=NTPSynchronized --value 2>/dev/null || :)" = yes
field memory_kib
json_number "$(awk '/^MemTotal:/ { print $2 }' "${HOMELAB_ROOT}/proc/meminfo" 2>/dev/null || :)"
field cores
json_number "$(nproc 2>/dev/null || :)"
field reboot_required
json_whether test -e "${HOMELAB_ROOT}/run/reboot-required"
field modules_present
json_whether test -d "${HOMELAB_ROOT}/lib/modules/$kernel"
field host_keys
host_keys | json_lines
field cloud_init
json_cloud_init
field root_disk
find_root_disk
json_root_disk
field storage_disk
storage_disk
field storage_host
storage_host
field links
json_of ip -json -details address show
field routes
json_of ip -json -4 route show
field routes6
json_of ip -json -6 route show
field fdb
json_of bridge -json fdb show dev flannel.1
field neighbours
json_of ip -json neighbour show dev flannel.1
field overlay_filter
json_whether nft list table inet homelab
field exposure_filter
json_whether nft list table inet homelab_exposure
field files
json_hashes<% for path in files %> \
    "${HOMELAB_ROOT}"<{ path | quote }><% endfor %>

field units
json_units<% for unit in units %> <{ unit | quote }><% endfor %>

field tailscale
if command -v tailscale >/dev/null 2>&1; then
    printf '{"version":'
    json_word "$(timeout 10 tailscale version 2>/dev/null | head -n 1)"
    printf ',"release":'
    json_word "$(first_line "${HOMELAB_ROOT}/usr/local/lib/homelab/tailscale.release")"
    printf ',"release_intact":'
    json_whether release_intact
    printf ',"status":'
    json_text_of timeout 10 tailscale status --json --peers=false
    printf ',"prefs":'
    json_text_of timeout 10 tailscale debug prefs
    printf '}'
else
    printf null
fi
field k3s
printf '{"version":'
json_word "$(timeout 10 k3s --version 2>/dev/null | awk 'NR == 1 { print $3 }')"
printf ',"ca_sha256":'
json_word "$(sha256sum "${HOMELAB_ROOT}/var/lib/rancher/k3s/server/tls/server-ca.crt" "${HOMELAB_ROOT}/var/lib/rancher/k3s/agent/server-ca.crt" 2>/dev/null | awk 'NR == 1 { print $1 }')"
printf ',"datastore":'
json_word "$(datastore)"
printf ',"agent_data":'
json_whether test -e "${HOMELAB_ROOT}/var/lib/rancher/k3s/agent/client-ca.crt"
printf ',"node_password":'
json_whether test -s "${HOMELAB_ROOT}/etc/rancher/node/password"
printf ',"drop_ins":'
find "${HOMELAB_ROOT}/etc/rancher/k3s/config.yaml.d" -name '*.yaml' ! -name homelab-datastore.yaml 2>/dev/null | json_lines
printf ',"configured_seconds":'
json_number "$(stat -c %Y "${HOMELAB_ROOT}/etc/rancher/k3s/config.yaml" "${HOMELAB_ROOT}/etc/rancher/k3s/config.yaml.d/homelab-datastore.yaml" 2>/dev/null | sort -n | tail -n 1)"
printf ',"settings":'
grep -E '^(server|node-ip|cluster-cidr|service-cidr|secrets-encryption|cluster-init|flannel-iface):' "${HOMELAB_ROOT}/etc/rancher/k3s/config.yaml" 2>/dev/null | json_lines
printf '}'
printf '\n}\n'
<% if kubeconfig_begins %>
printf '%s\n' <{ kubeconfig_begins | quote }>
cat "${HOMELAB_ROOT}/etc/rancher/k3s/k3s.yaml" 2>/dev/null || :
<% endif %>
