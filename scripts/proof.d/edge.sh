#!/usr/bin/env bash
# The public edge at the stand-in for Cloudflare's API, for a lab that was started with `--gitops`. The apps
# behind the names are not there: what is proved ends at the tunnel's token in the cluster.

# shellcheck source=scripts/proof.d/gitops.sh
. scripts/proof.d/gitops.sh

# cloudflare METHOD PATH [JSON]: a request with the product's own token.
cloudflare() {
  # shellcheck disable=SC2016 # the variables are the lab's
  inside sh -c 'curl -sS --fail -H "Authorization: Bearer $CLOUDFLARE_API_TOKEN" -H "Content-Type: application/json" \
    -X "$1" ${3:+--data "$3"} "$HOMELAB_LAB_CLOUDFLARE_URL$2"' sh "$@"
}
# field PATH: of an answer, as Python names it.
field() { python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }
tunnels() { cloudflare GET "/accounts/$account/cfd_tunnel?is_deleted=false"; }
tunnel() { tunnels | field '["result"][0]["id"]'; }
names() {
  cloudflare GET "/zones/$zone/dns_records" |
    python3 -c 'import json, sys
for one in json.load(sys.stdin)["result"]: print(one["type"], one["name"], one["content"], one["comment"])' | sort
}
# connect COUNT: what an edge would say of the tunnel's connectors.
connect() {
  # shellcheck disable=SC2016
  inside sh -c 'curl -sS --fail -X POST --data "$2" "$HOMELAB_LAB_CLOUDFLARE_CONTROL/tunnels/$1/connections"' \
    sh "$(tunnel)" "$(python3 -c "print([{}] * $1)" | tr "'" '"')" >/dev/null
}
# The tunnel whose token the cluster has.
opened() {
  kubectl get secret tunnel-token -n cloudflared -o 'jsonpath={.data.token}' | base64 -d | base64 -d | field '["t"]'
}
# edge_checks STATE: the checks of the edge in that state, with their causes.
edge_checks() {
  { homelab --quiet -o json verify 2>/dev/null || true; } | python3 -c '
import json, sys
for check in json.load(sys.stdin):
    if check["id"].startswith("edge/") and check["state"] == sys.argv[1]:
        print(check["id"], check.get("cause", check.get("seen", "")))' "$1"
}
edge_red() {
  edge_checks failed >"$work/failures"
  sed 's/^/   /' "$work/failures"
  [ "$(wc -l <"$work/failures")" = 1 ] || fail 'not exactly one check of the edge failed'
  grep -q "^$1 .*$2" "$work/failures" || fail "it is not $1 with $2"
}
edge_green() {
  edge_checks failed >"$work/failures"
  [ ! -s "$work/failures" ] || { cat "$work/failures"; fail 'a check of the edge failed'; }
  seen "$(edge_checks passed | tr '\n' ';' | cut -c 1-180)"
}
to_the_edge() { last_line homelab up --until edge --yes; }
edge_stands() {
  homelab up --until edge --yes 2>&1 | tee "$work/again" | grep -q 'nothing to do' || { cat "$work/again"; fail 'there was something to do'; }
  [ "$(tunnels | field '["result_info"]["total_count"]')" = 1 ] || fail 'there is not one tunnel'
  [ "$(opened)" = "$(tunnel)" ] || fail "the cluster has the token of $(opened), not of $(tunnel)"
  [ "$(names | grep -c "$(tunnel).cfargotunnel.com")" = 2 ] || { names; fail 'not both names lead into the tunnel'; }
  seen "one tunnel, $(tunnel); both names lead into it, and the cluster has its token"
}

