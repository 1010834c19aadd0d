#!/usr/bin/env bash
# `overlay: lan`: the pods' packets go over the LAN, in clear text and on purpose.

vteps() {
  kubectl get nodes -o "'jsonpath={range .items[*]}{.metadata.name} {.metadata.annotations.flannel\.alpha\.coreos\.com/public-ip}{\"\n\"}{end}'" |
    sed 's/^/   VTEP of /'
  seen "pods' MTU: $(on k3s-agent-1 cat /sys/class/net/flannel.1/mtu)"
}

# Every path of the tailnet leads over the LAN: on the pods' network its full packets would not fit.
paths_are_sound() {
  for node in k3s-server k3s-agent-1 k3s-agent-2; do
    on "$node" tailscale status | grep -o 'direct [0-9.]*' | sort -u | sed "s/^/   $node: /"
  done >"$work/paths"
  grep -q 'direct 10\.79\.' "$work/paths" && ! grep -q 'direct 10\.42\.' "$work/paths"
}

section_lan() {
  plain=$(inventory_with lan 's/overlay: tailscale/overlay: lan/')
  step 'the overlay of a cluster that is there, taken to the LAN and back'
  converge
  last_line inside homelab --config "$plain" up --yes
  last_line inside homelab --config "$plain" verify
  vteps
  until_true 60 'no path of the tailnet leads through the pods'"'"' network' paths_are_sound
  converge
  last_line homelab verify
  vteps

  step 'a fresh cluster with its overlay on the LAN'
  last_line homelab destroy --yes
  last_line inside homelab --config "$plain" up --yes
  converged
  last_line inside homelab --config "$plain" verify
  vteps
  until_true 60 'no path of the tailnet leads through the pods'"'"' network' paths_are_sound
  inside homelab --config "$plain" up --yes >"$work/said" 2>&1
  grep -q 'nothing to do' "$work/said" || fail 'up after up had something to do'
  last_line inside homelab --config "$plain" destroy --yes
  nothing_of_ours
}
