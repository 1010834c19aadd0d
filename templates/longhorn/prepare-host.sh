# Makes a node fit for Longhorn: programs, kernel modules, initiator, multipath out of the way, and its own disk
# where it is to have one. Prints what was changed.
<% include "lib/head.sh" %>
<% include "lib/files.sh" %>
missing=
need() {
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need iscsiadm open-iscsi
need mount.nfs nfs-common
need cryptsetup cryptsetup-bin
if [ -n "$missing" ]; then
    command -v apt-get >/dev/null 2>&1 || fail "this system has no apt-get: install what gives$missing on Debian"
    unbroken env DEBIAN_FRONTEND=noninteractive \
        apt-get -y -q -o DPkg::Lock::Timeout=600 -o Acquire::Retries=5 update
    # shellcheck disable=SC2086 # one word a package
    unbroken env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a \
        apt-get -y -q -o DPkg::Lock::Timeout=600 -o Acquire::Retries=5 --no-install-recommends install $missing
    echo "installed$missing"
fi
changes=$(
    :
<% for file in files %>
# shellcheck disable=SC2016 # what a file says is not expanded here
write_file <{ file.path | quote }> <{ file.mode }> <{ file.content | quote }>
<% endfor %>
)
modprobe iscsi_tcp || fail "the running kernel $(uname -r) has no iscsi_tcp: install linux-modules-extra-$(uname -r), or reboot into the newest kernel"
modprobe --quiet dm_crypt || echo "no dm_crypt in this kernel: encrypted volumes cannot be mounted here"
modprobe --quiet nfs || echo "no nfs in this kernel: shared volumes (ReadWriteMany) cannot be mounted here"
systemctl daemon-reload
systemctl --quiet enable iscsid.socket
systemctl start iscsid.socket
case $changes in
*initiatorname.iscsi*) systemctl try-restart iscsid.service ;;
esac
if systemctl --quiet is-active multipathd.service; then
    case $changes in
    *multipath*)
        systemctl reload multipathd.service
        # Maps that nothing uses go; what is in use stays.
        multipath -F || :
        ;;
    esac
fi
<% if disk %>
disk="${HOMELAB_ROOT}/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_drive-scsi1"
place="${HOMELAB_ROOT}"<{ disk.place | quote }>
[ -b "$disk" ] || fail "the storage disk is not there: $disk"
# 2: nothing that could be told. Anything else is somebody's, and stays.
status=0
found=$(blkid -p -o value -s UUID "$disk") || status=$?
if [ "$status" -eq 2 ]; then
    [ -z "$(wipefs --noheadings "$disk")" ] || fail "the storage disk holds something: $(wipefs --noheadings "$disk" | tr -s ' \n' ' ')"
    # xfs where the system has it already: its tools are there.
    case $(findmnt -n -o FSTYPE "${HOMELAB_ROOT}/") in
    xfs) unbroken mkfs.xfs -q -m uuid=<{ disk.uuid | quote }> "$disk" ;;
    *) unbroken mkfs.ext4 -q -m 0 -U <{ disk.uuid | quote }> "$disk" ;;
    esac
    echo "made a file system on the storage disk"
elif [ "$found" != <{ disk.uuid | quote }> ]; then
    fail "the storage disk holds a file system that was not made for this node (UUID ${found:-unknown}): it is left alone"
fi
if ! mountpoint -q "$place" && [ -n "$(ls -A "$place" 2>/dev/null)" ]; then
    fail "$place holds files on the root disk, which the storage disk would hide: move Longhorn's replicas away from this node (its page: Node, Edit, scheduling off, eviction), then empty that folder"
fi
systemctl --quiet enable homelab-storage.service
systemctl restart homelab-storage.service || {
    journalctl -q -n 20 -o cat -u homelab-storage.service >&2
    fail "homelab-storage.service failed"
}
<% endif %>
[ -z "$changes" ] || printf '%s\n' "$changes"
