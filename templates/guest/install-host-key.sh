# Puts the new host key in place, leaves no host key of another kind, and has sshd take it up.
<% include "lib/head.sh" %>
expected=<{ public_key | quote }>
current="${HOMELAB_ROOT}/etc/ssh/ssh_host_ed25519_key"
next="$current.homelab-next"
public_half() {
    ssh-keygen -y -f "$1" 2>/dev/null | cut -d ' ' -f 1,2
}
if [ "$(public_half "$current")" != "$expected" ]; then
    [ "$(public_half "$next")" = "$expected" ] ||
        fail "the host key to install is not there: $next is not the one with the public half $expected"
    chmod 0600 "$next"
    mv -f "$next" "$current"
fi
printf '%s\n' "$expected" >"$current.pub"
chmod 0644 "$current.pub"
rm -f "$next" "$next.pub"
for kind in rsa dsa ecdsa; do
    rm -f "${HOMELAB_ROOT}/etc/ssh/ssh_host_${kind}_key" "${HOMELAB_ROOT}/etc/ssh/ssh_host_${kind}_key.pub"
done
if grep -Eiqs '^[[:space:]]*Include[[:space:]].*sshd_config\.d' "${HOMELAB_ROOT}/etc/ssh/sshd_config"; then
    printf '%s\nHostKey %s\n' <{ header | quote }> "$current" >"${HOMELAB_ROOT}/etc/ssh/sshd_config.d/10-homelab.conf"
    chmod 0644 "${HOMELAB_ROOT}/etc/ssh/sshd_config.d/10-homelab.conf"
fi
sync
# sshd must be able to start again before it is told to.
sshd -t
for unit in ssh.service sshd.service; do
    if systemctl --quiet is-active "$unit"; then
        systemctl reload "$unit"
        exit 0
    fi
done
fail "neither ssh.service nor sshd.service is active: sshd was not told of its new host key"
