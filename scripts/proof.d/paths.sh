#!/usr/bin/env bash
# The public and the private path to an app that Flux installs from the tree that `homelab gitops init` renders, for a
# lab that was started with `--gitops`.

# shellcheck source=scripts/proof.d/gitops.sh
. scripts/proof.d/gitops.sh
# cloudflare and field.
# shellcheck source=scripts/proof.d/edge.sh
. scripts/proof.d/edge.sh

app=jellyfin.lab.example
private=jellyfin.tailnet.lab.test
# The parts of the tree that a lab has something for.
parts='sources tailscale-operator tailscale-config traefik-config cloudflared jellyfin'

# visit [CURL-ARGUMENT]...: as a visitor of the public name; the answer's status, and its body in $work/body.
visit() {
  # shellcheck disable=SC2016 # the variables are the lab's
  inside sh -c 'name=$1 body=$2; shift 2
    curl -sS --cacert "$HOMELAB_LAB_EDGE_CA_FILE" --resolve "$name:443:$HOMELAB_LAB_GATEWAY" --output "$body" \
      --dump-header "$body.headers" --write-out "%{http_code}" "$@" "https://$name/web/index.html"' \
    sh "$app" "$work/body" "$@"
}
signed_in() { visit --cookie authentik_proxy_lab=ann "$@"; }
# is STATUS COMMAND...: whether a visit ends so.
is() {
  wanted=$1
  shift
  found=$("$@") || return 1
  echo "$found"
  [ "$found" = "$wanted" ]
}
# header NAME: as the app saw it, of the last answer.
header() { python3 -c 'import json, sys; print(", ".join(json.load(open(sys.argv[1]))["headers"].get(sys.argv[2], ["-"])))' "$work/body" "$1"; }
seen_as() {
  found=$(header "$1")
  [ "$found" = "$2" ] || { cat "$work/body"; fail "the app saw $1: $found, not $2"; }
}
sees() { is 200 signed_in && [ "$(header "$1")" = "$2" ]; }
# a_tunnel: at the stand-in for Cloudflare's API, with no name that leads into it; its token goes to $work/tunnel-token.
a_tunnel() {
  # shellcheck disable=SC2016 # the variables are the lab's
  account=$(inside sh -c 'echo "$HOMELAB_LAB_CLOUDFLARE_ACCOUNT"') zone=$(inside sh -c 'echo "$HOMELAB_LAB_CLOUDFLARE_ZONE_ID"')
  tunnel=$(cloudflare POST "/accounts/$account/cfd_tunnel" "{\"name\":\"paths-$(now)\",\"config_src\":\"cloudflare\"}" | field '["result"]["id"]')
  (
    umask 077
    cloudflare GET "/accounts/$account/cfd_tunnel/$tunnel/token" | field '["result"]' | tr -d '\n' >"$work/tunnel-token"
  )
}
# routes NAME SERVICE: the one name that leads into the tunnel, and where the tunnel hands its requests to.
routes() {
  cloudflare PUT "/accounts/$account/cfd_tunnel/$tunnel/configurations" \
    "{\"config\":{\"ingress\":[{\"hostname\":\"$1\",\"service\":\"$2\"},{\"service\":\"http_status:404\"}]}}" >/dev/null
  cloudflare GET "/zones/$zone/dns_records" | python3 -c '
import json, sys
for one in json.load(sys.stdin)["result"]:
    if one["content"].startswith(sys.argv[1]): print(one["id"])' "$tunnel" | while read -r record; do
    cloudflare DELETE "/zones/$zone/dns_records/$record" >/dev/null </dev/null
  done
  cloudflare POST "/zones/$zone/dns_records" \
    "{\"type\":\"CNAME\",\"name\":\"$1\",\"content\":\"$tunnel.cfargotunnel.com\",\"proxied\":true}" >/dev/null
}
# The inventory that is rendered: the lab's, with Tailscale's own service, which the operator is made for.
whole_inventory() {
  python3 - "$inventory" "$work" <<'WHOLE'
import sys
text, work = open(sys.argv[1]).read(), sys.argv[2]
control = text[text.index("    headscale:\n"):text.index("  tag: tag:k3s\n")]
text = text.replace(control, "    tailscale:\n      oauth: {client_id: lab, client_secret: {env: HEADSCALE_API_KEY}}\n")
print(text + f"""
gitops:
  domain: lab.example
  tailnet_domain: tailnet.lab.test
  email: me@example.org
  secrets: {{sops: {{identity: {work}/age.key}}}}
  cert_manager: {{cloudflare_api_token: {{env: HEADSCALE_API_KEY}}}}
  cloudnative_pg: {{}}
  tailscale_operator:
    proxy_tag: tag:k3s-proxy
    oauth: {{client_id: lab, client_secret: {{env: HEADSCALE_API_KEY}}}}
  traefik: {{}}
  cloudflared: {{tunnel_token: {{file: {work}/tunnel-token}}}}
  authentik: {{}}
  jellyfin: {{config_size: 1G, library_size: 1G, ways: [public, private]}}
""")
WHOLE
}
# Keeps the Kustomizations of $parts, and of what they wait for the same.
keep_parts() {
  python3 - "$tree/clusters/lab" "$parts" <<'KEEP'
import re, sys
folder, parts = sys.argv[1], sys.argv[2].split()
for name in ["apps.yaml", "infrastructure.yaml"]:
    head, *documents = open(f"{folder}/{name}").read().split("\n---\n")
    kept = [one for one in documents if re.search(r"^  name: (\S+)$", one, re.M).group(1) in parts]
    text = "\n---\n".join([head] + kept)
    text = re.sub(r"^    - name: (\S+)\n", lambda match: match[0] if match[1] in parts else "", text, flags=re.M)
    open(f"{folder}/{name}", "w").write(re.sub(r"^  dependsOn:\n(?!    - )", "", text, flags=re.M))
KEEP
}
ready_parts() {
  kubectl get kustomizations -n flux-system --no-headers >"$work/parts"
  cat "$work/parts"
  for part in $parts; do grep -q "^$part .* True " "$work/parts" || return 1; done
}
arguments() { kubectl get deployment traefik -n kube-system -o "'jsonpath={.spec.template.spec.containers[0].args}'"; }
private_address() {
  headscale GET node | python3 -c '
import json, sys
print(*[node["ipAddresses"][0] for node in json.load(sys.stdin)["nodes"] if node["givenName"] == "jellyfin"])'
}
has_private_name() {
  [ "$(kubectl get ingress jellyfin-private -n jellyfin -o "'jsonpath={.status.loadBalancer.ingress[0].hostname}'")" = "$private" ]
}
# from_the_tailnet [CURL-ARGUMENT]...: the private name, as asked for on a node of the tailnet.
from_the_tailnet() {
  on k3s-agent-2 curl -sS --fail --max-time 20 --cacert /tmp/edge-ca.pem --resolve "$private:443:$(private_address)" "$@" "https://$private/web/"
}
no_device() { [ -z "$(private_address)" ]; }

