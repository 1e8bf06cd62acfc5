"""What an operator does on a first day, with hvac: arguments are address, CA and audit log."""

import sys

import hvac
from hvac import exceptions

address, ca, log = sys.argv[1:4]


def connect(token=None):
    return hvac.Client(url=address, verify=ca, token=token)


def refused(kind, work):
    try:
        work()
    except kind as error:
        return str(error)
    raise AssertionError(f"not refused: {kind.__name__} was expected")


anonymous = connect()
assert not anonymous.sys.is_initialized()
init = anonymous.sys.initialize(secret_shares=3, secret_threshold=2)
assert anonymous.sys.is_sealed()
anonymous.sys.submit_unseal_keys(init["keys"][:2])
assert not anonymous.sys.is_sealed()

root = connect(init["root_token"])
assert root.is_authenticated()
root.sys.enable_audit_device("file", path="main", options={"file_path": log})
assert "main/" in root.sys.list_enabled_audit_devices()["data"]
hashed = root.sys.calculate_hash("main", "some input")["data"]["hash"]
assert hashed.startswith("hmac-sha256:"), hashed

root.sys.enable_secrets_engine("kv", path="secret", options={"version": "2"})
root.sys.tune_mount_configuration("secret", description="of the team")
assert root.sys.list_mounted_secrets_engines()["data"]["secret/"]["description"] == "of the team"

kv = root.secrets.kv.v2
first = kv.create_or_update_secret("app/db", {"password": "hunter2"}, cas=0)
assert first["data"]["version"] == 1
refused(exceptions.InvalidRequest, lambda: kv.create_or_update_secret("app/db", {"x": "y"}, cas=0))
kv.patch("app/db", {"user": "app"})
read = kv.read_secret_version("app/db", raise_on_deleted_version=True)
assert read["data"]["data"] == {"password": "hunter2", "user": "app"}, read
assert kv.list_secrets("app")["data"]["keys"] == ["db"]
kv.update_metadata("app/db", max_versions=3, custom_metadata={"owner": "me"})
assert kv.read_secret_metadata("app/db")["data"]["custom_metadata"] == {"owner": "me"}
kv.delete_latest_version_of_secret("app/db")
refused(exceptions.InvalidPath, lambda: kv.read_secret_version("app/db", raise_on_deleted_version=True))
kv.undelete_secret_versions("app/db", [2])
kv.destroy_secret_versions("app/db", [1])
assert kv.read_secret_version("app/db", raise_on_deleted_version=True)["data"]["metadata"]["version"] == 2
refused(exceptions.InvalidPath, lambda: kv.read_secret_version("none", raise_on_deleted_version=True))

root.sys.create_or_update_policy("reader", 'path "secret/data/app/*" { capabilities = ["read"] }')
assert "reader" in root.sys.list_policies()["data"]["policies"]
made = root.auth.token.create(policies=["reader"], ttl="1h", renewable=True, num_uses=20)
reader = connect(made["auth"]["client_token"])
assert reader.secrets.kv.v2.read_secret_version("app/db", raise_on_deleted_version=True)["data"]["data"]["user"] == "app"
refused(exceptions.Forbidden, lambda: reader.secrets.kv.v2.create_or_update_secret("app/db", {"a": "b"}))
assert reader.lookup_token()["data"]["policies"] == ["default", "reader"]
assert reader.auth.token.renew_self(increment="2h")["auth"]["lease_duration"] == 7200
assert root.lookup_token(made["auth"]["accessor"], accessor=True)["data"]["id"] == ""
assert root.sys.get_capabilities(paths=["secret/data/app/db"], token=made["auth"]["client_token"])["data"]["secret/data/app/db"] == ["read"]

root.sys.enable_auth_method("approle")
root.auth.approle.create_or_update_approle("ci", token_policies=["reader"], secret_id_num_uses=1)
role_id = root.auth.approle.read_role_id("ci")["data"]["role_id"]
wrapped = root.auth.approle.generate_secret_id("ci", wrap_ttl="60s")["wrap_info"]["token"]
secret_id = connect().sys.unwrap(wrapped)["data"]["secret_id"]
refused(exceptions.InvalidRequest, lambda: connect(wrapped).sys.unwrap())
machine = connect()
machine.auth.approle.login(role_id, secret_id)
assert machine.secrets.kv.v2.read_secret_version("app/db", raise_on_deleted_version=True)["data"]["data"]["password"] == "hunter2"
refused(exceptions.InvalidRequest, lambda: connect().auth.approle.login(role_id, secret_id))

root.auth.token.create_or_update_role("ci", allowed_policies=["reader"], orphan=True, token_period="1h")
assert root.auth.token.read_role("ci")["data"]["allowed_policies"] == ["reader"]
assert root.auth.token.list_roles()["data"]["keys"] == ["ci"]
made_by_role = root.auth.token.create(role_name="ci")["auth"]
assert made_by_role["policies"] == ["default", "reader"] and made_by_role["lease_duration"] == 3600
refused(exceptions.InvalidRequest, lambda: root.auth.token.create(role_name="ci", policies=["other"]))
root.auth.token.delete_role("ci")

root.sys.enable_auth_method("userpass")
root.auth.userpass.create_or_update_user("Ada", "lovelace", policies="reader")
assert root.auth.userpass.list_user()["data"]["keys"] == ["ada"]
assert root.auth.userpass.read_user("ada")["data"]["token_policies"] == ["reader"]
person = connect()
person.auth.userpass.login("ada", "lovelace")
assert person.lookup_token()["data"]["display_name"] == "userpass-ada"
assert person.secrets.kv.v2.read_secret_version("app/db", raise_on_deleted_version=True)["data"]["data"]["user"] == "app"
root.auth.userpass.update_password_on_user("ada", "byron")
refused(exceptions.InvalidRequest, lambda: connect().auth.userpass.login("ada", "lovelace"))
root.auth.userpass.delete_user("ada")
refused(exceptions.InvalidRequest, lambda: connect().auth.userpass.login("ada", "byron"))

root.auth.token.revoke(made["auth"]["client_token"])
refused(exceptions.Forbidden, reader.lookup_token)
root.sys.disable_audit_device("main")
root.sys.seal()
assert anonymous.sys.is_sealed()
with open(log, encoding="utf-8") as records:
    text = records.read()
for value in ("hunter2", "lovelace", "byron", init["root_token"], secret_id):
    assert value not in text, "the audit log shows a value"
print("first day done")
