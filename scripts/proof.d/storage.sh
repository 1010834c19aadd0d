#!/usr/bin/env bash
# Nodes that are fit for Longhorn, and what `verify` makes of its objects, for a lab that was started with `--gitops`.

disk_bytes() { on "$1" 'df --output=size -B1 /var/lib/longhorn | tail -n 1 | tr -dc 0-9'; }
# rebooted_since BOOT-ID: whether the agent runs k3s on another boot.
rebooted_since() {
  [ "$(on k3s-agent-1 cat /proc/sys/kernel/random/boot_id)" != "$1" ] && on k3s-agent-1 systemctl is-active k3s-agent
}
mounted() { [ "$(on "$1" findmnt -n -o SOURCE -M /var/lib/longhorn)" != '' ]; }
# longhorn_checks STATE: the checks of Longhorn in that state: id, node and cause.
longhorn_checks() {
  # Other checks may fail: Git has nothing yet.
  { homelab --quiet -o json verify 2>/dev/null || true; } | python3 -c '
import json, sys
for check in json.load(sys.stdin):
    if check["id"].startswith("longhorn/") and check["state"] == sys.argv[1]:
        print(check["id"], check["node"] or "-", check.get("cause", ""))' "$1"
}
# red ID TEXT: one check of Longhorn's fails, and says so.
red() {
  longhorn_checks failed >"$work/failures"
  sed 's/^/   /' "$work/failures"
  [ "$(wc -l <"$work/failures")" = 1 ] || fail 'not exactly one check of Longhorn failed'
  grep -q "^$1 .*$2" "$work/failures" || fail "it is not $1 with $2"
}
objects() {
  kubectl apply --server-side --force-conflicts -f - <scripts/proof.d/longhorn.yaml >/dev/null
  kubectl apply --server-side --force-conflicts --subresource=status --selector homelab-lab/has=status -f - \
    <scripts/proof.d/longhorn.yaml >/dev/null
}
status_of() { kubectl patch "$1" "$2" -n longhorn-system --type=merge --subresource=status --patch "'{\"status\":$3}'" >/dev/null; }

section_storage() {
  inventory=$(of_this_lab lab-gitops.yaml)
  larger=$PWD/inventory/.proof-$lab-larger.yaml
  sed 's/storage_disk: {size: 2G}/storage_disk: {size: 3G}/' "$inventory" >"$larger"

  step 'a fresh up makes each node fit for Longhorn, beside everything else'
  last_line homelab up --until longhorn --yes
  converged
  for node in k3s-server k3s-agent-1 k3s-agent-2; do
    on "$node" 'command -v iscsiadm mount.nfs cryptsetup && systemctl is-active iscsid.socket' >/dev/null ||
      fail "$node lacks what Longhorn needs"
    on "$node" sudo cat /etc/iscsi/initiatorname.iscsi | grep ^InitiatorName= >>"$work/initiators"
  done
  sort -u "$work/initiators" | sed 's/^/   /'
  [ "$(sort -u "$work/initiators" | wc -l)" = 3 ] || fail 'two nodes have one initiator name'
  for node in k3s-agent-1 k3s-agent-2; do
    mounted "$node" || fail "the storage disk of $node is not mounted"
  done
  homelab up --until longhorn --yes 2>&1 | grep -q 'nothing to do' || fail 'up after up had something to do'

  step 'a storage disk grows in place, and its file system with it'
  before=$(disk_bytes k3s-agent-1)
  inside homelab --config "$larger" plan --until longhorn >"$work/said" 2>&1
  grep -q 'its file system must grow with its disk' "$work/said" || fail 'the plan does not tell of the file system'
  last_line inside homelab --config "$larger" up --until longhorn --yes
  after=$(disk_bytes k3s-agent-1)
  seen "$before bytes before, $after after"
  [ "$after" -gt $((before + 1000000000)) ] || fail 'it has not grown'
  inventory=$larger

  step 'after a reboot the disk is there before k3s is'
  boot=$(on k3s-agent-1 cat /proc/sys/kernel/random/boot_id)
  agent systemctl reboot || true
  until_true 120 'k3s runs on it' rebooted_since "$boot"
  mounted k3s-agent-1 || fail 'its storage disk is not mounted'

  step 'without its disk nothing fills the root, and up mounts it again'
  agent systemctl stop k3s-agent
  agent umount /var/lib/longhorn
  ! agent touch /var/lib/longhorn/x 2>/dev/null || fail 'a file could be written where the disk belongs'
  inside homelab --config "$larger" plan --until longhorn 2>&1 | grep 'is not mounted at' | sed 's/^/   /'
  last_line homelab up --until longhorn --yes
  mounted k3s-agent-1 || fail 'its storage disk is not mounted'

  step 'a disk that holds something of somebody else is left alone'
  agent systemctl stop k3s-agent
  agent umount /var/lib/longhorn
  agent mkfs.xfs -q -f "$(on k3s-agent-1 readlink -f /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_drive-scsi1)"
  theirs=$(on k3s-agent-1 'sudo blkid -p -o value -s UUID /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_drive-scsi1')
  refused 16 'was not made for this node' homelab up --until longhorn --yes
  [ "$theirs" = "$(on k3s-agent-1 'sudo blkid -p -o value -s UUID /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_drive-scsi1')" ] ||
    fail 'it was made anew'
  agent wipefs --quiet --all /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_drive-scsi1
  last_line homelab up --until longhorn --yes
  mounted k3s-agent-1 || fail 'its storage disk is not mounted'

  step 'what Longhorn shows of nodes, volumes and classes is judged, each fault by a check of its own'
  crds=../shared/crds/longhorn
  if [ ! -d "$crds" ]; then
    seen "SKIPPED: $crds is not there, so that the kinds of Longhorn cannot be served"
    return 0
  fi
  kubectl create namespace longhorn-system >/dev/null
  for kind in nodes volumes replicas backuptargets settings; do
    kubectl apply --server-side -f - <"$crds/longhorn.io_$kind.yaml" >/dev/null 2>&1
  done
  until_true 30 'its objects are there' objects
  seen "$(longhorn_checks passed | wc -l) checks of Longhorn pass"
  longhorn_checks failed >"$work/failures"
  [ ! -s "$work/failures" ] || { cat "$work/failures"; fail 'a check of Longhorn fails'; }
  status_of nodes.longhorn.io k3s-agent-1 '{"conditions":[{"type":"Ready","status":"True"},{"type":"Schedulable","status":"False","reason":"KubernetesNodeCordoned"}]}'
  red longhorn/node KubernetesNodeCordoned
  objects
  status_of volumes.longhorn.io pvc-1 '{"robustness":"degraded"}'
  red longhorn/volume degraded
  objects
  kubectl patch replicas.longhorn.io pvc-1-r-2 -n longhorn-system --type=merge --patch "'{\"spec\":{\"nodeID\":\"k3s-agent-1\"}}'" >/dev/null
  red longhorn/volume 'two of its copies are on k3s-agent-1'
  objects
  kubectl patch settings.longhorn.io deleting-confirmation-flag -n longhorn-system --type=merge --patch "'{\"value\":\"true\"}'" >/dev/null
  red longhorn/deletion 'is true'
  objects
  kubectl annotate storageclass longhorn --overwrite storageclass.kubernetes.io/is-default-class=false >/dev/null
  red longhorn/class 'no class is the default'
  objects
  longhorn_checks failed >"$work/failures"
  [ ! -s "$work/failures" ] || { cat "$work/failures"; fail 'a check of Longhorn still fails'; }

  step 'destroy takes it all away'
  last_line homelab destroy --yes
  nothing_of_ours
}
