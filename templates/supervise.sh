# Runs the script that arrives on standard input, $1 bytes of it, and ends it with its session: the SSH
# server closes our standard input when the connection is gone or the client has lost its patience, and
# nothing else tells a script of it. The script has a session of its own, so that all it started goes with
# it; what must not be cut short (apt, partition tables) is started by `unbroken` in another one and runs
# to its end.
exec 3<&0
script=$(head -c "$1")
printf '%s\n' "$script" | setsid /bin/sh -s 3<&- &
main=$!
{
    while read -r _; do :; done <&3
    # From here on the end of the script does not end this.
    trap '' TERM
    kill -s TERM -- "-$main"
    sleep 5
    kill -s KILL -- "-$main"
} >/dev/null 2>&1 &
watchdog=$!
exec 3<&- </dev/null
status=0
wait "$main" || status=$?
kill "$watchdog" 2>/dev/null
exit "$status"
