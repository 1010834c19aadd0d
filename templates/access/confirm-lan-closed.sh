# The tailnet carries: the LAN side stays closed, over restarts of the node, too.
<% include "lib/head.sh" %>
systemctl --quiet is-active homelab-exposure.service ||
    fail 'the LAN side is open again: the time to confirm had passed'
systemctl stop homelab-exposure-rollback.timer
systemctl --quiet enable homelab-exposure.service
