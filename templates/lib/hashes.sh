# hashes FILE...: as sha256sum prints them, of those that exist. Of a large file (the k3s binary takes most
# of a second) the hash is noted in /run, where root alone may write, under device, inode, size and the
# times of its last change to a nanosecond. A file cannot be written, replaced, renamed or given another
# date without its ctime moving, which nothing but the kernel's clock sets; within one tick of that clock
# it may stand still, so a change younger than 2 s is not noted. A disk changed from outside is seen at the
# next boot, which clears /run.
hashes() {
    notes="${HOMELAB_ROOT}/run/homelab/hashes"
    young=$(($(date +%s) - 2))
    # STAMP CTIME SIZE NAME
    stat -L -c '%d:%i:%s:%.9Y:%.9Z %Z %s %n' -- "$@" 2>/dev/null | {
        fresh=
        set --
        while read -r stamp changed size file; do
            # Small ones are hashed together: a process each would take longer than their bytes.
            if [ "$size" -lt 1048576 ]; then
                set -- "$@" "$file"
                continue
            fi
            known=
            [ ! -r "$notes" ] || known=$(awk -v stamp="$stamp" '$1 == stamp { print $2; exit }' "$notes")
            if [ -z "$known" ]; then
                known=$(sha256sum -- "$file" 2>/dev/null | cut -d ' ' -f 1)
                if [ "$changed" -lt "$young" ]; then
                    fresh="$fresh$stamp $known
"
                fi
            fi
            [ -z "$known" ] || printf '%s  %s\n' "$known" "$file"
        done
        [ "$#" -eq 0 ] || sha256sum -- "$@" 2>/dev/null || :
        [ -z "$fresh" ] || note_hashes "$fresh"
    }
}
# Beside the newest notes, that files which are gone do not pile up; whoever comes second wins, and what is
# lost is hashed again.
note_hashes() {
    mkdir -p "${notes%/*}" &&
        { printf '%s' "$1"; tail -n 50 "$notes" 2>/dev/null || :; } >"$notes.$$" &&
        mv -f "$notes.$$" "$notes" || :
} 2>/dev/null
