# Prints the server's own kubeconfig.
<% include "lib/head.sh" %>
cat "${HOMELAB_ROOT}/etc/rancher/k3s/k3s.yaml"
