# Closes the LAN side, and opens it again by itself unless `confirm-lan-closed` comes in time: not enabled
# yet, so a restart of the node opens it, too.
<% include "lib/head.sh" %>
<% include "lib/files.sh" %>
<% for file in files %>
# shellcheck disable=SC2016 # what a file says is not expanded here
write_file <{ file.path | quote }> <{ file.mode }> <{ file.content | quote }> >&2
<% endfor %>
systemctl daemon-reload
systemctl stop homelab-exposure-rollback.timer 2>/dev/null || :
systemd-run --quiet --unit=homelab-exposure-rollback --on-active=<{ seconds }> \
    systemctl stop homelab-exposure.service
systemctl restart homelab-exposure.service
