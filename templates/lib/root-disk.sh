# Finds the file system at /, the partition or disk that it is on, and their sizes in bytes. The kernel's
# device number leads there whatever the device is called, and whether or not its node can be seen.
find_root_disk() {
    read -r root_filesystem root_number <<EOT
$(findmnt -n -o FSTYPE,MAJ:MIN "${HOMELAB_ROOT}/")
EOT
    root_block="${HOMELAB_ROOT}/sys/dev/block/$root_number"
    root_partition='' root_bytes='' disk_bytes='' root_device='' root_disk=''
    if [ -e "$root_block" ]; then
        root_block=$(readlink -f "$root_block")
        root_device=${root_block##*/} root_disk=${root_block##*/}
        root_bytes=$(($(first_line "$root_block/size") * 512)) disk_bytes=$root_bytes
        if [ -e "$root_block/partition" ]; then
            root_partition=$(first_line "$root_block/partition")
            root_disk=${root_block%/*}
            disk_bytes=$(($(first_line "$root_disk/size") * 512))
            root_disk=${root_disk##*/}
        fi
    fi
    # The file system's own count of blocks: what is free for files is less.
    case $root_filesystem in
    xfs) root_blocks=$(xfs_info "${HOMELAB_ROOT}/" 2>/dev/null | sed -n 's/^data .*bsize=\([0-9]*\) *blocks=\([0-9]*\).*/\1 \2/p') ;;
    ext*) root_blocks=$(dumpe2fs -h "${HOMELAB_ROOT}/dev/$root_device" 2>/dev/null | awk '/^Block count:/ { count = $3 } /^Block size:/ { print $3, count }') ;;
    *) root_blocks= ;;
    esac
    [ -n "$root_blocks" ] || root_blocks=$(stat -f -c '%S %b' "${HOMELAB_ROOT}/")
    filesystem_bytes=$((${root_blocks% *} * ${root_blocks#* }))
    # What kubelet goes by: free for those who are not root, of what files can have.
    read -r block_bytes available_blocks usable_blocks root_inodes free_inodes <<EOT
$(stat -f -c '%S %a %b %c %d' "${HOMELAB_ROOT}/")
EOT
    available_bytes=$((block_bytes * available_blocks))
    usable_bytes=$((block_bytes * usable_blocks))
}

json_root_disk() {
    printf '{"filesystem":'
    json_word "$root_filesystem"
    printf ',"device":'
    json_word "$root_device"
    printf ',"disk":'
    json_word "$root_disk"
    printf ',"partition":'
    json_number "$root_partition"
    printf ',"filesystem_bytes":'
    json_number "$filesystem_bytes"
    printf ',"usable_bytes":'
    json_number "$usable_bytes"
    printf ',"available_bytes":'
    json_number "$available_bytes"
    printf ',"inodes":'
    json_number "$root_inodes"
    printf ',"free_inodes":'
    json_number "$free_inodes"
    printf ',"partition_bytes":'
    json_number "$root_bytes"
    printf ',"disk_bytes":'
    json_number "$disk_bytes"
    printf '}'
}
