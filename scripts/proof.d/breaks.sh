#!/usr/bin/env bash
# Each cause of trouble made on a real host: `verify` turns red and names it; then it is healed.

# verify_is_red CHECK [NODE]: exit code 1, and the check among the failed ones with a cause and a next step.
verify_is_red() {
  check=$1 code=0
  homelab --output json verify >"$work/checks.json" 2>/dev/null || code=$?
  [ "$code" = 1 ] && python3 - "$work/checks.json" "$check" "${2:-}" <<'PYTHON'
import json, sys
path, wanted, node = sys.argv[1:]
failed = [check for check in json.load(open(path)) if check["state"] == "failed"]
ours = [check for check in failed if check["id"] == wanted and node in ("", check["node"])]
if not ours or not ours[0]["cause"] or not ours[0]["next"]:
    sys.exit("not among the failed: " + ", ".join("%s on %s" % (c["id"], c["node"]) for c in failed))
first = ours[0]
print("red: %s on %s, `%s`: %s" % (wanted, first["node"], first["title"], first["cause"][:150]))
print("     next: %s" % first["next"][:170])
print("     (%d checks failed: %s)" % (len(failed), ", ".join(sorted({check["id"] for check in failed}))))
PYTHON
}
red() {
  limit=$1
  shift
  until_true "$limit" "verify is red at $1" verify_is_red "$@"
  sed 's/^/   /' "$work/last"
}
green() { until_true "$1" "green by $2" homelab verify; }
# What is broken stays broken while it is looked at.
without_the_guard() { on "$1" sudo systemctl stop homelab-guard; }
with_the_guard() { on "$1" sudo systemctl start homelab-guard; }

break_address() {
  step 'address: an agent announces its LAN address'
  agent "sed -i 's/^node-ip:.*/node-ip: 10.79.0.101/' /etc/rancher/k3s/config.yaml"
  agent systemctl restart k3s-agent
  red 90 cluster/address k3s-agent-1
  refused 20 'cannot become' homelab up --yes
  last_line homelab destroy --node k3s-agent-1 --yes
  converge
  green 90 'what the check said to try: destroy --node, and up'
}

break_vtep() {
  step "VTEP: an agent's annotation names its LAN address"
  without_the_guard k3s-agent-1
  kubectl annotate --overwrite node k3s-agent-1 flannel.alpha.coreos.com/public-ip=10.79.0.101 >/dev/null
  red 60 overlay/vtep k3s-agent-1
  # Flannel announces itself when it starts, and at no other time.
  agent systemctl restart k3s-agent
  with_the_guard k3s-agent-1
  green 120 'a restart of k3s on the node'

  step 'VTEP: the same again, healed by homelab up'
  without_the_guard k3s-agent-1
  kubectl annotate --overwrite node k3s-agent-1 flannel.alpha.coreos.com/public-ip=10.79.0.101 >/dev/null
  red 60 overlay/vtep k3s-agent-1
  converge
  with_the_guard k3s-agent-1
  green 60 'homelab up'

  step 'FDB: a node has lost the entry of a peer'
  without_the_guard k3s-agent-2
  on k3s-agent-2 "sudo sh -c 'bridge fdb show dev flannel.1 | while read -r mac rest; do bridge fdb del \$mac dev flannel.1; done'"
  red 60 overlay/fdb k3s-agent-2
  with_the_guard k3s-agent-2
  green 120 'the guard alone'
}

break_route() {
  step "route: a node has lost the route to its peers' pods"
  without_the_guard k3s-agent-2
  on k3s-agent-2 sudo ip route flush dev flannel.1
  red 60 overlay/route k3s-agent-2
  with_the_guard k3s-agent-2
  green 120 'the guard alone'
}

break_mtu() {
  step 'MTU: tailscale0 is lowered on a node'
  agent ip link set dev tailscale0 mtu 1280
  red 60 tailnet/mtu k3s-agent-1
  agent systemctl restart homelab-tun
  green 90 'what the check said to try: restart homelab-tun'

  step 'MTU: flannel.1 is lowered on a node'
  agent ip link set dev flannel.1 mtu 1230
  red 60 overlay/mtu k3s-agent-1
  converge
  green 60 'what the check said to try: homelab up'

  step 'MTU: the LAN below a node carries less than the inventory says'
  inside ip link set dev tap101i0 mtu 1400
  red 120 network/link k3s-agent-1
  inside ip link set dev tap101i0 mtu 1500
  green 60 'the link of 1500 bytes'
}

break_dns() {
  step "DNS: the cluster's DNS has no pod"
  kubectl -n kube-system scale deployment coredns --replicas=0 >/dev/null
  red 120 network/dns
  kubectl -n kube-system scale deployment coredns --replicas=1 >/dev/null
  green 120 'its pod'

  step 'DNS: one node does not reach it'
  agent nft add table inet proof
  agent "nft 'add chain inet proof out { type filter hook output priority -300; }'"
  agent nft add rule inet proof out tcp dport 53 drop
  red 60 network/dns k3s-agent-1
  agent nft delete table inet proof
  green 60 'the way to it'
}

break_node() {
  step 'node: k3s stands still on an agent'
  on k3s-agent-2 sudo systemctl stop k3s-agent
  red 120 cluster/ready k3s-agent-2
  converge
  green 90 'homelab up'
}

break_version() {
  step 'version: another tailscale than the pinned one'
  agent sh -c "'printf x >>/usr/local/bin/tailscale'"
  red 60 tailnet/version k3s-agent-1
  converge
  green 90 'homelab up'

  step 'version: a kubelet of another version'
  on k3s-agent-2 sudo systemctl stop k3s-agent
  kubectl patch node k3s-agent-2 --subresource=status --type=merge \
    --patch "'{\"status\":{\"nodeInfo\":{\"kubeletVersion\":\"v1.30.0+k3s1\"}}}'" >/dev/null
  red 60 cluster/version k3s-agent-2
  converge
  green 90 'homelab up'
}

section_breaks() {
  green 90 'homelab up'
  for cause in ${HOMELAB_PROOF_BREAKS:-address vtep route mtu dns node version}; do "break_$cause"; done
}
