#!/usr/bin/env bash
# The whole tree of inventory/homelab.yaml before a real API server, for any lab: each object of each path is applied
# server-side as a dry run, with its fields checked strictly. Nothing of it runs.

# whole_inventory: the lab's machines with every component of inventory/homelab.yaml; prints its path.
whole_inventory() {
  whole=$PWD/inventory/.proof-$lab-whole.yaml
  {
    sed '/^gitops:/,$d' "$(of_this_lab lab-gitops.yaml)" | sed '/^longhorn:/,/^$/d; /^ *disable: /d; /^k3s:/a\  disable: [servicelb, local-storage]'
    sed -n '/^longhorn:/,/^$/p; /^gitops:/,$p' inventory/homelab.yaml |
      sed -e 's/192\.168\.1\.230-192\.168\.1\.250/10.79.0.200-10.79.0.220/; s/192\.168\.1\.230/10.79.0.200/' \
        -e '/^  secrets:/,/^    sops:/d; /^      identity: ~\/.config\/homelab\/homelab.agekey/s/.*/  secrets: external/' \
        -e '/^  tailscale_operator:/a\    login_server: http://10.79.0.1:8080'
  } >"$whole"
  printf '%s\n' "$whole"
}
# dry_run FOLDER: on the server; prints what was accepted.
dry_run() {
  on k3s-server "sudo k3s kubectl kustomize /tmp/tree/$1 | sudo k3s kubectl apply --server-side --dry-run=server --validate=strict -f -" </dev/null
}

# namespaces FOLDER: every one that a file of it has.
namespaces() {
  python3 - "$1" <<'NAMESPACES'
import pathlib, re, sys
for file in sorted(pathlib.Path(sys.argv[1]).rglob("*.yaml")):
    for document in re.split(r"^---$", file.read_text(), flags=re.M):
        if re.search(r"^kind: Namespace$", document, re.M):
            print("---", document, sep="\n")
NAMESPACES
}

section_tree() {
  crds=../shared/crds
  if [ ! -d "$crds" ]; then
    seen "SKIPPED: $crds is not there, so that most kinds of the tree cannot be served"
    return 0
  fi
  tree=$work/whole-tree

  step 'every component of the whole inventory is rendered'
  lock_with_tree >"$work/homelab.lock"
  inside homelab --config "$(whole_inventory)" --lock "$work/homelab.lock" gitops init "$tree" >"$work/said" 2>&1 || { cat "$work/said"; fail 'it cannot be rendered'; }
  seen "$(find "$tree" -name '*.yaml' | wc -l) files, $(find "$tree" -name kustomization.yaml | wc -l) paths"
  tar -C "$tree" -c . | on k3s-server 'rm -rf /tmp/tree && mkdir /tmp/tree && tar -C /tmp/tree -x'

  step "the API server knows the kinds, and each namespace of the tree"
  cat "$crds"/*/*.yaml | kubectl apply --server-side --force-conflicts -f - >"$work/said" 2>&1 || { tail -n 5 "$work/said"; fail 'a kind cannot be served'; }
  seen "$(grep -c 'serverside-applied' "$work/said") kinds"
  until_true 60 'they are served' kubectl wait --for=condition=Established --timeout=50s crd --all
  namespaces "$tree" | kubectl apply --server-side --force-conflicts -f - >"$work/said"
  seen "$(grep -c namespace/ "$work/said") namespaces"
  kubectl create namespace flux-system >/dev/null 2>&1 || true

  step 'the API server takes every object of every path'
  accepted=0
  while read -r folder; do
    dry_run "$folder" >"$work/said" 2>&1 || { tail -n 20 "$work/said"; fail "it refuses $folder"; }
    accepted=$((accepted + $(grep -c 'serverside-applied' "$work/said")))
  done < <(cd "$tree" && find . -name kustomization.yaml -printf '%h\n' | sort)
  for file in "$tree"/clusters/lab/*.yaml; do
    kubectl apply --server-side --dry-run=server --validate=strict -f - <"$file" >"$work/said" 2>&1 || { tail -n 5 "$work/said"; fail "it refuses $file"; }
    accepted=$((accepted + $(grep -c 'serverside-applied' "$work/said")))
  done
  seen "$accepted objects"
  [ "$accepted" -gt 100 ] || fail 'that is not the whole tree'

  step 'a field that does not exist, and a value that a kind forbids, are refused'
  on k3s-server "sed -i 's/ replicas: 2/ replicaz: 2/' /tmp/tree/apps/cloudflared/deployment.yaml"
  ! dry_run apps/cloudflared >"$work/said" 2>&1 || fail 'a misspelt field was taken'
  seen "$(grep -m 1 replicaz "$work/said" | cut -c 1-150)"
  on k3s-server "sed -i 's/ retain: .*/ retain: many/' /tmp/tree/infrastructure/configs/longhorn-config/jobs.yaml"
  ! dry_run infrastructure/configs/longhorn-config >"$work/said" 2>&1 || fail 'a retain that is no number was taken'
  seen "$(grep -m 1 retain "$work/said" | cut -c 1-150)"
}
