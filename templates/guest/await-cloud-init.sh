# Waits until cloud-init has finished, but no longer than a few seconds: the connection that carries this
# may be cut by cloud-init itself. Says how far it is, and the last line that it printed.
<% include "lib/head.sh" %>
<% include "lib/json.sh" %>
<% include "lib/cloud-init.sh" %>
finished() {
    [ -e "${HOMELAB_ROOT}/run/cloud-init/result.json" ] ||
        [ -e "${HOMELAB_ROOT}/etc/cloud/cloud-init.disabled" ] ||
        ! command -v cloud-init >/dev/null 2>&1
}
deadline=$(($(date +%s) + <{ seconds }>))
while ! finished && [ "$(date +%s)" -lt "$deadline" ]; do
    sleep 0.3
done
printf '{"state":'
json_cloud_init
printf ',"last_line":'
tail -n 1 "${HOMELAB_ROOT}/var/log/cloud-init-output.log" 2>/dev/null | json_string
printf '}\n'