section_paths() {
  inventory=$PWD/inventory/.proof-$lab-with-traefik.yaml
  with_traefik >"$inventory"
  tree=$work/tree
  whole=$PWD/inventory/.proof-$lab-paths.yaml

  step 'the tree is rendered whole, and what the lab has something for is pushed'
  a_tunnel
  whole_inventory >"$whole"
  lock_with_tree >"$work/homelab.lock"
  last_line inside homelab --config "$whole" --lock "$work/homelab.lock" gitops init "$tree"
  keep_parts
  for file in "$tree"/infrastructure/sources/*.yaml; do
    case "$file" in */kustomization.yaml | */tailscale.yaml) ;; *) rm "$file" ;; esac
  done
  sed -i '/^  - /{/tailscale/!d}' "$tree/infrastructure/sources/kustomization.yaml"
  # shellcheck disable=SC2016
  mirror=$(inside sh -c 'echo "$HOMELAB_LAB_MIRROR"')
  sed -i "s#url: .*#url: $mirror/charts#" "$tree/infrastructure/sources/tailscale.yaml"
  cp scripts/proof.d/paths.yaml "$tree/clusters/lab/lab.yaml"
  cp "$tree/apps/authentik/middleware.yaml" "$tree/clusters/lab/lab-middleware.yaml"
  in_the_tree git init --quiet --initial-branch=main
  # shellcheck disable=SC2016
  in_the_tree git remote add origin "$(inside sh -c 'echo "$HOMELAB_LAB_GIT_URL"')"
  # A lab that was walked before has a tree already.
  if in_the_tree git fetch --quiet origin main 2>/dev/null; then in_the_tree git reset --quiet --soft FETCH_HEAD; fi
  push 'The rendered tree'
  routes "$app" http://traefik.kube-system.svc.cluster.local:80

  step 'k3s brings Traefik, Flux everything else'
  last_line homelab up --until network --yes
  on k3s-agent-1 'sudo install -d -o 1000 -g 1000 /var/lib/homelab-lab-volumes/config /var/lib/homelab-lab-volumes/library'
  until_true 120 'Traefik serves' kubectl rollout status deployment traefik -n kube-system --timeout=5s
  kubectl get helmcharts,helmchartconfigs -n kube-system --no-headers | sed 's/^/   /'
  last_line homelab up --until flux --yes
  # The lab's own inventory has no such tree, and so `up` no such key.
  kubectl create secret generic sops-age -n flux-system --from-file=age.agekey=/dev/stdin --dry-run=client -o yaml <"$work/age.key" |
    kubectl apply --server-side --force-conflicts -f - >/dev/null
  # `up` holds the apps until Longhorn takes copies, and there is no Longhorn.
  for part in cloudflared jellyfin; do
    kubectl patch kustomization "$part" -n flux-system --type merge \
      --patch "'{\"spec\":{\"suspend\":null},\"metadata\":{\"annotations\":{\"homelab/suspended\":null}}}'" >/dev/null
  done
  until_true 300 'every part is ready' ready_parts
  sed 's/   */  /g; s/^/   /' "$work/parts" | cut -c 1-120

  step 'from outside: TLS at the edge, the tunnel, Traefik, who asks first, the app, its volume'
  until_true 60 'a stranger is sent to log in' is 302 visit
  grep -i '^location:' "$work/body.headers" | tr -d '\r' | sed 's/^/   /'
  grep -qi "^location: https://$app/outpost" "$work/body.headers" || fail 'not by https://'
  until_true 60 'who signed in passes' is 200 signed_in --header 'X-Forwarded-For: 192.0.2.7' --header 'CF-Connecting-IP: 192.0.2.8'
  sed 's/^/   /' "$work/body"
  seen_as X-Forwarded-Proto https
  # shellcheck disable=SC2016
  seen_as Cf-Connecting-Ip "$(inside sh -c 'echo $HOMELAB_LAB_GATEWAY')"
  seen_as X-Authentik-Username ann
  case "$(header X-Forwarded-For)" in '192.0.2.7, 10.79.0.1, 10.42.'*) ;; *) fail 'X-Forwarded-For was not kept' ;; esac
  case "$(header Cf-Ray)" in *-LAB) ;; *) fail 'the app saw no ray' ;; esac

  step 'without the chart config nobody is trusted, and the app is not told of HTTPS'
  kubectl patch kustomization traefik-config -n flux-system --type merge --patch "'{\"spec\":{\"suspend\":true}}'" >/dev/null
  kubectl delete helmchartconfig traefik -n kube-system >/dev/null
  until_true 120 'Traefik says http' sees X-Forwarded-Proto http
  seen "X-Forwarded-For is $(header X-Forwarded-For)"
  case "$(header X-Forwarded-For)" in *192.0.2* | *10.79.0.1*) fail 'a forwarded address was believed' ;; esac
  kubectl patch kustomization traefik-config -n flux-system --type merge --patch "'{\"spec\":{\"suspend\":null}}'" >/dev/null
  until_true 180 'Flux puts it back, and the app hears https' sees X-Forwarded-Proto https

  step 'without a connector, a record or an app the edge says so'
  kubectl patch kustomization cloudflared -n flux-system --type merge --patch "'{\"spec\":{\"suspend\":true}}'" >/dev/null
  kubectl scale deployment cloudflared -n cloudflared --replicas=0 >/dev/null
  until_true 60 'no connector: 530' is 530 visit
  sed 's/^/   /' "$work/body"
  kubectl scale deployment cloudflared -n cloudflared --replicas=2 >/dev/null
  until_true 60 'and back' is 200 signed_in
  routes other.lab.example http://traefik.kube-system.svc.cluster.local:80
  until_true 20 'no record: 409' is 409 visit
  routes "$app" http://nothing.kube-system.svc.cluster.local:80
  until_true 30 'a service that is not there: 502' is 502 visit
  routes "$app" http://traefik.kube-system.svc.cluster.local:80
  until_true 30 'and back' is 200 signed_in
  kubectl patch kustomization cloudflared -n flux-system --type merge --patch "'{\"spec\":{\"suspend\":null}}'" >/dev/null

  step 'from the tailnet: a real device in a pod, HTTPS, the app'
  until_true 120 'the Ingress has its name' has_private_name
  # shellcheck disable=SC2016
  inside sh -c 'cat "$HOMELAB_LAB_EDGE_CA_FILE"' | on k3s-agent-2 'cat >/tmp/edge-ca.pem'
  seen "the device is $(private_address)"
  until_true 60 'the app answers' from_the_tailnet
  from_the_tailnet >"$work/body"
  sed 's/^/   /' "$work/body"
  seen_as X-Forwarded-Proto https
  case "$(header X-Forwarded-For)" in 100.64.*) ;; *) fail 'the app was not told which device asks' ;; esac
  kubectl exec -n tailscale "$(kubectl get pods -n tailscale -l tailscale.com/managed=true -o name)" -c tailscale -- \
    tailscale --socket /tmp/tailscaled.sock status | sed 's/^/   /'
  from_the_tailnet --output /dev/null --data-binary @/usr/bin/curl --write-out '%{size_upload}' >"$work/said" && seen "$(cat "$work/said") bytes went up through it"

  step 'the device goes with its Ingress, and comes with a new one'
  kubectl delete ingress jellyfin-private -n jellyfin --timeout=60s >/dev/null
  until_true 30 'the tailnet has no such device' no_device
  kubectl annotate kustomization jellyfin -n flux-system --overwrite "reconcile.fluxcd.io/requestedAt=$(now)" >/dev/null
  until_true 120 'Flux makes it anew, and the app answers' from_the_tailnet

  step 'the volume outlives the pod'
  is 200 signed_in >/dev/null || fail 'the app does not answer'
  before=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["volume"]["count"])' "$work/body")
  kubectl delete pod -n jellyfin -l app.kubernetes.io/name=jellyfin >/dev/null
  until_true 120 'the app is back' is 200 signed_in
  after=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["volume"]["count"])' "$work/body")
  seen "$before requests before, $after after"
  [ "$after" -gt "$before" ] || fail 'the volume forgot'
}
