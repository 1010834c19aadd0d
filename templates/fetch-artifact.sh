# Fetches an artifact into the node's own cache and checks its sha256. Prints `present`, `fetched`, or
# `absent` when the node cannot reach the place that it comes from.
<% include "lib/head.sh" %>
sha256=<{ sha256 | quote }>
url=<{ url | quote }>
cached="${HOMELAB_ROOT}/var/cache/homelab/$sha256"
mkdir -p "${cached%/*}"
is_right() {
    [ "$(sha256sum "$1" 2>/dev/null | cut -d ' ' -f 1)" = "$sha256" ]
}
if is_right "$cached"; then
    echo present
    exit 0
fi
case $url in
http://* | https://*) ;;
*)
    echo absent
    exit 0
    ;;
esac
rm -f "$cached.part"
if ! command -v curl >/dev/null 2>&1 ||
    ! curl --fail --silent --show-error --location --connect-timeout 10 --speed-limit 1000 --speed-time 30 \
        --output "$cached.part" "$url" >&2; then
    rm -f "$cached.part"
    echo absent
    exit 0
fi
if ! is_right "$cached.part"; then
    found=$(sha256sum "$cached.part" | cut -d ' ' -f 1)
    rm -f "$cached.part"
    fail "$url has sha256 $found, not $sha256 as pinned"
fi
mv -f "$cached.part" "$cached"
echo fetched
