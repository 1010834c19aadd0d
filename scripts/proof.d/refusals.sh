#!/usr/bin/env bash
# What is refused, each with the exit code of its kind and its own text, and nothing else touched.

# A file server of the lab's own beside the mirror; ends with the section.
serve() {
  rm -f "$work/server.pid"
  # shellcheck disable=SC2016
  inside sh -c 'echo $$ >"$1"; exec python3 -m http.server --bind 10.79.0.1 --directory "$2" 8099' \
    sh "$work/server.pid" "$1" >/dev/null 2>&1 &
  until_true 20 'a second mirror answers' inside curl -sS --fail http://10.79.0.1:8099/
}
stop_serving() { inside kill "$(cat "$work/server.pid")"; }

# altered ARTIFACT: serves an artifact of the lock file with one byte changed; writes $work/ARTIFACT.lock,
# which differs from the lab's in nothing but the address.
altered() {
  mkdir -p "$work/altered"
  # shellcheck disable=SC2016
  inside sh -c 'cat "$HOMELAB_LOCK"' >"$work/lock"
  python3 - "$work" "$1" <<'PYTHON'
import re, sys
work, name = sys.argv[1:]
lock = open(work + "/lock").read()
block = re.search(r"^%s:\n(?:  .*\n)+" % name, lock, re.M).group(0)
url = re.search(r"url: (\S+)", block).group(1)
new = "http://10.79.0.1:8099/" + url.rsplit("/", 1)[1]
open(work + "/" + name + ".lock", "w").write(lock.replace(block, block.replace(url, new)))
print(url)
PYTHON
}
alter() {
  url=$(altered "$1")
  file=$work/altered/${url##*/}
  inside curl -sS --fail -o "$file" "$url"
  python3 - "$file" <<'PYTHON'
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(4096)
    byte = file.read(1)[0]
    file.seek(4096)
    file.write(bytes([byte ^ 1]))
PYTHON
}
images_there() { proxmox GET '/nodes/pve1/storage/local/content?content=import' | grep -o '"volid"' | wc -l; }

section_refusals() {
  step 'a byte of the image is not as pinned: Proxmox rejects the download, nothing stays'
  last_line homelab destroy --all --yes
  nothing_of_ours
  alter image
  serve "$work/altered"
  refused 17 checksum homelab --lock "$work/image.lock" up --yes
  nothing_of_ours
  [ "$(images_there)" = 0 ] || fail 'the altered image stayed on the storage'
  seen 'no VM, no device, no image'

  step 'a byte of the tailscale archive is not as pinned: no node installs it'
  last_line homelab up --until machines --yes
  alter tailscale
  refused 16 sha256 homelab --lock "$work/tailscale.lock" up --yes
  [ "$(count_devices)" = 0 ] || fail 'a node joined'
  ! on k3s-agent-1 test -e /usr/local/bin/tailscaled || fail 'the altered archive was installed'
  seen 'no device, no tailscaled on the nodes'
  stop_serving

  step 'a tailnet key that has expired'
  bare=$(inventory_with key "s|^    headscale:|    auth_key:|; /api_key:/d; s|^      user: homelab|      key: {file: $work/tailnet-key}|")
  tailnet_key true 2
  until_true 30 'the key has expired' sh -c "[ \$(date +%s) -gt $(date -d "$ends" +%s) ]"
  refused 18 'authkey expired' inside homelab --config "$bare" up --yes
  grep -q 'put another one where' "$work/said" || fail 'it does not say where the next key belongs'
  [ "$(count_guests)/$(count_devices)" = 3/0 ] || fail 'expected 3 VMs and no device'
  seen '3 VMs, no device'

  step 'a tailnet key that was used up by the first node'
  tailnet_key false 600
  last_line inside homelab --config "$bare" up --until tailnet --node k3s-server --yes
  refused 18 'authkey already used' inside homelab --config "$bare" up --yes
  [ "$(count_guests)/$(count_devices)" = 3/1 ] || fail 'expected 3 VMs and one device'
  seen '3 VMs, one device'

  step 'a good key: the next up converges'
  tailnet_key true 600
  last_line inside homelab --config "$bare" up --yes
  converged
  last_line homelab verify
}
