#!/usr/bin/env bash
# Pods stay connected whatever becomes of tailscaled.

# longest_gap SECONDS: of the lines that arrived within the last seconds, as the container runtime timed them.
longest_gap() {
  kubectl logs receiver --timestamps "--since=${1}s" | cut -d ' ' -f 1 |
    python3 -c '
import sys, datetime
times = [datetime.datetime.fromisoformat(line.strip()[:26]).timestamp() for line in sys.stdin if line.strip()]
gaps = [b - a for a, b in zip(times, times[1:])]
print("%.1f s, %d lines" % (max(gaps), len(times)) if gaps else "no lines")'
}

stream_lives() {
  first=$(kubectl logs receiver --tail=1)
  sleep 3
  second=$(kubectl logs receiver --tail=1)
  [ -n "$first" ] && [ "$first" != "$second" ]
}

# A sender that does not fall silent when nothing arrives, as TCP does: a datagram five times a second through
# flannel.1, to a port where nobody listens.
start_sender() {
  target=$(on k3s-server ip -4 -o address show flannel.1 | sed 's/.* inet \([0-9.]*\).*/\1/')
  agent systemd-run --quiet --collect --unit=proof-sender \
    bash -c "'while :; do echo > /dev/udp/$target/9; sleep 0.2; done 2>/dev/null'"
}

capture() {
  # The time that it is given always ends it.
  { inside timeout 8 tcpdump -i vmbr0 -nn -l udp port 8472 2>/dev/null || true; } | grep -c 8472 || true
}

section_overlay() {
  step 'a pod-to-pod TCP stream'
  kubectl delete pod receiver sender --ignore-not-found >/dev/null
  kubectl apply -f - <scripts/proof.d/pods.yaml >/dev/null
  until_true 120 'the stream flows' stream_lives

  for how in 'systemctl restart tailscaled' 'systemctl kill -s KILL tailscaled'; do
    step "$how, the persistent TUN in place"
    began=$(now)
    agent sh -c "'$how'"
    until_true 60 'the stream goes on' stream_lives
    seen "longest gap: $(longest_gap $(($(now) - began + 5)))"
  done

  step 'tailscaled down: no VXLAN leaves in plain text; it does when our route and filter are taken away'
  start_sender
  agent systemctl stop tailscaled
  plain=$(capture)
  seen "with our route and filter: $plain packets of plain VXLAN on the LAN"
  [ "$plain" = 0 ] || fail 'plain VXLAN left by the LAN'
  agent sh -c "'ip route show type unreachable | while read -r line; do ip route del \$line; done'"
  agent nft delete chain inet homelab leaving
  leaked=$(capture)
  seen "without them: $leaked packets"
  agent systemctl restart homelab-filter homelab-tun
  agent systemctl start tailscaled
  agent systemctl stop proof-sender
  [ "$leaked" -gt 0 ] || fail 'the capture shows nothing even without our route and filter: it proves nothing'
  until_true 90 'the stream goes on' stream_lives

  step 'the guard alone heals it, the persistent TUN switched off'
  own_tun=$(inventory_with tun 's/^tailnet:/tailnet:\n  persistent_tun: false/')
  last_line inside homelab --config "$own_tun" up --yes
  until_true 120 'the stream flows' stream_lives
  for how in 'systemctl restart tailscaled' 'systemctl kill -s KILL tailscaled'; do
    index=$(agent cat /sys/class/net/tailscale0/ifindex)
    began=$(now)
    agent sh -c "'$how'"
    until_true 60 "$how: tailscale0 is another device" another_device "$index"
    until_true 180 'the stream goes on' stream_lives
    seen "longest gap: $(longest_gap $(($(now) - began + 5)))"
    until_true 180 'verify is green again' inside homelab --config "$own_tun" verify
  done
  converge
}
# Without the persistent TUN tailscaled makes it anew: else there would be nothing to heal.
another_device() {
  found=$(agent cat /sys/class/net/tailscale0/ifindex) && [ "$found" != "$1" ]
}

