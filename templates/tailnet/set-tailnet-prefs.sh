# Sets the preferences that differ, and no others.
<% include "lib/head.sh" %>
tailscale set<% for flag in flags %> <{ flag | quote }><% endfor %>

