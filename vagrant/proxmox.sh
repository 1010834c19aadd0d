#!/usr/bin/env bash
# Makes a Proxmox VE host of a fresh Debian: `proxmox.sh kernel`, a reboot, `proxmox.sh proxmox`. Safe to
# run again. NETWORK (192.168.78) and MAC (of the card for the guests) come from the Vagrantfile.
set -euo pipefail

: "${NETWORK:?}" "${MAC:?}"
export DEBIAN_FRONTEND=noninteractive
# shellcheck source=/dev/null
codename=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
keyring=/usr/share/keyrings/proxmox-archive-keyring.gpg

install() { apt-get install --yes --quiet -o Dpkg::Options::=--force-confold "$@"; }

# Proxmox's packages, from the repository without subscription: not for production, as they say themselves.
repository() {
  case "$codename" in
    bookworm)
      key=proxmox-release-bookworm.gpg
      sum=7da6fe34168adc6e479327ba517796d4702fa2f8b4f0a9833f5ea6e6b48f6507a6da403a274fe201595edc86a84463d50383d07f64bdde2e3658108db7d6dc87
      check=sha512sum
      ;;
    trixie)
      key=proxmox-archive-keyring-trixie.gpg
      sum=136673be77aba35dcce385b28737689ad64fd785a797e57897589aed08db6e45
      check=sha256sum
      ;;
    *)
      echo "Proxmox VE is made of Debian 12 or 13 here, not of $codename" >&2
      exit 1
      ;;
  esac
  apt-get update --quiet
  install ca-certificates curl
  curl -fsS --retry 5 -o "$keyring.part" "https://enterprise.proxmox.com/debian/$key"
  printf '%s  %s\n' "$sum" "$keyring.part" | "$check" --check --quiet
  mv "$keyring.part" "$keyring"
  cat >/etc/apt/sources.list.d/proxmox.sources <<SOURCES
Types: deb
URIs: http://download.proxmox.com/debian/pve
Suites: $codename
Components: pve-no-subscription
Signed-By: $keyring
SOURCES
  apt-get update --quiet
}

# Proxmox VE wants its name to lead to its address, and not to loopback.
name() {
  sed -i '/^127\.0\.1\.1/d; /[[:space:]]pve1\b/d' /etc/hosts
  printf '%s.10 pve1.nightly.test pve1\n' "$NETWORK" >>/etc/hosts
  hostnamectl set-hostname pve1
  # Nothing may take the name back at the next boot.
  if [ -d /etc/cloud ]; then printf 'manage_etc_hosts: false\npreserve_hostname: true\n' >/etc/cloud/cloud.cfg.d/99-proxmox.cfg; fi
}

# The box's file system is smaller than its disk.
grow_root() {
  install cloud-guest-utils
  device=$(findmnt --noheadings --output SOURCE /)
  disk=$(lsblk --noheadings --output PKNAME "$device" | head -n 1)
  number=${device##*[!0-9]}
  growpart "/dev/$disk" "$number" || true # 1 when there is nothing to grow
  case "$(findmnt --noheadings --output FSTYPE /)" in
    ext4) resize2fs "$device" ;;
    btrfs) btrfs filesystem resize max / ;;
    xfs) xfs_growfs / ;;
  esac
}

bridge() {
  card=$(ip -json link | python3 -c '
import json, os, sys
links = [link["ifname"] for link in json.load(sys.stdin) if link.get("address") == os.environ["MAC"] and link["ifname"] != "vmbr0"]
print(links[0])')
  mkdir -p /etc/network/interfaces.d
  grep -qs '^source.*interfaces.d' /etc/network/interfaces || echo 'source /etc/network/interfaces.d/*' >>/etc/network/interfaces
  cat >/etc/network/interfaces.d/vmbr0 <<INTERFACES
iface $card inet manual

auto vmbr0
iface vmbr0 inet static
    address $NETWORK.10/24
    bridge-ports $card
    bridge-stp off
    bridge-fd 0
INTERFACES
  ip link show vmbr0 >/dev/null 2>&1 || ifup vmbr0
}

storages() {
  if ! vgs pve >/dev/null 2>&1; then
    pvcreate /dev/vdb
    vgcreate pve /dev/vdb
    lvcreate --type thin-pool --extents 95%FREE --name data pve
  fi
  pvesm status --storage local-lvm >/dev/null 2>&1 ||
    pvesm add lvmthin local-lvm --vgname pve --thinpool data --content images,rootdir
  pvesm set local --content iso,vztmpl,backup,import
}

case "${1:-}" in
  kernel)
    name
    repository
    grow_root
    apt-get full-upgrade --yes --quiet -o Dpkg::Options::=--force-confold
    install proxmox-default-kernel
    ;;
  proxmox)
    case "$(uname -r)" in *-pve) ;; *) echo "this is kernel $(uname -r), not Proxmox's" >&2; exit 1 ;; esac
    # No mail leaves a test host.
    echo 'postfix postfix/main_mailer_type select Local only' | debconf-set-selections
    install proxmox-ve postfix open-iscsi chrony python3 lvm2
    # It would be booted again after an update of its own.
    apt-get purge --yes --quiet linux-image-amd64 'linux-image-[0-9]*' os-prober || true
    # The subscription's repository is not ours, and its refusal would fail each update.
    rm -f /etc/apt/sources.list.d/pve-enterprise.* /etc/apt/sources.list.d/ceph.*
    bridge
    storages
    pveversion
    ;;
  *)
    echo 'proxmox.sh kernel | proxmox' >&2
    exit 64
    ;;
esac
