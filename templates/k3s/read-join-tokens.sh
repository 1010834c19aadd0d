# Prints what joining nodes need, a line each: the hash of the authority, the server token, the agent token.
<% include "lib/head.sh" %>
server="${HOMELAB_ROOT}/var/lib/rancher/k3s/server"
for file in "$server/tls/server-ca.crt" "$server/token" "$server/agent-token"; do
    [ -s "$file" ] || fail "$file is not there: has k3s started here?"
done
sha256sum "$server/tls/server-ca.crt" | cut -d ' ' -f 1
head -n 1 "$server/token"
head -n 1 "$server/agent-token"
