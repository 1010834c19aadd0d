#!/usr/bin/env bash
# A machine stays itself, and the order of starting survives reboots.

boot_id() { on "$1" cat /proc/sys/kernel/random/boot_id; }
booted_anew() {
  id=$(boot_id "$1") && [ -n "$id" ] && [ "$id" != "$2" ]
}

# What must be the same after any boot. cloud-init's log tells whether it ran: it writes there first thing.
identity() {
  # shellcheck disable=SC2016 # for the node's shell
  on "$1" 'cat /etc/ssh/ssh_host_*_key.pub | sha256sum | cut -c 1-16; cat /etc/machine-id; hostname
    ip -4 -o address show scope global | grep -E "eth0|tailscale0" | sed "s/ *brd.*//; s/^[0-9]*: //" | tr -s " "
    sudo sha256sum /var/log/cloud-init.log | cut -c 1-16'
}
# same_as_before NODE: against $work/identity.NODE
same_as_before() {
  identity "$1" >"$work/identity"
  diff "$work/identity.$1" "$work/identity" || fail "$1 is not who it was"
  seen "$1: host keys, machine-id, name and addresses are the same, cloud-init did not run:" \
    "$(tr '\n' ' ' <"$work/identity")"
}
no_seed() {
  for vmid in 101 102 103; do
    ! proxmox GET "/nodes/pve1/qemu/$vmid/config" | grep -q '\.iso' || fail "VM $vmid has a disc in a drive"
  done
  seen 'no guest has a seed in a drive'
}

# reboot_all HOW NODE...: reboots, and waits until each came up anew.
reboot_all() {
  for node in "$@"; do
    identity "$node" >"$work/identity.$node"
    boot_id "$node" >"$work/boot.$node"
  done
  began_reboot=$(now)
  for node in "$@"; do on "$node" sudo systemctl reboot || true; done
  for node in "$@"; do
    until_true 240 "$node has another boot id" booted_anew "$node" "$(cat "$work/boot.$node")"
  done
  until_true 420 'verify is green' homelab verify
  seen "$(($(now) - began_reboot)) s from the reboot to a green verify, without a human"
  for node in "$@"; do same_as_before "$node"; done
}

section_reboots() {
  no_seed
  step 'a reboot of one agent'
  reboot_all k3s-agent-1

  step 'a reboot of all nodes at once'
  reboot_all k3s-agent-1 k3s-agent-2 k3s-server

  step 'a stop and a start of an agent, through the API of Proxmox'
  identity k3s-agent-2 >"$work/identity.k3s-agent-2"
  boot_id k3s-agent-2 >"$work/boot.k3s-agent-2"
  proxmox POST /nodes/pve1/qemu/103/status/stop >/dev/null
  until_true 60 'it is stopped' power_is 103 stopped
  began_reboot=$(now)
  proxmox POST /nodes/pve1/qemu/103/status/start >/dev/null
  until_true 240 'it has another boot id' booted_anew k3s-agent-2 "$(cat "$work/boot.k3s-agent-2")"
  until_true 420 'verify is green' homelab verify
  seen "$(($(now) - began_reboot)) s from the start to a green verify, without a human"
  same_as_before k3s-agent-2
}
