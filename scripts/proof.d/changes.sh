#!/usr/bin/env bash
# A node that lives is changed: cores, memory and disk; what cannot be changed is refused.

# The file system of the root, in MiB.
root_size() { on k3s-agent-1 "df --output=size -BM / | tail -n 1 | tr -dc 0-9"; }
# Whether Proxmox runs the guest with these cores and so many MiB, and nothing waits for a reboot.
runs_with() {
  proxmox GET "/nodes/pve1/qemu/101/status/current" | python3 -c '
import json, sys
cores, memory = sys.argv[1:]
data = json.load(sys.stdin)["data"]
seen = data["cpus"], data["maxmem"] >> 20
sys.exit(0 if seen == (int(cores), int(memory)) else "it runs with %s cores and %s MiB" % seen)' "$1" "$2" &&
    ! proxmox GET "/nodes/pve1/qemu/101/pending" | grep -q '"pending"'
}
# The kubelet notes when its node is closed to pods, and when it is opened again.
scheduling_events() {
  kubectl get events --field-selector involvedObject.name=k3s-agent-1 --no-headers |
    grep -oE 'Node(Not)?Schedulable' | sort | uniq -c | tr -s ' \n' ' '
}
on_the_agent() { kubectl get pods -l app=moving -o wide --no-headers | grep -c k3s-agent-1; }
two_run() { [ "$(kubectl get pods -l app=moving --no-headers | grep -c ' Running ')" = 2 ]; }

section_changes() {
  step 'two pods that a disruption budget guards, one of them on the agent'
  kubectl delete deployment moving --ignore-not-found >/dev/null
  kubectl apply -f - <scripts/proof.d/moving.yaml >/dev/null
  until_true 120 'both run' two_run
  [ "$(on_the_agent)" -gt 0 ] || fail 'none of them is on the agent: a drain would have nothing to do'
  first=$(kubectl get pods -l app=moving -o name | sort)

  step 'more cores, memory and disk of an agent: planned as a reboot, drained first, grown to the file system'
  before=$(root_size)
  boot=$(on k3s-agent-1 cat /proc/sys/kernel/random/boot_id)
  larger=$(inventory_with larger 's/address: 10.79.0.101/&\n    cores: 3\n    memory: 3584M\n    disk: 8G/')
  inside homelab --config "$larger" plan >"$work/said" 2>&1
  grep -E 'configure|reboot|cores|memory|scsi0' "$work/said" | sed 's/^/   /'
  grep -q 'reboot' "$work/said" || fail 'the plan does not say that it reboots'
  last_line inside homelab --config "$larger" up --yes
  runs_with 3 3584 || fail 'Proxmox does not run it so'
  after=$(root_size)
  seen "the root's file system: $before MiB before, $after MiB after"
  [ "$after" -gt $((before + 1800)) ] || fail 'the file system has not grown'
  [ "$boot" != "$(on k3s-agent-1 cat /proc/sys/kernel/random/boot_id)" ] || fail 'it was not rebooted'
  seen "events of the node: $(scheduling_events)"
  scheduling_events | grep -q NodeNotSchedulable || fail 'it was not cordoned before the reboot'
  ! kubectl get node k3s-agent-1 --no-headers | grep -q SchedulingDisabled || fail 'it was left cordoned'
  [ "$first" != "$(kubectl get pods -l app=moving -o name | sort)" ] || fail 'no pod was evicted'
  until_true 60 'both pods run' two_run
  last_line inside homelab --config "$larger" verify
  inside homelab --config "$larger" up --yes >"$work/said" 2>&1
  grep -q 'nothing to do' "$work/said" || fail 'up after up had something to do'
  kubectl delete -f - <scripts/proof.d/moving.yaml >/dev/null

  step 'what cannot be changed is refused, and nothing is touched'
  before=$(mutations)
  refused 20 'disks only grow' homelab up --yes
  for change in 'cluster_cidr: 10.42.0.0=cluster_cidr: 10.52.0.0' 'service_cidr: 10.43.0.0=service_cidr: 10.53.0.0' \
    'vmid: 103=vmid: 113' 'address: 10.79.0.103=address: 10.79.0.113' 'role: agent=role: server'; do
    other=$(inventory_with other "s|${change%%=*}|${change#*=}|; s/address: 10.79.0.101/&\n    cores: 3\n    memory: 3584M\n    disk: 8G/")
    refused 20 'error: ' inside homelab --config "$other" up --yes
  done
  [ "$before" = "$(mutations)" ] || fail 'Proxmox was asked for a change'

  step 'the agent as small as it was: made anew'
  last_line homelab destroy --node k3s-agent-1 --yes
  converge
  converged
  last_line homelab verify
}
