#!/usr/bin/env bash
# `overlay: lan`: the pods' packets go over the LAN, in clear text and on purpose.
section_lan() {
  plain=$(inventory_with lan 's/overlay: tailscale/overlay: lan/')
  step 'another overlay for a cluster that is there is refused'
  converge
  refused 20 overlay inside homelab --config "$plain" up --yes

  step 'a fresh cluster with its overlay on the LAN'
  last_line homelab destroy --yes
  last_line inside homelab --config "$plain" up --yes
  converged
  last_line inside homelab --config "$plain" verify
  kubectl get nodes -o "'jsonpath={range .items[*]}{.metadata.name} {.metadata.annotations.flannel\.alpha\.coreos\.com/public-ip}{\"\n\"}{end}'" |
    sed 's/^/   VTEP of /'
  inside homelab --config "$plain" up --yes 2>&1 | grep 'nothing to do' || fail 'up after up had something to do'
  last_line inside homelab --config "$plain" destroy --yes
  nothing_of_ours
}
