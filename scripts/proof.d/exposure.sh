#!/usr/bin/env bash
# `access.exposure: tailnet`: SSH and 6443 are closed on the LAN side, and open again by themselves when
# nobody gets in by the tailnet.

lan_answers() { inside timeout 3 bash -c "exec 3<>/dev/tcp/$1/$2"; }
lan_is_shut() { ! lan_answers "$1" "$2" 2>/dev/null; }
ssh_is_open_on_the_lan() {
  for address in 10.79.0.101 10.79.0.102 10.79.0.103; do lan_answers "$address" 22 || return 1; done
}

# The machine that homelab runs on joins the tailnet: a tailscaled beside it, in the lab's own namespaces.
operator_joins() {
  programs=$(dirname "$("$bin/homelab-lab" artifacts --list tailscale | awk '$1 == "tailscale" { print $NF }')")
  rm -rf "$work/operator"
  mkdir -m 700 "$work/operator"
  # shellcheck disable=SC2016
  inside sh -c 'echo $$ >"$1/pid"; exec "$2/tailscaled" --statedir="$1" --socket="$1/socket" --tun=operator0 \
    --port=0 --no-logs-no-support' sh "$work/operator" "$programs" >"$work/operator.log" 2>&1 &
  until_true 30 "the operator's tailscaled answers" test -S "$work/operator/socket"
  tailnet_key false 600
  inside "$programs/tailscale" --socket="$work/operator/socket" up "--auth-key=file:$work/tailnet-key" \
    --login-server=http://10.79.0.1:8080 --hostname=operator --accept-dns=false --netfilter-mode=off \
    --timeout=60s >"$work/said" 2>&1 || { cat "$work/said"; fail 'the operator did not join'; }
  seen "the operator is $(inside ip -4 -o address show dev operator0 | sed 's/.*inet \([0-9.]*\).*/\1/')"
}
operator_leaves() {
  id=$(headscale GET node | python3 -c '
import json, sys
print(next(node["id"] for node in json.load(sys.stdin)["nodes"] if node["givenName"] == "operator"))')
  inside kill "$(cat "$work/operator/pid")"
  headscale DELETE "node/$id" >/dev/null
}

section_exposure() {
  closed=$(inventory_with closed 's/exposure: lan/exposure: tailnet/')
  step 'closed from a machine that is not in the tailnet: refused, and open again by itself'
  code=0
  inside homelab --config "$closed" up --yes >"$work/said" 2>&1 || code=$?
  grep -q 'must be in the tailnet' "$work/said" || { tail -n 20 "$work/said"; fail 'it does not say why'; }
  seen "exit $code: $(grep -m 1 'must be in the tailnet' "$work/said" | sed 's/^ *//')"
  [ "$code" != 0 ] || fail 'it ended well'
  lan_is_shut 10.79.0.101 22 || seen 'the LAN side is open already'
  until_true 240 'SSH is open on the LAN side of every node' ssh_is_open_on_the_lan
  last_line homelab verify

  step 'closed from a machine that is: SSH and 6443 answer by the tailnet alone'
  operator_joins
  last_line inside homelab --config "$closed" up --yes
  for address in 10.79.0.101 10.79.0.102 10.79.0.103; do
    lan_is_shut "$address" 22 || fail "$address answers SSH on the LAN"
  done
  lan_is_shut 10.79.0.102 6443 || fail 'the Kubernetes API answers on the LAN'
  tail_address=$(inside homelab --config "$closed" --quiet ssh k3s-server -- ip -4 -o address show dev tailscale0 | sed 's/.*inet \([0-9.]*\).*/\1/')
  lan_answers "$tail_address" 6443 || fail 'the Kubernetes API does not answer on the tailnet'
  seen "SSH and 6443 are shut on the LAN; $tail_address answers"
  last_line inside homelab --config "$closed" verify
  inside homelab --config "$closed" up --yes >"$work/said" 2>&1
  grep -q 'nothing to do' "$work/said" || { cat "$work/said"; fail 'up after up had something to do'; }

  step 'the state folder deleted: the nodes are found by the tailnet'
  mv "$state" "$state.kept"
  inside homelab --config "$closed" plan 2>&1 | grep -q 'Nothing to do' || fail 'plan is not empty without state'
  rm -rf "$state" && mv "$state.kept" "$state"
  seen 'plan is empty'

  step 'a reboot: still shut'
  boot=$(inside homelab --config "$closed" --quiet ssh k3s-agent-1 -- cat /proc/sys/kernel/random/boot_id)
  inside homelab --config "$closed" --quiet ssh k3s-agent-1 -- sudo systemctl reboot || true
  until_true 240 'it has another boot id' rebooted_behind_the_tailnet
  until_true 300 'verify is green' inside homelab --config "$closed" verify
  lan_is_shut 10.79.0.101 22 || fail 'it answers SSH on the LAN'

  step 'the inventory says lan again: opened'
  converge
  ssh_is_open_on_the_lan || fail 'SSH does not answer on the LAN'
  operator_leaves
  last_line homelab verify
  nothing_to_do
}
rebooted_behind_the_tailnet() {
  id=$(inside homelab --config "$closed" --quiet ssh k3s-agent-1 -- cat /proc/sys/kernel/random/boot_id) &&
    [ -n "$id" ] && [ "$id" != "$boot" ]
}
