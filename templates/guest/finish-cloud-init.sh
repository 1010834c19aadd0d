# Puts cloud-init out of the way: a later boot without the seed would otherwise begin a new instance with
# new host keys and DHCP.
<% include "lib/head.sh" %>
mkdir -p "${HOMELAB_ROOT}/etc/cloud"
[ -e "${HOMELAB_ROOT}/etc/cloud/cloud-init.disabled" ] ||
    printf '%s\n' <{ header | quote }> >"${HOMELAB_ROOT}/etc/cloud/cloud-init.disabled"
sync
