#!/usr/bin/env bash
# What was lost is healed, what is ours goes, and comes back.
section_rebuild() {
  step "an agent's VM deleted by hand is healed"
  proxmox POST /nodes/pve1/qemu/103/status/stop >/dev/null
  until_true 60 'it is stopped' power_is 103 stopped
  proxmox DELETE /nodes/pve1/qemu/103 >/dev/null
  until_true 60 'it is deleted' no_guest 103
  converge
  converged
  last_line homelab verify

  step 'destroy takes what is ours and leaves the bystander and its disk; up on the same names works'
  last_line homelab destroy --all --yes
  nothing_of_ours
  bystander
  converge
  converged
}

no_guest() { ! proxmox GET /cluster/resources?type=vm | grep -q "\"vmid\":$1\b"; }
