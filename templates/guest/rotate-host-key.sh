# Makes the host key that will replace the one from the seed, beside it, and prints its public half. The
# same one again when asked again: the first answer may have been lost.
<% include "lib/head.sh" %>
next="${HOMELAB_ROOT}/etc/ssh/ssh_host_ed25519_key.homelab-next"
if ! ssh-keygen -y -f "$next" >/dev/null 2>&1; then
    rm -f "$next" "$next.pub"
    ssh-keygen -q -t ed25519 -N '' -C '' -f "$next"
    sync
fi
ssh-keygen -y -f "$next" | cut -d ' ' -f 1,2
