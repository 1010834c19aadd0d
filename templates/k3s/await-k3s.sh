# Follows k3s until it is ready, but no longer than a few seconds at a time: says how it is, with the last
# lines of its journal.
<% include "lib/head.sh" %>
<% include "lib/json.sh" %>
unit=<{ unit | quote }>
is_ready() {
    systemctl --quiet is-active "$unit" || return 1
<% if role == "server" %>
    timeout 10 k3s kubectl --kubeconfig "${HOMELAB_ROOT}/etc/rancher/k3s/k3s.yaml" --request-timeout=5s get --raw /readyz >/dev/null 2>&1
<% endif %>
}
property() {
    systemctl show --property="$1" --value "$unit"
}
ready=false
deadline=$(($(date +%s) + <{ seconds }>))
until [ "$(date +%s)" -ge "$deadline" ]; do
    if is_ready; then
        ready=true
        break
    fi
    sleep 0.5
done
printf '{"ready":%s,"active_state":' "$ready"
json_word "$(property ActiveState)"
printf ',"sub_state":'
json_word "$(property SubState)"
printf ',"restarts":'
json_number "$(property NRestarts)"
printf ',"journal":'
journalctl --unit "$unit" --boot --lines 60 --output cat --no-pager 2>/dev/null | json_string
printf '}\n'
