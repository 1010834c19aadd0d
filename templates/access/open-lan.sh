# Opens the LAN side, for good.
<% include "lib/head.sh" %>
systemctl stop homelab-exposure-rollback.timer 2>/dev/null || :
systemctl --quiet disable --now homelab-exposure.service 2>/dev/null || :
rm -f "${HOMELAB_ROOT}"<{ unit | quote }> "${HOMELAB_ROOT}"<{ ruleset | quote }>
systemctl daemon-reload
