#!/usr/bin/env bash
# What the sections of the proof share: how to ask, how to wait, how to say what was seen.

: "${bin:?set by scripts/proof}"
lab=${HOMELAB_LAB:-lab}
work=$(mktemp -d)
state=$work/state
# Of its own for each lab, also when the proof of one is made in parts: file systems have UUIDs that are derived from
# it, and one kernel mounts no two of the same, not even in labs that stand side by side.
cluster_id=$(printf %s "$lab" | sha256sum | sed -E 's/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/\1-\2-4\3-8\4-\5/')
# of_this_lab FILE: inventory/FILE with that id; prints its path.
of_this_lab() {
  own=$PWD/inventory/.proof-$lab-of-$1
  sed "s/^  id: .*/  id: $cluster_id/" "inventory/$1" >"$own"
  printf '%s\n' "$own"
}
# with_traefik: lab-gitops.yaml, and k3s brings Traefik.
with_traefik() { sed 's/disable: \[servicelb, traefik, /disable: [servicelb, /' "$(of_this_lab lab-gitops.yaml)"; }
inventory=$(of_this_lab lab-bare.yaml)
bare=$inventory
journal=$state/homelab/lab/journal.jsonl
steps=0

# Other inventories must stand beside the first: what they name is relative to them. Labs stand side by side.
cleanup() { rm -rf "$work" "$PWD/inventory/.proof-$lab-"*.yaml; }
trap cleanup EXIT

