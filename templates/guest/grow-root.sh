# Grows the root partition, where there is one, and the root file system to the size of the disk.
# Prints the sizes before and after.
<% include "lib/head.sh" %>
<% include "lib/json.sh" %>
<% include "lib/root-disk.sh" %>
find_root_disk
printf '{"before":'
json_root_disk
if [ -n "$root_partition" ]; then
    # growpart ends with 1 when there is nothing to grow, with 2 when it failed.
    status=0
    unbroken growpart "${HOMELAB_ROOT}/dev/$root_disk" "$root_partition" || status=$?
    [ "$status" -le 1 ] || fail "growpart ended with status $status for partition $root_partition of $root_disk"
fi
case $root_filesystem in
xfs) unbroken xfs_growfs -d "${HOMELAB_ROOT}/" ;;
ext*) unbroken resize2fs "${HOMELAB_ROOT}/dev/$root_device" ;;
btrfs) unbroken btrfs filesystem resize max "${HOMELAB_ROOT}/" ;;
*) fail "do not know how to grow a root file system of type $root_filesystem" ;;
esac
find_root_disk
printf ',"after":'
json_root_disk
printf '}\n'
