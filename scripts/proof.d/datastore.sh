#!/usr/bin/env bash
# Snapshots of the datastore in S3, their age, and what breaks them, for a lab that was started with `--gitops`.

# check_of ID: state and cause of the checks with that id.
check_of() {
  # Other checks may fail: Git has nothing yet.
  { homelab --quiet -o json verify 2>/dev/null || true; } | python3 -c '
import json, sys
for check in json.load(sys.stdin):
    if check["id"] == sys.argv[1]:
        print(check["state"], check.get("seen") or check.get("cause") or check.get("why"))' "$1"
}
is_state() { check_of "$1" >"$work/check" && grep -q "^$2 .*$3" "$work/check"; }
in_bucket() {
  # shellcheck disable=SC2016 # the variable is the lab's
  inside sh -c 'ls "$HOMELAB_LAB_FOLDER/s3/buckets/homelab/k3s/lab" 2>/dev/null' | grep -c '^etcd-snapshot-k3s-server-'
}
has_snapshots() { [ "$(in_bucket)" -ge "$1" ]; }

section_datastore() {
  inventory=$(of_this_lab lab-gitops.yaml)
  key=/etc/rancher/k3s/config.yaml.d/homelab-datastore.yaml

  step 'a fresh up tells k3s of the bucket; the key stands in a file of its own and nowhere else'
  last_line homelab up --until network --yes
  on k3s-server "sudo stat -c '%U %a' $key" >"$work/mode"
  seen "$key: $(cat "$work/mode")"
  grep -q '^root 600$' "$work/mode" || fail 'others may read it'
  # shellcheck disable=SC2016 # the variables are the lab's
  inside sh -c '! grep -r -q -F -- "$AWS_SECRET_ACCESS_KEY" "$1"' sh "$state" || fail 'the journal holds the secret'
  homelab plan --until network 2>&1 | tee "$work/said" | grep -qi 'nothing to do' || { cat "$work/said"; fail 'up after up has something to do'; }

  step 'k3s uploads a snapshot by the clock, and status and verify tell its age'
  until_true 150 'a snapshot is in the bucket' has_snapshots 1
  until_true 60 'verify passes' is_state datastore/snapshot passed s3://homelab/k3s/lab/
  sed 's/^/   /' "$work/check"
  homelab status >"$work/said" 2>/dev/null
  grep 'last snapshot of the datastore' "$work/said" | sed 's/^/   /' || fail 'status does not tell of it'
  kubectl get etcdsnapshotfiles.k3s.cattle.io -l etcd.k3s.cattle.io/snapshot-storage-node=s3 | sed 's/^/   /'
  for id in bucket/reach bucket/lifecycle bucket/encryption; do seen "$id: $(check_of "$id" | head -n 1)"; done
  is_state bucket/reach passed '' || fail 'the bucket is not reached'

  step 'old ones go: no more than three stay'
  until_true 240 'a third snapshot is there' has_snapshots 3
  # shellcheck disable=SC2016
  until_true 90 'the first is gone' sh -c "[ \"\$(ls $(inside sh -c 'echo "$HOMELAB_LAB_FOLDER"')/s3/buckets/homelab/k3s/lab | wc -l)\" -le 3 ]"

  step 'a person takes, lists and deletes one, by k3s itself'
  on k3s-server sudo k3s etcd-snapshot save --name by-hand >"$work/said" 2>&1 || { cat "$work/said"; fail 'it was not taken'; }
  on k3s-server sudo k3s etcd-snapshot ls 2>/dev/null | grep 'by-hand-.*s3://' | sed 's/^/   /' || fail 'it is not listed'
  name=$(on k3s-server sudo k3s etcd-snapshot ls 2>/dev/null | grep -o 'by-hand-k3s-server-[0-9]*' | head -n 1)
  on k3s-server sudo k3s etcd-snapshot delete "$name" 2>&1 | grep -o 'Snapshot .* deleted' | sort -u | sed 's/^/   /'
  ! on k3s-server sudo k3s etcd-snapshot ls 2>/dev/null | grep -q by-hand || fail 'it is still there'

  step 'a wrong secret is refused before it reaches a node'
  refused 20 'does not take the key' inside env AWS_SECRET_ACCESS_KEY=wrong homelab --config "$inventory" up --until network --yes
  inside env AWS_SECRET_ACCESS_KEY=wrong homelab --quiet --config "$inventory" verify >"$work/said" 2>&1 || true
  grep -q 'does not take the key' "$work/said" || fail 'verify does not tell of it'

  step 'a key that went bad on the node turns the check red with its own message; up heals it'
  on k3s-server "sudo sed -i 's/^etcd-s3-secret-key: .*/etcd-s3-secret-key: wrong/' $key && sudo systemctl restart k3s"
  until_true 240 'verify tells of it' is_state datastore/snapshot failed 'failed to test for existence of bucket homelab'
  sed 's/^/   /' "$work/check" | cut -c 1-250
  homelab plan --until network >"$work/said" 2>&1
  grep 'key of the datastore' "$work/said" | sed 's/^ */   /' || fail 'the plan does not see the other key'
  last_line homelab up --until network --yes
  until_true 240 'verify passes again' is_state datastore/snapshot passed s3://homelab/k3s/lab/

  step 'out of the inventory, out of k3s: the key is taken off'
  without=$PWD/inventory/.proof-$lab-without.yaml
  sed '/^  datastore_backup:/,/^      secret_access_key:/d' "$inventory" >"$without"
  last_line inside homelab --config "$without" up --until network --yes
  ! on k3s-server sudo test -e "$key" || fail 'the key is still there'
  last_line homelab destroy --yes
}