section_edge() {
  tree=$work/tree
  # shellcheck disable=SC2016
  account=$(inside sh -c 'echo "$HOMELAB_LAB_CLOUDFLARE_ACCOUNT"')
  # shellcheck disable=SC2016
  zone=$(inside sh -c 'echo "$HOMELAB_LAB_CLOUDFLARE_ZONE_ID"')
  # shellcheck disable=SC2016
  url=$(inside sh -c 'echo "$HOMELAB_LAB_GIT_URL"')
  # shellcheck disable=SC2016
  api=$(inside sh -c 'echo "$HOMELAB_LAB_CLOUDFLARE_URL"')
  changed=$PWD/inventory/.proof-$lab-edge.yaml
  {
    with_traefik
    cat <<GITOPS
gitops:
  domain: lab.example
  email: me@lab.example
  secrets: external
  cloudnative_pg: {version: 0.29.0, plugin_version: 0.7.0}
  traefik: {}
  authentik: {version: 2026.8.0}
  monitoring: {version: 88.5.3, ways: [public]}
  cloudflared:
    version: 2026.8.2
    cloudflare: {account_id: $account, api_token: {env: CLOUDFLARE_API_TOKEN}, endpoint: '$api'}
GITOPS
  } >"$changed"
  # Longhorn's chart is pinned, too, where there is a tree to render.
  sed -i 's/^longhorn:$/longhorn:\n  version: 1.12.1/' "$changed"
  inventory=$changed

  step 'a repository for Flux, with the namespace as the rendered tree has it'
  mkdir "$tree"
  in_the_tree git init --quiet --initial-branch=main
  in_the_tree git remote add origin "$url"
  # Another section may have been here.
  in_the_tree git fetch --quiet origin
  in_the_tree git reset --quiet --hard origin/main 2>/dev/null || true
  mkdir -p "$tree/clusters/lab/flux-system"
  # shellcheck disable=SC2016
  inside sh -c 'curl -sS --fail "$HOMELAB_LAB_MIRROR/flux/gotk-components.yaml"' >"$tree/clusters/lab/flux-system/gotk-components.yaml"
  entry_point >"$tree/clusters/lab/flux-system/gotk-sync.yaml"
  printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [gotk-components.yaml, gotk-sync.yaml]\n' \
    >"$tree/clusters/lab/flux-system/kustomization.yaml"
  part cloudflared written-at "$(now)"
  cat >"$tree/parts/cloudflared/namespace.yaml" <<NAMESPACE
apiVersion: v1
kind: Namespace
metadata:
  name: cloudflared
  labels: {pod-security.kubernetes.io/enforce: restricted}
NAMESPACE
  push 'An entry point and a namespace'

  step 'up to the edge: tunnel, routes, names, and the token in the cluster'
  to_the_edge
  edge_stands
  names | sed 's/^/   /'

  step 'the namespace is Flux'"'"'s and the Secret ours: neither fights the other'
  # shellcheck disable=SC2329 # until_true calls it
  labelled() { kubectl get namespace cloudflared -o yaml | grep -q 'pod-security.kubernetes.io/enforce: restricted'; }
  until_true 180 'the label of Git' labelled
  kubectl get namespace cloudflared --show-managed-fields -o yaml | grep 'manager:' | sed 's/^ */   /'
  edge_stands

  step 'each check is red when what it looks at is broken, and green again'
  edge_red edge/tunnel 'inactive'
  connect 8
  edge_green
  connect 1
  edge_red edge/tunnel 'degraded: 1 connection'
  connect 8
  kubectl delete secret tunnel-token -n cloudflared >/dev/null
  edge_red edge/secret 'it does not'
  to_the_edge
  edge_green

  step 'a tunnel that somebody deleted is made anew, with all that hangs on it'
  former=$(tunnel)
  connect 0
  cloudflare DELETE "/accounts/$account/cfd_tunnel/$former" >/dev/null
  homelab plan --until edge 2>/dev/null | grep -A 1 'edge' | sed 's/^/   /'
  to_the_edge
  edge_stands
  [ "$(tunnel)" != "$former" ] || fail 'it is the former one'

  step 'killed at its intents, the next run goes on from there'
  for pattern in tunnel_intended name_intended; do
    connect 0
    cloudflare DELETE "/accounts/$account/cfd_tunnel/$(tunnel)" >/dev/null
    up_killed_at "$pattern"
    to_the_edge
    edge_stands
  done

  step 'destroy takes the names, the connections and the tunnel; what is not ours stays'
  cloudflare POST "/zones/$zone/dns_records" '{"type":"A","name":"theirs","content":"192.0.2.7","ttl":60}' >/dev/null
  connect 8
  last_line homelab destroy --yes
  [ "$(names)" = 'A theirs.lab.example 192.0.2.7 None' ] || { names; fail 'not what was to stay'; }
  [ "$(tunnels | field '["result_info"]["total_count"]')" = 0 ] || fail 'a tunnel is left'
  nothing_of_ours
}
