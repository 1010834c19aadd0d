# Sends packets of exactly the planned size, not to be fragmented, to each peer; a line each: what, peer,
# and `ok` or what ping said. Of each peer in the tailnet a line `path`, too: how they travel.
<% include "lib/head.sh" %>
# path PEER ADDRESS: it ends with the first answer that came straight; all others came through a relay.
path() {
    printf 'path %s %s\n' "$1" "$(tailscale ping --c=5 --timeout=3s --until-direct "$2" 2>&1 | grep -E '^pong|no reply' | tail -n 1)"
}
# probe WHAT PEER ADDRESS MTU: an IPv4 header takes 20 bytes of it, an ICMP header 8.
probe() {
    # Two nodes that never spoke first have to find each other: one answer, whatever its size, begins it.
    ping -n -q -c 1 -w 20 "$3" >/dev/null 2>&1 || :
    if said=$(ping -n -q -c 3 -i 0.2 -W 2 -M 'do' -s $(($4 - 28)) "$3" 2>&1); then
        printf '%s %s ok\n' "$1" "$2"
    else
        printf '%s %s %s\n' "$1" "$2" "$(printf '%s' "$said" | grep -E 'loss|error|unreachable|long|permitted|not found' | tail -n 1)"
    fi
    [ "$1" != tailnet ] || path "$2" "$3"
}
<% for target in targets %>
probe <{ target.what | quote }> <{ target.peer | quote }> <{ target.address | quote }> <{ target.mtu }> &
<% endfor %>
wait
