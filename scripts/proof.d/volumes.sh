#!/usr/bin/env bash
# Volumes as Flux brings them, for a lab that was started with `--gitops`: the rendered HelmRelease installs the
# lab's stand-in for Longhorn, claims bind, copies and backups hold the bytes.

# in_the_tree and push.
# shellcheck source=scripts/proof.d/gitops.sh
. scripts/proof.d/gitops.sh
# longhorn_checks.
# shellcheck source=scripts/proof.d/storage.sh
. scripts/proof.d/storage.sh

# of KIND NAME JSONPATH: a field of one of Longhorn's objects.
of() { kubectl get "$1.longhorn.io" "$2" -n longhorn-system -o "'jsonpath={$3}'"; }
is() { [ "$(of "$1" "$2" "$3")" = "$4" ]; }
in_s3() {
  # shellcheck disable=SC2016 # the variables are the lab's
  inside sh -c 'curl -sS --fail --aws-sigv4 "aws:amz:$AWS_REGION:s3" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
    -H "x-amz-content-sha256: UNSIGNED-PAYLOAD" "$HOMELAB_LAB_S3_URL/$HOMELAB_LAB_S3_BUCKET/$1"' sh "$1"
}
# claim_and_pod NAME CLASS NODE COMMAND: a claim, and a pod that mounts it at /data; on any node where NODE is empty.
claim_and_pod() {
  kubectl apply -f - >/dev/null <<POD
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: $1, namespace: default}
spec: {accessModes: [ReadWriteOnce], storageClassName: $2, resources: {requests: {storage: 100Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: $1, namespace: default}
spec:
  terminationGracePeriodSeconds: 1
  nodeSelector: {${3:+kubernetes.io/hostname: $3}}
  # As long as the proof may take a node away.
  tolerations:
    - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute}
    - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute}
  containers:
    - name: main
      image: lab.local/busybox:1
      imagePullPolicy: Never
      command: [sh, -c, '$4; exec sleep 1000000']
      volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: $1}}]
POD
}
runs() { [ "$(kubectl get pod "$1" -o "'jsonpath={.status.phase}'")" = Running ]; }
# alone VOLUME: there is no other one.
alone() { [ "$(kubectl get volumes.longhorn.io -n longhorn-system -o name)" = "volume.longhorn.io/$1" ]; }
node_of() { kubectl get pod "$1" -o "'jsonpath={.spec.nodeName}'"; }
volume_of() { kubectl get pvc "$1" -o "'jsonpath={.spec.volumeName}'"; }
hash_in() { kubectl exec "$1" -- sha256sum /data/bytes | cut -d ' ' -f 1; }
# on_both VOLUME HASH: the file `bytes` is so in the copies of both agents.
on_both() {
  for node in k3s-agent-1 k3s-agent-2; do
    on "$node" "sudo sh -c 'sha256sum /var/lib/longhorn/replicas/$1-*/data/bytes'" | grep -q "^$2 " || return 1
  done
}
no_check_fails() {
  longhorn_checks failed >"$work/failures"
  [ ! -s "$work/failures" ]
}
a_check_fails() { longhorn_checks failed >"$work/failures" && grep -q "$1" "$work/failures"; }
backed_up_by_job() {
  kubectl get backups.longhorn.io -n longhorn-system -o "'jsonpath={range .items[?(@.spec.labels.RecurringJob==\"often\")]}{.status.state} {.status.volumeName}{\"\\n\"}{end}'" |
    grep -qx "Completed $volume"
}
ran_twice() { [ "$(of recurringjobs often .status.executionCount)" -ge 2 ]; }
one_is_kept() {
  [ "$(kubectl get backups.longhorn.io -n longhorn-system -o "'jsonpath={range .items[?(@.spec.labels.RecurringJob==\"often\")]}{.metadata.name}{\"\\n\"}{end}'" | wc -l)" = 1 ]
}

# shellcheck disable=SC2329 # given to until_true
waits() { kubectl get events --field-selector involvedObject.name=huge | grep -q 'insufficient storage'; }
# shellcheck disable=SC2329
refused_by_hook() { kubectl logs -n longhorn-system job/longhorn-uninstall | grep 'deleting-confirmation-flag'; }

