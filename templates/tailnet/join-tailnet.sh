# Joins the tailnet with a one-shot key, which is in memory and in a file on tmpfs that goes at once.
# A node that has joined already is left as it is. Prints the daemon's status.
<% include "lib/head.sh" %>
<% include "lib/tailscale.sh" %>
key_file="${HOMELAB_ROOT}/run/homelab/tailnet-key"
mkdir -p "${key_file%/*}"
trap 'rm -f "$key_file"' EXIT
trap 'exit 1' HUP INT TERM
await_daemon
<% if anew %>
# What it takes itself for is gone: going on with it would reach nobody.
tailscale logout >&2 || :
<% endif %>
if [ "$(backend_state)" != Running ]; then
    printf '%s' "${AUTH_KEY:?}" >"$key_file"
    tailscale up --auth-key="file:$key_file" --hostname=<{ hostname | quote }> \
<% if login_server %>
        --login-server=<{ login_server | quote }> \
<% endif %>
        --accept-dns=false --accept-routes=false --ssh=false --timeout=<{ seconds }>s >&2
    rm -f "$key_file"
fi
# Updates are this program's business: one restarts tailscaled. Builds without an updater refuse.
tailscale set --auto-update=false >/dev/null 2>&1 || :
tailscale status --json --peers=false
