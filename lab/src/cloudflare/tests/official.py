# Drives the stand-in with Cloudflare's own Python client: the whole life of a tunnel and of its records, and
# the refusals. Says `done` at its end; anything that is not as the client expects ends it before.
import base64
import json
import sys

import cloudflare

endpoint, control, account, zone, token, weak = sys.argv[1:]
client = cloudflare.Cloudflare(api_token=token, base_url=endpoint, max_retries=0)


def refused(kind, code, call):
    try:
        call()
    except kind as error:
        assert [one.code for one in error.errors] == [code], error.errors
        return
    raise AssertionError(f"it should have been refused with {code}")


assert client.user.tokens.verify().status == "active"
zones = list(client.zones.list(name="lab.example"))
assert [one.id for one in zones] == [zone] and zones[0].name == "lab.example"
assert list(client.zones.list(name="other.example")) == []

tunnels = client.zero_trust.tunnels.cloudflared
made = tunnels.create(account_id=account, name="homelab-test", config_src="cloudflare")
assert made.status == "inactive" and made.remote_config, made
refused(
    cloudflare.ConflictError,
    1013,
    lambda: tunnels.create(account_id=account, name="homelab-test", config_src="cloudflare"),
)
listed = list(tunnels.list(account_id=account, name="homelab-test", is_deleted=False))
assert [one.id for one in listed] == [made.id]

rules = [
    {"hostname": "a.lab.example", "service": "http://traefik.kube-system.svc.cluster.local:80"},
    {"service": "http_status:404"},
]
put = tunnels.configurations.update(made.id, account_id=account, config={"ingress": rules})
assert put.version == 1, put
seen = tunnels.configurations.get(made.id, account_id=account)
assert [rule.service for rule in seen.config.ingress] == [rule["service"] for rule in rules]
assert seen.source == "cloudflare"

opened = json.loads(base64.b64decode(tunnels.token.get(made.id, account_id=account)))
assert (opened["a"], opened["t"]) == (account, made.id) and len(opened["s"]) > 40

records = client.dns.records
wanted = {
    "type": "CNAME",
    "name": "a.lab.example",
    "content": f"{made.id}.cfargotunnel.com",
    "proxied": True,
    "ttl": 1,
    "comment": "homelab test",
}
record = records.create(zone_id=zone, **wanted)
assert record.name == "a.lab.example" and record.proxied and record.comment == "homelab test", record
refused(cloudflare.BadRequestError, 81058, lambda: records.create(zone_id=zone, **wanted))
other = {**wanted, "content": "other.example"}
refused(cloudflare.BadRequestError, 81053, lambda: records.create(zone_id=zone, **other))
for number in range(5):
    records.create(zone_id=zone, type="A", name=f"n{number}", content="192.0.2.1", ttl=60)
pages = records.list(zone_id=zone, per_page=2)
assert len(list(pages)) == 6, "every page is asked for"
found = list(records.list(zone_id=zone, name={"exact": "a.lab.example"}))
assert [one.id for one in found] == [record.id]
found = list(records.list(zone_id=zone, comment={"contains": "homelab"}))
assert [one.id for one in found] == [record.id]
changed = records.edit(record.id, zone_id=zone, **{**wanted, "comment": "homelab other"})
assert changed.comment == "homelab other", changed
replaced = records.update(record.id, zone_id=zone, **{**wanted, "proxied": False})
assert not replaced.proxied, replaced
assert records.delete(record.id, zone_id=zone).id == record.id
refused(cloudflare.NotFoundError, 81044, lambda: records.get(record.id, zone_id=zone))

# An edge says that two connectors are there.
import httpx

connections = [{"client_id": f"c{index % 2}", "colo_name": "fra01"} for index in range(4)]
httpx.post(f"{control}/tunnels/{made.id}/connections", json=connections).raise_for_status()
assert tunnels.get(made.id, account_id=account).status == "healthy"
clients = list(tunnels.connections.get(made.id, account_id=account))
assert sorted(len(one.conns) for one in clients) == [2, 2], clients
refused(cloudflare.BadRequestError, 1022, lambda: tunnels.delete(made.id, account_id=account))
tunnels.connections.delete(made.id, account_id=account)
assert tunnels.get(made.id, account_id=account).status == "down"
assert tunnels.delete(made.id, account_id=account).deleted_at is not None
assert list(tunnels.list(account_id=account, is_deleted=False)) == []

few = cloudflare.Cloudflare(api_token=weak, base_url=endpoint, max_retries=0)
assert len(list(few.dns.records.list(zone_id=zone))) == 5
refused(
    cloudflare.PermissionDeniedError, 10000, lambda: few.dns.records.create(zone_id=zone, **wanted)
)
refused(
    cloudflare.PermissionDeniedError, 10000, lambda: list(few.zero_trust.tunnels.cloudflared.list(account_id=account))
)
refused(cloudflare.PermissionDeniedError, 9109, lambda: few.zones.get(zone_id=zone))
stranger = cloudflare.Cloudflare(api_token="x" * 40, base_url=endpoint, max_retries=0)
refused(cloudflare.PermissionDeniedError, 9109, lambda: list(stranger.zones.list()))
print("done")
