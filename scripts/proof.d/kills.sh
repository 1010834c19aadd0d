#!/usr/bin/env bash
# One kill in each mutating stage, one of them inside a Proxmox task.
section_kills() {
  for moment in '"record":"task_begun".*qmcreate' '"record":"guest_made"' '"record":"host_key_verified"' \
    '"record":"device_joined"' '"record":"step_started","step":"cluster/agent'; do
    step "a fresh up killed at $moment"
    last_line homelab destroy --all --yes
    nothing_of_ours
    up_killed_at "$moment"
    converge
    converged
  done
}
