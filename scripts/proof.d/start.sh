#!/usr/bin/env bash
# A fresh cluster, over two kills; again; and without its state.
section_start() {
  step 'a fresh up, killed in the middle of a clone and after a tailnet key was minted'
  last_line homelab destroy --yes
  up_killed_at '"record":"task_begun".*qmclone'
  up_killed_at '"record":"key_minted"'
  converge
  converged

  step 'up again: nothing to do, no mutating request, no process restarted'
  before=$(mutations)
  pids=$(on k3s-agent-1 'systemctl show -p MainPID tailscaled k3s-agent')
  nothing_to_do
  after=$(mutations)
  [ "$before" = "$after" ] || fail "mutating requests: $before before, $after after"
  [ "$pids" = "$(on k3s-agent-1 'systemctl show -p MainPID tailscaled k3s-agent')" ] || fail 'a service was restarted'
  seen "mutating requests: $before before, $after after; the services' process ids are the same"

  step 'the state folder deleted: plan, ssh and kubeconfig still work, host keys verified'
  mv "$state" "$state.kept"
  homelab plan 2>&1 | grep -q 'Nothing to do' || fail 'plan is not empty without state'
  homelab ssh k3s-agent-1 -- hostname | grep -qx k3s-agent-1 || fail 'ssh'
  homelab kubeconfig | grep -q kubeconfig || fail 'kubeconfig'
  seen 'plan is empty, ssh verified the host key, kubeconfig written'
  rm -rf "$state" && mv "$state.kept" "$state"
}
