#!/usr/bin/env bash
# The whole of inventory/lab.yaml, for a lab that was started with `--gitops`: from an empty repository to volumes
# with two copies and a backup, both paths walked from outside, kills in each new stage, and nothing left.

# in_the_tree and push.
# shellcheck source=scripts/proof.d/gitops.sh
. scripts/proof.d/gitops.sh
# cloudflare, tunnels, tunnel and names.
# shellcheck source=scripts/proof.d/edge.sh
. scripts/proof.d/edge.sh

public_name=jellyfin.lab.example
private_name=jellyfin.tailnet.lab.test

# visit PATH: as a visitor of the public name; the app's answer.
visit() {
  # shellcheck disable=SC2016 # the variables are the lab's
  inside sh -c 'curl -sS --fail --max-time 20 --cacert "$HOMELAB_LAB_EDGE_CA_FILE" --resolve "$1:443:$HOMELAB_LAB_GATEWAY" "https://$1$2"' \
    sh "$public_name" "$1"
}
# header NAME: of the request as the app saw it.
header() { python3 -c 'import json, sys; print(", ".join(json.load(sys.stdin)["headers"].get(sys.argv[1], ["-"])))' "$1"; }
device_address() {
  headscale GET node | python3 -c '
import json, sys
print(*[node["ipAddresses"][0] for node in json.load(sys.stdin)["nodes"] if node["givenName"] == "jellyfin"])'
}
from_the_tailnet() {
  # shellcheck disable=SC2016
  inside sh -c 'cat "$HOMELAB_LAB_EDGE_CA_FILE"' | on k3s-agent-2 'cat >/tmp/edge-ca.pem'
  on k3s-agent-2 curl -sS --fail --max-time 20 --cacert /tmp/edge-ca.pem --resolve "$private_name:443:$(device_address)" "https://$private_name/web/"
}
checks() {
  { homelab --quiet -o json verify 2>/dev/null || true; } | python3 -c '
import json, sys
for check in json.load(sys.stdin):
    if check["state"] == sys.argv[1]:
        print(check["id"], check["title"], check.get("cause", check.get("why", "")))' "$1"
}
# told ID TEXT: within a while a check of that id fails and says so.
fails_with() { checks failed >"$work/failures" && grep -q "^$1 .*$2" "$work/failures"; }
red_until() {
  until_true 120 "$1 is red" fails_with "$1" "$2"
  grep -m 1 "^$1 .*$2" "$work/failures" | cut -c 1-170 | sed 's/^/   /'
}
# Its connectors come back at once: it may take another turn.
# shellcheck disable=SC2329 # given to until_true
delete_tunnel() {
  cloudflare DELETE "/accounts/$account/cfd_tunnel/$1/connections" && cloudflare DELETE "/accounts/$account/cfd_tunnel/$1"
}
# The proxies are devices, too.
count_devices() { headscale GET node | grep -o '"givenName":"k3s-[^"]*"' | wc -l; }
count_proxies() { headscale GET node | grep -o '"givenName":"\(jellyfin\|longhorn\)[^"]*"' | wc -l; }
green() { checks failed >"$work/failures" && [ ! -s "$work/failures" ]; }
backed_up() {
  kubectl get backups.longhorn.io -n longhorn-system -o "'jsonpath={range .items[*]}{.status.state} {.status.volumeName}{\"\\n\"}{end}'" |
    grep -c '^Completed '
}
# shellcheck disable=SC2329 # given to until_true
has_backups() { [ "$(backed_up)" -ge 1 ]; }
bound() { kubectl get pvc -A --no-headers | grep -c ' Bound '; }
copies() {
  kubectl get replicas.longhorn.io -n longhorn-system -o "'jsonpath={range .items[*]}{.spec.volumeName} {.spec.nodeID}{\"\\n\"}{end}'" | sort
}
flux_suspend() { kubectl patch kustomization "$1" -n flux-system --type merge --patch "'{\"spec\":{\"suspend\":$2}}'" >/dev/null; }

