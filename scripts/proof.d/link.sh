#!/usr/bin/env bash
# A LAN that carries less than 1500 bytes, for a lab that was started with `--link-mtu 1400`.
section_link() {
  step 'a link that is too small is named before anything is made'
  refused 20 'carries 1400 bytes' homelab up --yes
  nothing_of_ours

  step 'with network.mtu set to what it carries everything works'
  inventory=$(inventory_with link 's/^  mtu: 1500/  mtu: 1400/')
  converge
  converged
  last_line homelab verify
  for interface in eth0 tailscale0 flannel.1; do
    seen "$interface: MTU $(on k3s-agent-1 cat "/sys/class/net/$interface/mtu")"
  done
  last_line homelab destroy --yes
}
