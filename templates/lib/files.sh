# write_file PATH MODE CONTENT: prints the path when the file had to be written.
write_file() {
    target="${HOMELAB_ROOT}$1"
    (umask 022 && mkdir -p "${target%/*}")
    if printf '%s' "$3" | cmp -s - "$target"; then
        chmod "$2" "$target"
        return 0
    fi
    printf '%s' "$3" >"$target.homelab-next"
    chmod "$2" "$target.homelab-next"
    mv -f "$target.homelab-next" "$target"
    printf '%s\n' "$1"
}
