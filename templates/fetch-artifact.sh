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
command -v curl >/dev/null 2>&1 || {
    echo absent
    exit 0
}
get() {
    curl --fail --silent --show-error --location --connect-timeout 10 --speed-limit 1000 --speed-time 30 \
        "$@" --output "$cached.part" "$url" >&2
}
start_anew() {
    rm -f "$cached.part" "$cached.version"
}
# Goes on where an earlier attempt or run ended, on condition that the server still has the same file.
attempt() {
    version=$(sed -n 's/^"[^"]*"$/&/p' "$cached.version" 2>/dev/null)
    if [ -s "$cached.part" ] && [ -n "$version" ]; then
        pieces=several
        get --continue-at - --header "If-Range: $version"
    else
        pieces=one
        start_anew
        get --etag-save "$cached.version"
    fi
}
fruitless=0
until is_right "$cached.part"; do
    before=$(stat -c %s "$cached.part" 2>/dev/null || echo 0)
    ending=0
    attempt || ending=$?
    if [ "$ending" -eq 0 ]; then
        is_right "$cached.part" && break
        found=$(sha256sum "$cached.part" | cut -d ' ' -f 1)
        start_anew
        # What was put together from parts may be of two files: once more, in one piece.
        [ "$pieces" = several ] || fail "$url has sha256 $found, not $sha256 as pinned"
        continue
    fi
    # 33: it sent the whole although a part was asked for; 22 or 36: it refused the part.
    case $pieces$ending in
    several33 | several22 | several36) start_anew ;;
    esac
    if [ "$(stat -c %s "$cached.part" 2>/dev/null || echo 0)" -gt "$before" ]; then
        fruitless=0
    else
        fruitless=$((fruitless + 1))
    fi
    if [ "$fruitless" -ge 3 ]; then
        # What came stays for the next time.
        echo absent
        exit 0
    fi
    sleep 0.5
done
mv -f "$cached.part" "$cached"
rm -f "$cached.version"
echo fetched
