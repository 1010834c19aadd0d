# Waits until the node has the address that the control plane was asked to give it.
<% include "lib/head.sh" %>
address=<{ address | quote }>
has_address() {
    [ "$(timeout 10 tailscale ip -4 2>/dev/null)" = "$address" ] &&
        ip -4 -o address show dev tailscale0 2>/dev/null | grep -qF " $address/"
}
deadline=$(($(date +%s) + <{ seconds }>))
until has_address; do
    [ "$(date +%s)" -lt "$deadline" ] ||
        fail "tailscale0 did not get $address within <{ seconds }> s; it has $(ip -4 -o address show dev tailscale0 2>/dev/null | awk '{ print $4 }')"
    sleep 0.3
done
