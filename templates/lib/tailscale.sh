# The daemon's state: NeedsLogin, Running, ...; empty while it does not answer.
backend_state() {
    timeout 10 tailscale status --json --peers=false 2>/dev/null |
        sed -n 's/^ *"BackendState": *"\([^"]*\)".*/\1/p' | head -n 1
}
await_daemon() {
    deadline=$(($(date +%s) + 60))
    until [ -n "$(backend_state)" ] && [ "$(backend_state)" != NoState ]; do
        [ "$(date +%s)" -lt "$deadline" ] || fail "tailscaled did not answer within 60 s: see \`journalctl -u tailscaled\`"
        sleep 0.3
    done
}
