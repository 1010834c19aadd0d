#!/usr/bin/env bash
# Three servers: any one of them may fail.
section_servers() {
  three=$(inventory_with servers 's/role: agent/role: server/')
  step 'a fresh cluster of three servers'
  last_line homelab destroy --yes
  last_line inside homelab --config "$three" up --yes
  converged
  last_line inside homelab --config "$three" verify
  on k3s-server sudo k3s kubectl get nodes --no-headers | sed 's/^/   /'

  step 'one server without power: the API of the others answers'
  proxmox POST /nodes/pve1/qemu/102/status/stop >/dev/null
  until_true 60 'it is stopped' power_is 102 stopped
  until_true 120 'the API answers' on k3s-agent-1 sudo k3s kubectl get nodes --no-headers
  until_true 180 'it names the one that is away' names_who_is_away
  last_line inside homelab --config "$three" up --yes
  until_true 300 'verify is green' inside homelab --config "$three" verify
  last_line inside homelab --config "$three" destroy --yes
  nothing_of_ours
}
names_who_is_away() { on k3s-agent-1 sudo k3s kubectl get nodes --no-headers | grep k3s-server | grep -q NotReady; }
