#!/usr/bin/env bash
# VXLAN knows no authentication: a frame from a stranger on the LAN must not reach a pod.

stranger=10.79.0.250

# A machine on the lab's LAN that is none of ours: a namespace with a card on the bridge.
stranger_comes() {
  stranger_goes
  inside ip netns add stranger
  inside ip link add stranger0 type veth peer name eth0 netns stranger
  inside ip link set stranger0 master vmbr0 up
  inside ip -n stranger address add "$stranger/24" dev eth0
  inside ip -n stranger link set eth0 up
}
stranger_goes() {
  { inside ip netns delete stranger; inside ip link delete stranger0; } >/dev/null 2>&1 || true
}

# inject ADDRESS: ten VXLAN frames (VNI 1) to an address of the agent's, each with a datagram to the pod.
inject() {
  inside ip netns exec stranger python3 - "$1" "$victim_mac" "$pretended" "$victim" <<'PYTHON'
import socket, struct, sys, time
node, mac, source, target = sys.argv[1:]

def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff

payload = b"a stranger"
datagram = struct.pack("!HHHH", 4444, 7777, 8 + len(payload), 0) + payload
length = 20 + len(datagram)
header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, 1, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(target))
header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
ethernet = bytes.fromhex(mac.replace(":", "")) + bytes.fromhex("020000000099") + b"\x08\x00"
frame = struct.pack("!II", 0x08000000, 1 << 8) + ethernet + header + datagram
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(10):
    sender.sendto(frame, (node, 8472))
    time.sleep(0.1)
PYTHON
}
# Counted in the pod's own network namespace: what came as far as its sockets.
in_the_pod() { on k3s-agent-2 "sudo nsenter --net=/proc/$pod_process/ns/net nft $*"; }
count_in_the_pod() {
  in_the_pod "'add table inet proof; add chain inet proof arriving { type filter hook input priority 0; }'"
  in_the_pod "'add rule inet proof arriving udp dport 7777 counter'"
}
arrived() { in_the_pod list chain inet proof arriving | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
# What our filter has dropped so far on the agent.
dropped() { on k3s-agent-2 sudo nft list chain inet homelab arriving | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }

section_injection() {
  step 'a pod, and a counter of datagrams in its network namespace'
  kubectl delete pod listener --ignore-not-found >/dev/null
  kubectl apply -f - <scripts/proof.d/listener.yaml >/dev/null
  until_true 120 'it runs' on k3s-agent-2 pgrep -f "'^sleep 7777$'"
  pod_process=$(on k3s-agent-2 pgrep -f "'^sleep 7777$'")
  count_in_the_pod
  victim=$(kubectl get pod listener -o 'jsonpath={.status.podIP}')
  vtep=$(on k3s-agent-2 ip -4 -o address show dev tailscale0 | sed 's/.*inet \([0-9.]*\).*/\1/')
  victim_mac=$(on k3s-agent-2 cat /sys/class/net/flannel.1/address)
  # An address of the pods of another node: what comes from there is expected on flannel.1.
  pretended=$(kubectl get node k3s-server -o 'jsonpath={.spec.podCIDR}' | sed 's/0\/24/77/')
  seen "the pod is $victim on k3s-agent-2, its VTEP $vtep $victim_mac; the stranger pretends to be $pretended"
  stranger_comes
  # A node takes what is for any address of its own, on whatever card it comes.
  inside ip -n stranger route add "$vtep" via 10.79.0.103

  step 'ten VXLAN frames of a stranger on the LAN: none reaches the pod'
  before=$(dropped)
  inject 10.79.0.103
  inject "$vtep"
  after=$(dropped)
  got=$(arrived)
  seen "to the LAN address and to the VTEP's: $got datagrams in the pod, $((after - before)) frames dropped by our filter"
  [ "$got" = 0 ] || fail 'a frame from the LAN reached a pod'
  [ $((after - before)) = 20 ] || fail 'not every frame came as far as our filter: this proves nothing'

  step 'the same without our filter: they reach it, so the test can fail'
  on k3s-agent-2 sudo systemctl stop homelab-filter
  inject 10.79.0.103
  lan=$(arrived)
  inject "$vtep"
  both=$(arrived)
  on k3s-agent-2 sudo systemctl start homelab-filter
  seen "to the LAN address: $lan datagrams in the pod; to the VTEP's: $((both - lan))"
  [ "$both" -gt 0 ] || fail 'nothing arrives even without the filter: it proves nothing'
  inject 10.79.0.103
  inject "$vtep"
  got=$(($(arrived) - both))
  seen "with the filter again: $got"
  [ "$got" = 0 ] || fail 'the filter is back, and a frame reached the pod'
  stranger_goes
  kubectl delete pod listener --wait=false >/dev/null
  last_line homelab verify
}