section_volumes() {
  inventory=$PWD/inventory/.proof-$lab-volumes.yaml
  tree=$work/tree
  # A target and jobs of its own.
  sed "s|^longhorn:\$|&\n  backup:\n    url: http://10.79.0.1:9000\n    bucket: homelab\n    region: us-east-1\n    prefix: longhorn/lab\n    credentials: {access_key_id: {env: AWS_ACCESS_KEY_ID}, secret_access_key: {env: AWS_SECRET_ACCESS_KEY}}\n  recurring_jobs:\n    often: {task: backup, cron: '* * * * *', retain: 1}\n  trial_image: lab.local/busybox:1|" \
    "$(of_this_lab lab-gitops.yaml)" >"$inventory"
  printf 'gitops:\n  chart_mirror: http://10.79.0.1:8000/charts\n  secrets:\n    sops: {identity: %s}\n' \
    "$work/homelab.agekey" >>"$inventory"

  step 'Flux installs Longhorn from the HelmRelease that is rendered'
  mkdir -p "$tree"
  # shellcheck disable=SC2016 # the variable is the lab's
  url=$(inside sh -c 'echo "$HOMELAB_LAB_GIT_URL"')
  in_the_tree git init --quiet --initial-branch=main
  in_the_tree git remote add origin "$url"
  last_line homelab gitops init "$tree"
  push 'The tree as rendered'
  converge
  converged
  kubectl get helmreleases -n longhorn-system --no-headers | cut -c 1-150 | sed 's/^/   /'
  kubectl get nodes.longhorn.io -n longhorn-system --no-headers | sed 's/^/   /'
  is settings create-default-disk-labeled-nodes .value true || fail 'a setting is not as the HelmRelease has it'
  is settings default-replica-count .value '{"v1":"2","v2":"2"}' || fail 'the number of copies is not as the HelmRelease has it'
  no_check_fails || { cat "$work/failures"; fail 'a check of Longhorn fails'; }
  seen "$(longhorn_checks passed | wc -l) checks of Longhorn pass"

  step 'a claim is bound, a pod writes, and both agents hold the bytes'
  claim_and_pod data longhorn '' 'dd if=/dev/urandom of=/data/bytes bs=64k count=16 2>/dev/null; sync'
  until_true 90 'the pod runs' runs data
  volume=$(volume_of data) home=$(node_of data)
  until_true 20 'the volume is healthy' is volumes "$volume" .status.robustness healthy
  hash=$(hash_in data)
  until_true 20 'both agents hold the bytes' on_both "$volume" "$hash"
  kubectl get replicas.longhorn.io -n longhorn-system --no-headers | sed 's/^/   /'
  no_check_fails || { cat "$work/failures"; fail 'a check of Longhorn fails'; }

  step 'verify makes a volume of its own, and takes it away again'
  homelab verify --volume >"$work/said" 2>&1 || { tail -n 20 "$work/said"; fail 'verify fails'; }
  grep 'a volume can be made' "$work/said" | sed 's/  */ /g; s/^/  /' || fail 'there is no check of it'
  until_true 60 'its volume is gone' alone "$volume"

  step 'on the other node the pod finds them again'
  other=k3s-agent-1
  [ "$home" != k3s-agent-1 ] || other=k3s-agent-2
  kubectl exec data -- sh -c "'echo last words >/data/last && sync'"
  kubectl delete pod data --wait=true >/dev/null
  claim_and_pod data longhorn "$other" 'true'
  until_true 90 "the pod runs on $other" runs data
  [ "$(hash_in data)" = "$hash" ] || fail 'the bytes are not the same'
  [ "$(kubectl exec data -- cat /data/last)" = 'last words' ] || fail 'what was written last is not there'
  home=$other

  step 'a backup by hand, and one by the clock: listed in S3, with these very bytes'
  kubectl apply -f - >/dev/null <<BACKUP
apiVersion: longhorn.io/v1beta2
kind: Snapshot
metadata: {name: by-hand, namespace: longhorn-system}
spec: {volume: $volume, createSnapshot: true}
---
apiVersion: longhorn.io/v1beta2
kind: Backup
metadata: {name: by-hand, namespace: longhorn-system, labels: {backup-volume: $volume}}
spec: {snapshotName: by-hand}
BACKUP
  until_true 60 'the backup by hand is there' is backups by-hand .status.state Completed
  address=$(of backups by-hand .status.url)
  seen "$address"
  in_s3 '?list-type=2&prefix=longhorn%2Flab%2F' | grep -o '<Key>[^<]*</Key>' | sed 's/<[^>]*>//g; s/^/   /'
  archive=$(in_s3 '?list-type=2&prefix=longhorn%2Flab%2F' | grep -o 'longhorn/lab/[^<]*by-hand.tar.gz')
  in_s3 "$archive" >"$work/archive.tar.gz"
  [ "$(tar -xzOf "$work/archive.tar.gz" bytes | sha256sum | cut -d ' ' -f 1)" = "$hash" ] || fail 'the archive has other bytes'
  seen "the archive has the bytes: sha256 $hash"
  until_true 100 'the job has backed it up' backed_up_by_job
  until_true 130 'its next turn was there' ran_twice
  until_true 60 'of its backups one is kept' one_is_kept
  converge
  no_check_fails || { cat "$work/failures"; fail 'a check of Longhorn fails'; }
  longhorn_checks passed | sed 's/^/   /'

  step 'a new volume is made of a backup'
  kubectl apply -f - >/dev/null <<CLASS
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: restored}
provisioner: driver.longhorn.io
parameters: {numberOfReplicas: "2", fromBackup: "$address"}
CLASS
  claim_and_pod restored restored '' 'true'
  until_true 90 'the pod runs' runs restored
  [ "$(hash_in restored)" = "$hash" ] || fail 'the restored bytes are not the same'
  until_true 30 'both agents hold the restored bytes' on_both "$(volume_of restored)" "$hash"
  kubectl delete pod restored >/dev/null
  kubectl delete pvc restored >/dev/null

  step 'a node is stopped: degraded, told by verify, and whole again when it is back'
  away=k3s-agent-1 vmid=101
  [ "$home" != k3s-agent-1 ] || away=k3s-agent-2 vmid=103
  proxmox POST "/nodes/pve1/qemu/$vmid/status/stop" >/dev/null
  until_true 60 'the volume is degraded' is volumes "$volume" .status.robustness degraded
  kubectl exec data -- sh -c "'dd if=/dev/urandom of=/data/bytes bs=64k count=16 2>/dev/null; sync'"
  hash=$(hash_in data)
  until_true 120 'a check of the node is red' a_check_fails "^longhorn/node $away .*KubernetesNodeNotReady"
  sed 's/^/   /' "$work/failures"
  grep -q "^longhorn/volume .*degraded" "$work/failures" || fail 'verify does not tell that the volume is degraded'
  proxmox POST "/nodes/pve1/qemu/$vmid/status/start" >/dev/null
  until_true 180 'the volume is healthy' is volumes "$volume" .status.robustness healthy
  on_both "$volume" "$hash" || fail 'the copy of the node that was away is not whole'
  until_true 60 'no check of Longhorn fails' no_check_fails

  step 'a claim that has no place waits, and says why'
  kubectl apply -f - >/dev/null <<CLAIM
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: huge, namespace: default}
spec: {accessModes: [ReadWriteOnce], storageClassName: longhorn, resources: {requests: {storage: 1Ti}}}
CLAIM
  until_true 30 'its event says so' waits
  kubectl delete pvc huge >/dev/null
  until_true 30 'its volume is gone' alone "$volume"

  step 'deleting the release is refused while nobody has confirmed it, and nothing is lost'
  kubectl patch kustomization longhorn -n flux-system --type merge --patch "'{\"spec\":{\"suspend\":true}}'" >/dev/null
  kubectl delete helmrelease longhorn -n longhorn-system --wait=false >/dev/null
  until_true 90 'the hook says why' refused_by_hook
  sed 's/^/   /' "$work/last" | cut -c 1-150
  [ "$(hash_in data)" = "$hash" ] || fail 'the bytes are gone'
  is volumes "$volume" .status.robustness healthy || fail 'the volume is not healthy any more'

  step 'destroy takes it all away, and leaves the backups'
  last_line homelab destroy --yes
  nothing_of_ours
  in_s3 "$archive" | cmp - "$work/archive.tar.gz" || fail 'the backup is gone'
}