nothing_is_left() {
  nothing_of_ours
  [ "$(count_proxies)" = 0 ] || fail 'a device of the proxies is left'
  [ "$(names)" = "$strangers" ] || { names; fail 'records of ours are left at Cloudflare'; }
  [ "$(tunnels | field '["result_info"]["total_count"]')" = 0 ] || fail 'our tunnel is left'
}
# the_whole: what both sections begin with: the inventory, what is Cloudflare's, the tree in the repository.
the_whole() {
  inventory=$(of_this_lab lab.yaml)
  tree=$work/tree
  # shellcheck disable=SC2016 # the variables are the lab's
  account=$(inside sh -c 'echo "$HOMELAB_LAB_CLOUDFLARE_ACCOUNT"') zone=$(inside sh -c 'echo "$HOMELAB_LAB_CLOUDFLARE_ZONE_ID"')
  strangers=$(names | grep -v "homelab ${cluster_id%%-*}" || true)

  mkdir -p "$tree"
  in_the_tree git init --quiet --initial-branch=main
  # shellcheck disable=SC2016
  in_the_tree git remote add origin "$(inside sh -c 'echo "$HOMELAB_LAB_GIT_URL"')"
  last_line homelab gitops init "$tree"
  # A lab that was proved before has a tree already.
  if in_the_tree git fetch --quiet origin main 2>/dev/null; then in_the_tree git reset --quiet --soft FETCH_HEAD; fi
  in_the_tree git add --all
  in_the_tree git diff --cached --quiet || push 'The tree as rendered'
}

section_topology() {
  step 'the tree is rendered, pushed, and made by one run'
  the_whole
  converge
  converged
  kubectl get kustomizations -A --no-headers | sed 's/   */  /g; s/^/   /' | cut -c 1-120

  step 'volumes are bound with two copies on two nodes, and backed up'
  seen "$(bound) claims are bound"
  copies | sed 's/^/   /'
  [ "$(copies | awk '{print $1}' | sort | uniq -c | awk '$1 != 2' | wc -l)" = 0 ] || fail 'a volume has not two copies'
  [ "$(copies | sort -u | wc -l)" = "$(copies | wc -l)" ] || fail 'two copies of a volume are on one node'
  until_true 300 'there is a backup' has_backups

  step 'the app answers by both paths, and knows that the public request came by HTTPS'
  until_true 120 'the public name answers' visit /web/
  seen "X-Forwarded-Proto is $(visit /web/ | header X-Forwarded-Proto)"
  [ "$(visit /web/ | header X-Forwarded-Proto)" = https ] || fail 'the app was not told of HTTPS'
  until_true 120 'the private name answers' from_the_tailnet

  step 'verify is green, by what it saw itself; up again has nothing to do'
  until_true 240 'every check passes' green
  last_line homelab verify --volume --drift
  checks passed | grep -c . | sed 's/^/   checks passed: /'
  checks skipped | cut -c 1-150 | sed 's/^/   left out: /'
  nothing_to_do
  homelab topology -o html >"${HOMELAB_PROOF_PAGE:-$work/topology.html}"
  seen "topology: $(homelab topology -o json | python3 -c '
import collections, json, sys
page = json.load(sys.stdin)
print(dict(collections.Counter(block["health"] for diagram in page["diagrams"] for block in diagram["blocks"])))')"

  step 'each thing that breaks turns its check red, and Flux or up puts it right'
  flux_suspend cloudflared true
  kubectl scale deployment cloudflared -n cloudflared --replicas=0 >/dev/null
  red_until outside/public 'no tunnel that is connected'
  red_until edge/tunnel 'down\|inactive\|no connect'
  flux_suspend cloudflared null
  kubectl scale deployment cloudflared -n cloudflared --replicas=2 >/dev/null
  flux_suspend jellyfin true
  kubectl scale deployment jellyfin -n jellyfin --replicas=0 >/dev/null
  red_until systems/path 'no pod behind Service'
  red_until outside/private 'the app behind it does not'
  flux_suspend jellyfin null
  kubectl scale deployment jellyfin -n jellyfin --replicas=1 >/dev/null
  kubectl delete middlewares.traefik.io edge-https -n kube-system >/dev/null
  flux_suspend traefik-config true
  red_until outside/public '404\|does not answer\|came by HTTPS'
  flux_suspend traefik-config null
  kubectl annotate kustomization traefik-config -n flux-system --overwrite "reconcile.fluxcd.io/requestedAt=$(now)" >/dev/null
  converge
  until_true 300 'every check passes' green

  step 'a tunnel that somebody deleted is made anew, and the connectors take its token by themselves'
  former=$(tunnel)
  until_true 30 'it is deleted' delete_tunnel "$former"
  converge
  [ "$(tunnel)" != "$former" ] || fail 'it is the former one'
  until_true 120 'the public name answers' visit /web/

  step 'destroy leaves nothing, neither here nor at Cloudflare'
  last_line homelab destroy --yes
  nothing_is_left
}
