#!/bin/sh
# Makes the lab's cloud image: OUTPUT/guest.raw, one XFS file system without a partition table, and
# OUTPUT/packages/, the apt repository for its guests. Everything it reads lies beside it.
#
#   build.sh OUTPUT APT-REPOSITORY-URL
set -eu
output=$1 repository_url=$2
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$output/packages"
mount_point=$(mktemp -d)
finish() {
    if mountpoint -q "$mount_point"; then umount "$mount_point"; fi
    rmdir "$mount_point"
}
trap finish EXIT
trap 'exit 1' INT TERM

words() { sed 's/#.*//' "$1" | tr -s ' \n' "$2" | sed "s/^$2//; s/$2\$//"; }
export here output
repository_packages=$(words "$here/repository" ' ')
export repository_packages

# Few allocation groups: a small image grows to its disk's size in steps of the group it came with,
# and hundreds of tiny groups would be a file system that no installer would have made.
rm -f "$output/guest.raw"
truncate -s 1536M "$output/guest.raw"
mkfs.xfs -q -L cloudimg -d agcount=2 "$output/guest.raw"
mount -o loop "$output/guest.raw" "$mount_point"

# shellcheck disable=SC2016 # "$1" is the new root, given to the hook by mmdebstrap
mmdebstrap --quiet --mode=root --variant=important \
    --include="$(words "$here/packages" ,)" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='chroot "$1" apt-get clean' \
    --customize-hook='APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get install --yes --quiet --download-only $repository_packages' \
    --customize-hook='cp "$1"/var/cache/apt/archives/*.deb "$output/packages/"' \
    --customize-hook='chroot "$1" apt-get clean' \
    bookworm "$mount_point"

root=$mount_point
install -D -m 0755 "$here/hardware" "$root/usr/lib/homelab-lab/hardware"
install -D -m 0644 "$here/hardware.service" "$root/etc/systemd/system/homelab-lab-hardware.service"
install -m 0644 "$here/qemu-guest-agent.service" "$root/etc/systemd/system/qemu-guest-agent.service"
install -D -m 0644 "$here/cloud.cfg" "$root/etc/cloud/cloud.cfg.d/90-lab.cfg"
ln -s /bin/kmod "$root/usr/lib/homelab-lab/modprobe" # kmod is whatever name it is called by
rm "$root/usr/sbin/modprobe"
install -m 0755 "$here/modprobe" "$root/usr/sbin/modprobe"
chroot "$root" systemctl --quiet enable homelab-lab-hardware.service systemd-networkd.service systemd-resolved.service

# No internet in the lab: the only packages are the lab's.
rm -f "$root"/etc/apt/sources.list.d/*
echo "deb [trusted=yes] $repository_url ./" >"$root/etc/apt/sources.list"
rm -rf "$root"/var/lib/apt/lists/*

# A cloud image has no identity: the first boot gives each clone its own.
rm -f "$root"/etc/ssh/ssh_host_* "$root/var/lib/dbus/machine-id" "$root/etc/hostname"
: >"$root/etc/machine-id"
ln -sf /run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
# cloud-init takes the first renderer that it finds; Debian's own cloud image has no ifupdown either.
chroot "$root" apt-get purge --yes --quiet ifupdown
# The console is nspawn's; there are no others to wait for.
chroot "$root" systemctl --quiet mask getty@.service

umount "$mount_point"
(cd "$output/packages" && apt-ftparchive packages . >Packages && apt-ftparchive release . >../Release && mv ../Release .)
