# Installs the guard of the overlay and starts it anew where it differs. Prints what was changed.
<% include "lib/head.sh" %>
<% include "lib/files.sh" %>
changes=$(
    :
<% for file in files %>
# shellcheck disable=SC2016 # what a file says is not expanded here
write_file <{ file.path | quote }> <{ file.mode }> <{ file.content | quote }>
<% endfor %>
)
systemctl daemon-reload
systemctl --quiet enable homelab-guard.service
if [ -n "$changes" ]; then
    systemctl restart homelab-guard.service
    printf '%s\n' "$changes"
else
    systemctl start homelab-guard.service
fi
