#!/usr/bin/env bash
# Flux from the repository's own manifests, for a lab that was started with `--gitops`.

# in_the_tree COMMAND...: as the operator, whose key may push, in the clone of the repository.
in_the_tree() {
  # shellcheck disable=SC2016 # the variables are the lab's
  inside sh -c 'cd "$1" && shift && GIT_SSH_COMMAND="ssh -i $HOMELAB_LAB_GIT_KEY -o IdentitiesOnly=yes -o BatchMode=yes \
    -o UserKnownHostsFile=$HOMELAB_LAB_KNOWN_HOSTS -o StrictHostKeyChecking=yes" exec "$@"' sh "$tree" "$@"
}
push() {
  in_the_tree git add --all
  in_the_tree git -c user.name=lab -c user.email=lab@example.org commit --quiet --message "$1"
  in_the_tree git push --quiet origin HEAD:main
  seen "pushed: $1, $(in_the_tree git rev-parse --short=8 HEAD)"
}
# part NAME KEY VALUE: a Kustomization of its own, with one ConfigMap.
part() {
  mkdir -p "$tree/parts/$1"
  cat >"$tree/clusters/lab/$1.yaml" <<PART
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: $1, namespace: flux-system}
spec:
  interval: 10m
  retryInterval: 10s
  timeout: 1m
  path: ./parts/$1
  prune: true
  wait: true
  sourceRef: {kind: GitRepository, name: flux-system}
PART
  printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: default}\ndata: {%s: "%s"}\n' \
    "$1" "$2" "$3" >"$tree/parts/$1/config-map.yaml"
}
# Flux's source and the cluster's entry point, as `flux bootstrap` writes them.
entry_point() {
  cat <<SYNC
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 1m, url: '$url', ref: {branch: main}, secretRef: {name: flux-system}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 10m, retryInterval: 30s, path: ./clusters/lab, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}
SYNC
}
value_of() { kubectl get configmap "$1" -n default -o "jsonpath={.data.$2}"; }

section_gitops() {
  inventory=$(of_this_lab lab-gitops.yaml)
  tree=$work/tree

  step 'a repository without an entry point is refused before anything is made'
  # shellcheck disable=SC2016
  url=$(inside sh -c 'echo "$HOMELAB_LAB_GIT_URL"')
  mkdir "$tree"
  in_the_tree git init --quiet --initial-branch=main
  in_the_tree git remote add origin "$url"
  refused 19 'there is no branch' homelab up --yes
  echo hello >"$tree/README"
  push 'An empty tree'
  refused 20 'no entry point of Flux' homelab up --yes
  nothing_of_ours

  step 'a fresh up with Flux: the controllers, the source, and what Git has'
  mkdir -p "$tree/clusters/lab/flux-system"
  # shellcheck disable=SC2016
  inside sh -c 'curl -sS --fail "$HOMELAB_LAB_MIRROR/flux/gotk-components.yaml"' >"$tree/clusters/lab/flux-system/gotk-components.yaml"
  entry_point >"$tree/clusters/lab/flux-system/gotk-sync.yaml"
  printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [gotk-components.yaml, gotk-sync.yaml]\n' \
    >"$tree/clusters/lab/flux-system/kustomization.yaml"
  part hello greeting one
  push 'An entry point and a part'
  converge
  converged
  kubectl get deployments -n flux-system --no-headers | sed 's/^/   /'
  [ "$(value_of hello greeting)" = one ] || fail 'the ConfigMap of Git is not there'
  last_line homelab verify
  nothing_to_do

  step 'a commit later: the plan says what is behind, up waits for it'
  part hello greeting two
  push 'Another greeting'
  homelab plan | sed -n '/sync/,/Git at/p' | sed 's/^/   /'
  converge
  [ "$(value_of hello greeting)" = two ] || fail 'the ConfigMap is not as Git has it'

  step 'a change by hand is taken back when verify asks for it, and told where Flux does not'
  homelab verify --drift 2>&1 | grep -m 1 'no ConfigMap' | cut -c 1-150 | sed 's/^/  /' || fail 'a tree without the probe is not told'
  cp templates/gitops/clusters/drift-probe.yaml "$tree/clusters/lab/"
  push 'The probe of drift'
  converge
  last_line homelab verify --drift
  homelab verify --drift 2>/dev/null | grep 'taken back\|takes back' | sed 's/  */ /g; s/^/  /'
  [ "$(kubectl get configmap homelab-drift-probe -n flux-system -o 'jsonpath={.metadata.annotations.homelab/drift}')" = 'as in Git' ] ||
    fail 'the probe is not as Git has it'
  kubectl patch kustomization flux-system -n flux-system --type merge --patch "'{\"spec\":{\"suspend\":true}}'" >/dev/null
  homelab verify --drift >"$work/said" 2>&1 && fail 'verify passed while Flux takes nothing back'
  grep -m 1 'stood for' "$work/said" | sed 's/  */ /g; s/^/  /' || fail 'it does not say how long the change stood'
  kubectl patch kustomization flux-system -n flux-system --type merge --patch "'{\"spec\":{\"suspend\":null}}'" >/dev/null

  step 'what was lost is given again: the Secret, a controller, the source'
  kubectl delete secret -n flux-system flux-system >/dev/null
  converge
  kubectl delete deployment -n flux-system source-controller >/dev/null
  converge
  kubectl delete gitrepository -n flux-system flux-system >/dev/null
  converge
  last_line homelab verify

  step 'what a person suspended is left alone; a run of ours that died is taken up'
  kubectl patch kustomization hello -n flux-system --type merge --patch "'{\"spec\":{\"suspend\":true}}'" >/dev/null
  nothing_to_do
  kubectl patch kustomization hello -n flux-system --type merge --patch "'{\"spec\":{\"suspend\":null}}'" >/dev/null
  kubectl apply --server-side --field-manager=homelab -f - >/dev/null <<HELD
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: hello, namespace: flux-system, annotations: {homelab/suspended: dead}}
spec: {suspend: true}
HELD
  homelab verify >"$work/said" 2>&1 && fail 'verify passed with a part that a run of ours suspended'
  grep -m 1 'a run of ours suspended it' "$work/said" | cut -c 1-150 | sed 's/^/  /'
  converge
  [ -z "$(kubectl get kustomization hello -n flux-system -o 'jsonpath={.spec.suspend}')" ] || fail 'it is still suspended'
  [ "$(kubectl get kustomization hello -n flux-system -o 'jsonpath={.spec.path}')" = ./parts/hello ] || fail 'more than the suspension was given up'

  step 'a part that cannot be applied is named with its own message'
  echo 'kind: Nonsense' >"$tree/parts/hello/nonsense.yaml"
  push 'A mistake'
  homelab up --yes --timeout 60s >"$work/said" 2>&1 && fail 'up passed with a part that cannot be applied'
  homelab verify >"$work/said" 2>&1 && fail 'verify passed with a part that cannot be applied'
  grep -A 2 '✗.*flux-system/hello' "$work/said" | sed 's/  */ /g; s/^/  /'
  grep -q 'BuildFailed' "$work/said" || fail 'it is not named with its own message'
  rm "$tree/parts/hello/nonsense.yaml"
  push 'The mistake taken back'
  converge
  last_line homelab destroy --yes
}
