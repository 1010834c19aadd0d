# How far cloud-init has come, from the files that it keeps: starting it to ask takes a second of CPU.
json_cloud_init() {
    printf '{"installed":'
    json_whether command -v cloud-init
    printf ',"disabled":'
    json_whether test -e "${HOMELAB_ROOT}/etc/cloud/cloud-init.disabled"
    printf ',"ran_this_boot":'
    json_whether test -e "${HOMELAB_ROOT}/run/cloud-init/status.json"
    printf ',"finished_once":'
    json_whether test -e "${HOMELAB_ROOT}/var/lib/cloud/instance/boot-finished"
    printf ',"instance":'
    json_word "$(cat "${HOMELAB_ROOT}/run/cloud-init/.instance-id" "${HOMELAB_ROOT}/var/lib/cloud/data/instance-id" 2>/dev/null | head -n 1)"
    printf ',"status":'
    json_of cat "${HOMELAB_ROOT}/run/cloud-init/status.json"
    printf ',"result":'
    json_of cat "${HOMELAB_ROOT}/run/cloud-init/result.json"
    printf '}'
}