inside() { "$bin/homelab-lab" exec --name "$lab" -- env "PATH=$bin:$PATH" "XDG_STATE_HOME=$state" "$@"; }
homelab() { inside homelab --config "$inventory" "$@"; }
step() { steps=$((steps + 1)); printf '\n== %s: %s\n' "$steps" "$1"; }
seen() { printf '   %s\n' "$*"; }
fail() { printf '\nFAILED at step %s: %s\n' "$steps" "$*" >&2; exit 1; }
now() { date +%s; }
sections_there() { (cd scripts/proof.d && grep -l '^section_' ./*.sh | sed 's/.*\/\(.*\)\.sh/\1/' | tr '\n' ' '); }

# last_line COMMAND...: what a command said last; when it fails, all that it said.
last_line() {
  "$@" >"$work/said" 2>&1 || { tail -n 40 "$work/said"; fail "$* ended with an error"; }
  seen "$(tail -n 1 "$work/said")"
}
converge() { last_line homelab up --yes; }
# refused CODE TEXT COMMAND...: a command must end so, and say so.
refused() {
  code=$1 text=$2 found=0
  shift 2
  "$@" >"$work/said" 2>&1 || found=$?
  [ "$found" = "$code" ] || { tail -n 20 "$work/said"; fail "ended with $found, not with $code"; }
  grep -q -- "$text" "$work/said" || { tail -n 20 "$work/said"; fail "it does not say \`$text\`"; }
  seen "exit $code: $(grep -m 1 -- "$text" "$work/said" | sed 's/^ *//' | cut -c 1-200)"
}

agent() { homelab --quiet ssh k3s-agent-1 -- sudo "$@"; }
on() {
  node=$1
  shift
  homelab --quiet ssh "$node" -- "$@"
}
kubectl() { on k3s-server sudo k3s kubectl "$@"; }
# proxmox METHOD PATH: a request with the product's own token.
proxmox() {
  # shellcheck disable=SC2016 # the variables are the lab's
  inside sh -c 'curl -sS --fail --cacert "$PROXMOX_VE_CA_FILE" \
    -H "Authorization: PVEAPIToken=$PROXMOX_VE_API_TOKEN" -X "$1" "$PROXMOX_VE_ENDPOINT/api2/json$2"' \
    sh "$1" "$2"
}
# headscale METHOD PATH [JSON]
headscale() {
  # shellcheck disable=SC2016
  inside sh -c 'curl -sS --fail -H "Authorization: Bearer $HEADSCALE_API_KEY" -H "Content-Type: application/json" \
    -X "$1" ${3:+--data "$3"} "$HEADSCALE_URL/api/v1/$2"' sh "$@"
}
# tailnet_key REUSABLE SECONDS: mints a key that lives so long; the product reads it from a file.
tailnet_key() {
  user=$(headscale GET user | python3 -c 'import json, sys; print(json.load(sys.stdin)["users"][0]["id"])')
  ends=$(date -u -d "+$2 seconds" +%Y-%m-%dT%H:%M:%SZ)
  (
    umask 077
    headscale POST preauthkey \
      "{\"user\":\"$user\",\"reusable\":$1,\"ephemeral\":false,\"expiration\":\"$ends\",\"aclTags\":[\"tag:k3s\"]}" |
      python3 -c 'import json, sys; print(json.load(sys.stdin)["preAuthKey"]["key"], end="")' >"$work/tailnet-key"
  )
}
count_devices() { headscale GET node | grep -o '"givenName"' | wc -l; }
count_guests() { proxmox GET /cluster/resources?type=vm | grep -o '"tags":"[^"]*homelab-[0-9a-f]*"' | wc -l; }
count_nodes() { kubectl get nodes --no-headers | grep -c ' Ready '; }
power_is() { proxmox GET "/nodes/pve1/qemu/$1/status/current" | grep -q "\"status\":\"$2\""; }

# How many requests of the product have asked Proxmox for a change.
mutations() {
  # shellcheck disable=SC2016
  inside sh -c 'curl -sS --fail "$HOMELAB_LAB_CONTROL/requests"' | grep -oE '"method":"(POST|PUT|DELETE)"' | wc -l
}

converged() {
  guests=$(count_guests) devices=$(count_devices) nodes=$(count_nodes)
  seen "$guests VMs, $devices devices, $nodes nodes Ready"
  [ "$guests/$devices/$nodes" = 3/3/3 ] || fail 'expected 3 of each'
}
nothing_of_ours() {
  [ "$(count_guests)/$(count_devices)" = 0/0 ] || fail 'something of ours is left'
}
# As the host's own files have it: the product's token may not even see it.
bystander() {
  # shellcheck disable=SC2016 # the variable is the lab's
  inside sh -c 'cd "$HOMELAB_LAB_FOLDER/pve/nodes/pve1" &&
    sha256sum qemu-server/104.conf && stat -c "%n %s %y" storage/local-lvm/vm-104-disk-0' >"$work/bystander" ||
    fail 'the bystander or its disk is gone'
  if [ -e "$work/bystander.first" ]; then
    cmp -s "$work/bystander.first" "$work/bystander" || fail 'the bystander was touched'
    seen 'the bystander is as it was: its configuration, and its disk by size and time'
  else
    cp "$work/bystander" "$work/bystander.first"
  fi
}

# until_true SECONDS WHAT COMMAND...: repeats a command until it succeeds; says how long it took.
until_true() {
  limit=$1 what=$2 began=$(now)
  shift 2
  until "$@" >"$work/last" 2>&1; do
    [ $(($(now) - began)) -lt "$limit" ] || { tail -n 20 "$work/last"; fail "$what: not within $limit s"; }
    sleep 1
  done
  seen "$what after $(($(now) - began)) s"
}

# up_killed_at PATTERN: a run that is killed (SIGKILL) as soon as its journal has a line of the pattern.
up_killed_at() {
  pattern=$1 pid_file=$work/pid
  rm -f "$pid_file"
  lines=$(wc -l <"$journal" 2>/dev/null || echo 0)
  # shellcheck disable=SC2016
  inside sh -c 'echo $$ >"$1"; shift; exec homelab "$@"' sh "$pid_file" \
    --config "$inventory" up --yes >"$work/killed.log" 2>&1 &
  run=$!
  until tail -n "+$((lines + 1))" "$journal" 2>/dev/null | grep -q -- "$pattern"; do
    kill -0 "$run" 2>/dev/null || { tail -n 5 "$work/killed.log"; fail "the run ended before $pattern"; }
    sleep 0.02
  done
  inside kill -KILL "$(cat "$pid_file")"
  wait "$run" 2>/dev/null || true
  seen "killed at $(tail -n "+$((lines + 1))" "$journal" | grep -m 1 -- "$pattern" | cut -c 1-150)"
}

nothing_to_do() {
  homelab up --yes 2>&1 | tee "$work/again" | grep -q 'nothing to do' || { cat "$work/again"; fail 'up after up had something to do'; }
  seen "$(tail -n 1 "$work/again")"
}

# inventory_with NAME SED-SCRIPT: an inventory like the lab's, changed; prints its path.
inventory_with() {
  changed=$PWD/inventory/.proof-$lab-$1.yaml
  sed "$2" "$bare" >"$changed"
  ! cmp -s "$bare" "$changed" || fail "nothing of the inventory was changed for $1"
  printf '%s\n' "$changed"
}
# lock_with_tree: the lab's lock file with the pins of all charts and images: `homelab lock` would ask publishers for
# the rest, too.
lock_with_tree() {
  # shellcheck disable=SC2016
  inside sh -c 'sed "/^charts:/,\$d" "$HOMELAB_LOCK"'
  printf '\ncharts:\n  longhorn: "1.12.1"\n'
  sed -n 's/^ *Chart "\([^"]*\)" "\([^"]*\)".*/  \1: "\2"/p' src/inventory/versions.rs
  printf 'containers:\n'
  sed -n 's/^ *Image "\([^"]*\)" "\([^"]*\)".*/  \1: "\2"/p' src/inventory/versions.rs
}
