"""KV version 1 by hvac, and the way to version 2. Prints what a program sees, one JSON a line.

Usage: kv_one.py URL
"""

import json
import sys
import time

import hvac
import hvac.exceptions

client = hvac.Client(url=sys.argv[1], token="root")


def show(what, call):
    try:
        answer = call()
    except hvac.exceptions.VaultError as error:
        answer = {"raises": type(error).__name__, "errors": error.errors}
    if hasattr(answer, "status_code"):
        answer = answer.status_code
    if isinstance(answer, dict):
        answer.pop("request_id", None)
    print(what, json.dumps(answer, sort_keys=True))


one = client.secrets.kv.v1
client.sys.enable_secrets_engine("kv", path="hv", options={"version": "1"})
show("none", lambda: one.read_secret("app/db", mount_point="hv"))
show("write", lambda: one.create_or_update_secret("app/db", {"user": "a", "ttl": "1h"}, mount_point="hv"))
show("read", lambda: one.read_secret("app/db", mount_point="hv"))
show("again", lambda: one.create_or_update_secret("app/db", {"user": "b"}, method="PUT", mount_point="hv"))
show("list", lambda: one.list_secrets("", mount_point="hv"))
show("deeper", lambda: one.list_secrets("app", mount_point="hv"))
show("second", lambda: one.create_or_update_secret("gone", {"x": 1}, mount_point="hv"))
show("delete", lambda: one.delete_secret("gone", mount_point="hv"))
show("gone", lambda: one.read_secret("gone", mount_point="hv"))
client.sys.tune_mount_configuration("hv", options={"version": "2"})
two = client.secrets.kv.v2
for _ in range(1200):
    try:
        two.read_configuration(mount_point="hv")
        break
    except hvac.exceptions.InvalidRequest:
        time.sleep(0.05)
answer = two.read_secret_version("app/db", mount_point="hv", raise_on_deleted_version=True)
print("upgraded", json.dumps(answer["data"]["data"]), answer["data"]["metadata"]["version"])
print("mount", client.sys.read_mount_configuration("hv")["data"]["options"])
