# Drives the emulated Proxmox VE with proxmoxer, over HTTPS with its certificate verified: the whole life of a
# guest, and the refusals. What it needs comes as one JSON object on standard input. Says `done` at its end;
# anything that is not as the client expects ends it before.
import functools
import hashlib
import http.server
import json
import pathlib
import sys
import tempfile
import threading

import requests
from proxmoxer import AuthenticationError, ProxmoxAPI, ResourceException
from proxmoxer.tools import Files, Tasks

given = json.load(sys.stdin)
node_name = given["node"]


def client(user, name, secret, authority=given["authority"]):
    return ProxmoxAPI(
        given["address"], user=user, token_name=name, token_value=secret, verify_ssl=authority, timeout=60
    )


def refused(status, text, call, errors=None):
    """Proxmox tells its reason in the status line; of parameters it tells in `errors` which one is wrong."""
    try:
        call()
    except ResourceException as error:
        assert (error.status_code, error.content) == (status, text), error
        told = error.errors or {}
        assert errors is None or sorted(told) == sorted(errors), told
        return told
    raise AssertionError(f"it should have been refused with {status} {text}")


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


def served(folder):
    """Serves a folder's files on loopback; answers where."""
    handler = functools.partial(Silent, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


api = client(given["user"], given["token"], given["secret"])
node = api.nodes(node_name)


def ended(upid):
    decoded = Tasks.decode_upid(upid)
    assert decoded["node"] == node_name and decoded["user"] == given["user"], decoded
    status = Tasks.blocking_status(api, upid, polling_interval=0.05)
    assert status and status["upid"] == upid, status
    return status["exitstatus"]


def done(upid):
    status = ended(upid)
    assert status == "OK", (status, Tasks.decode_log(node.tasks(upid).log.get()))


# Who the server is, and who we are.
try:
    client(given["user"], given["token"], given["secret"], True).version.get()
    raise AssertionError("a certificate of an authority that nobody knows was taken")
except requests.exceptions.SSLError:
    pass
assert api.version.get()["release"].split(".")[0] in ("8", "9")
wrong = client(given["user"], given["token"], "00000000-0000-0000-0000-000000000000")
refused(401, "Authentication failed!", wrong.version.get)
nobody = client("ghost@pve", given["token"], given["secret"])
refused(401, "Authentication failed!", nobody.version.get)
by_password = ProxmoxAPI(
    given["address"], user="root@pam", password=given["password"], verify_ssl=given["authority"], timeout=60
)
assert by_password.version.get() == api.version.get()
assert by_password.get_tokens()[0].startswith("PVE:root@pam:")
try:
    ProxmoxAPI(
        given["address"], user="root@pam", password="nope", verify_ssl=given["authority"], timeout=60
    ).version.get()
    raise AssertionError("a wrong password was taken")
except AuthenticationError:
    pass

# The node.
assert [one["node"] for one in api.nodes.get()] == [node_name]
assert "vmbr0" in [one["iface"] for one in node.network.get(type="any_bridge")]
kinds = {one["storage"]: one["type"] for one in node.storage.get(enabled=1)}
assert kinds["local"] == "dir" and kinds["local-lvm"] == "lvmthin", kinds
assert "pc-q35-10.0" in [one["id"] for one in node("capabilities/qemu/machines").get()]
models = {one["name"]: one["vendor"] for one in node("capabilities/qemu/cpu").get()}
assert models["host"] == "default" and models["EPYC-Rome-v4"] == "AuthenticAMD", models

# An image: downloaded, uploaded, and neither where its sum is another.
folder = tempfile.TemporaryDirectory()
image = pathlib.Path(folder.name) / "cloud.raw"
image.write_bytes(b"boot" * (2 << 20))
total = hashlib.sha256(image.read_bytes()).hexdigest()
wanted = {
    "content": "import",
    "filename": "cloud.raw",
    "url": served(folder.name) + image.name,
    "checksum": total,
    "checksum-algorithm": "sha256",
}
store = node.storage("local")
done(store("download-url").post(**wanted))
assert "checksum mismatch" in ended(
    store("download-url").post(**{**wanted, "filename": "other.raw", "checksum": "0" * 64})
)
names = [one["volid"] for one in store.content.get(content="import")]
assert names == ["local:import/cloud.raw"], names
seed = pathlib.Path(folder.name) / "seed.iso"
seed.write_bytes(b"seed" * 1024)
status = Files(api, node_name, "local").upload_local_file_to_storage(str(seed))
assert status and status["exitstatus"] == "OK", status
assert [one["size"] for one in store.content.get(content="iso")] == [4096]

# A guest, and what is wrong with some.
first = int(api.cluster.nextid.get())
guests = node.qemu
api.pools.post(poolid="life")
create = {
    "vmid": first,
    "name": "golden",
    "pool": "life",
    "memory": 512,
    "scsihw": "virtio-scsi-single",
    "scsi0": "local-lvm:0,import-from=local:import/cloud.raw",
    "ide2": "local:iso/seed.iso,media=cdrom",
    "net0": "virtio,bridge=vmbr0",
    "boot": "order=scsi0",
    "agent": 1,
}
failed = "Parameter verification failed."
errors = refused(400, failed, lambda: guests.post(**create, bogus=1, cores=0), {"bogus", "cores"})
assert errors["bogus"].startswith("property is not defined in schema"), errors
refused(400, failed, lambda: guests.post(**{**create, "name": "bad_name"}), {"name"})
done(guests.post(**create))
taken = f"unable to create VM {first} - VM {first} already exists on node '{node_name}'"
refused(500, taken, lambda: guests.post(**create))
refused(400, failed, lambda: api.cluster.nextid.get(vmid=first), {"vmid"})
golden = guests(first)
config = golden.config.get()
assert config["scsi0"].startswith(f"local-lvm:vm-{first}-disk-0,size="), config
assert config["net0"].startswith("virtio=BC:24:11:"), config
done(golden.template.post())
assert golden.config.get()["template"] == 1
assert ended(golden.status.start.post()) == "you can't start a vm if it's a template"

# A clone, its configuration, its disk.
second = int(api.cluster.nextid.get())
clone = {"newid": second, "name": "node1", "full": 1, "pool": "life", "description": "one=1;two=a&b"}
done(golden.clone.post(**clone))
exists = f"unable to create VM {second}: config file already exists"
refused(500, exists, lambda: golden.clone.post(**clone))
guest = guests(second)
before = guest.config.get()
assert before["description"] == clone["description"], before
guest.config.put(cores=2, digest=before["digest"])
changed = "checksum mismatch (file change by other user?)"
refused(500, changed, lambda: guest.config.put(cores=4, digest=before["digest"]))
assert guest.config.get()["cores"] == 2
done(guest.config.post(tags="b;a", memory=1024, ide2="none,media=cdrom"))
after = guest.config.get()
assert (after["tags"], after["memory"]) == ("a;b", "1024"), after
refused(400, failed, lambda: guest.config.put(delete="bogus"), {"delete"})
done(guest.resize.put(disk="scsi0", size="2G"))
assert guest.config.get()["scsi0"].endswith("size=2G")
assert "shrinking disks is not supported" in ended(guest.resize.put(disk="scsi0", size="1G"))

# Snapshots.
done(guest.snapshot.post(snapname="before", description="d"))
assert [one["name"] for one in guest.snapshot.get()] == ["before", "current"]
guest.config.put(cores=1)
done(guest.snapshot("before").rollback.post())
assert guest.config.get()["cores"] == 2
done(guest.snapshot("before").delete())

# Power.
done(guest.status.start.post())
current = guest.status.current.get()
assert (current["status"], current["name"], current["cpus"]) == ("running", "node1", 2), current
assert ended(guest.status.start.post()) == f"VM {second} already running"
assert guest.agent.ping.post() is not None
done(guest.status.shutdown.post(timeout=30))
assert guest.status.current.get()["status"] == "stopped"
refused(500, f"VM {second} not running", guest.status.reset.post)
done(guest.status.start.post())
running = f"VM {second} is running - destroy failed"
refused(500, running, guest.delete)
done(guest.status.stop.post())

# What others may see and do, and what nobody may while a guest is locked.
parts = ("Disk", "CDROM", "CPU", "Memory", "Network", "HWType", "Options", "Cloudinit")
any_part = "|".join(f"VM.Config.{part}" for part in parts)
look = client(given["onlooker"], given["token"], given["onlooker_secret"])
assert look.nodes(node_name).qemu(second).config.get()["name"] == "node1"
for privilege, call in (
    ("VM.PowerMgmt", look.nodes(node_name).qemu(second).status.start.post),
    ("VM.Allocate", look.nodes(node_name).qemu(second).delete),
    (any_part, lambda: look.nodes(node_name).qemu(second).config.put(cores=1)),
):
    refused(403, f"Permission check failed (/vms/{second}, {privilege})", call)
assert [one["vmid"] for one in look.cluster.resources.get(type="vm")] == [first, second]
by_root = by_password.nodes(node_name).qemu(second)
by_root.config.put(lock="backup")
refused(500, "VM is locked (backup)", lambda: guest.config.put(cores=1))
assert ended(guest.status.start.post()) == "VM is locked (backup)"
assert guest.status.current.get()["lock"] == "backup"
by_root.config.put(delete="lock", skiplock=1)
guest.config.put(cores=1)

# Tasks.
unknown = f"UPID:{node_name}:0000007E:00029D5E:6B02F3A0:qmcreate:{first}:root@pam:"
errors = refused(400, failed, node.tasks(unknown).status.get, {"upid"})
assert errors["upid"] == "no such task", errors
errors = refused(400, failed, node.tasks("nonsense").status.get, {"upid"})
assert errors["upid"] == "unable to parse worker upid", errors
kinds = {one["type"] for one in node.tasks.get(vmid=second, limit=0)}
assert {"qmconfig", "resize", "qmstart", "qmshutdown", "qmstop", "qmsnapshot"} <= kinds, kinds
kinds = [one["type"] for one in node.tasks.get(vmid=first, errors=0)]
assert kinds.count("qmclone") == 1, "a clone is a task of its source"

# Dust.
api.access.acl.put(path=f"/vms/{second}", users=given["onlooker"], roles="PVEVMAdmin")
members = [one["vmid"] for one in api.pools.get(poolid="life")[0]["members"]]
assert sorted(members) == [first, second], members
done(guest.delete(purge=1, **{"destroy-unreferenced-disks": 1}))
gone = f"Configuration file 'nodes/{node_name}/qemu-server/{second}.conf' does not exist"
refused(500, gone, guest.config.get)
assert [one for one in api.access.acl.get() if one["path"] == f"/vms/{second}"] == []
disks = [one["volid"] for one in node.storage("local-lvm").content.get() if one["vmid"] == second]
assert disks == [], disks
done(golden.delete(purge=1))
assert api.pools.get(poolid="life")[0]["members"] == []
api.pools.delete(poolid="life")
for volume in ("local:iso/seed.iso", "local:import/cloud.raw"):
    done(store.content(volume).delete())
assert store.content.get() == []
assert guests.get() == []
print("done")
