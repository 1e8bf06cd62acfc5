"""What an application and its operator do all day, with hvac; the argument is the address.

The talk is recorded between this client and two servers and compared: nothing is judged here.
"""

import base64
import sys

import hvac
from hvac import exceptions

address = sys.argv[1]
root = hvac.Client(url=address, token="root")


def refused(work):
    try:
        work()
    except exceptions.VaultError:
        return
    raise AssertionError("not refused")


root.sys.enable_secrets_engine("kv", path="team", options={"version": "2"}, description="of a team")
root.sys.tune_mount_configuration("team", default_lease_ttl="1h", max_lease_ttl="2h")
root.sys.read_mount_configuration("team")
kv = root.secrets.kv.v2
kv.configure(max_versions=5, mount_point="team")
kv.read_configuration(mount_point="team")
kv.create_or_update_secret("app/db", {"password": "hunter2", "port": 5432}, cas=0, mount_point="team")
refused(lambda: kv.create_or_update_secret("app/db", {"a": "b"}, cas=0, mount_point="team"))
kv.create_or_update_secret("app/db", {"password": "hunter3"}, mount_point="team")
kv.patch("app/db", {"user": "app", "port": None}, mount_point="team")
kv.read_secret_version("app/db", mount_point="team", raise_on_deleted_version=True)
kv.read_secret_version("app/db", version=1, mount_point="team", raise_on_deleted_version=True)
kv.update_metadata("app/db", max_versions=3, custom_metadata={"owner": "me"}, mount_point="team")
kv.delete_secret_versions("app/db", [1, 2], mount_point="team")
refused(lambda: kv.read_secret_version("app/db", version=1, mount_point="team", raise_on_deleted_version=True))
kv.undelete_secret_versions("app/db", [1], mount_point="team")
kv.destroy_secret_versions("app/db", [2], mount_point="team")
kv.read_secret_metadata("app/db", mount_point="team")
kv.list_secrets("", mount_point="team")
kv.list_secrets("app", mount_point="team")
refused(lambda: kv.list_secrets("none", mount_point="team"))
kv.delete_metadata_and_all_versions("app/db", mount_point="team")
refused(lambda: kv.read_secret_metadata("app/db", mount_point="team"))

rules = 'path "team/data/app/*" { capabilities = ["create", "read", "update"] }'
root.sys.create_or_update_policy("app", rules)
root.sys.read_policy("app")
root.sys.list_policies()


made = root.auth.token.create(policies=["app"], ttl="1h", meta={"of": "me"}, display_name="deploy")
token, accessor = made["auth"]["client_token"], made["auth"]["accessor"]
user = hvac.Client(url=address, token=token)
user.auth.token.lookup_self()
user.auth.token.renew_self(increment="30m")
user.secrets.kv.v2.create_or_update_secret("app/x", {"k": "v"}, mount_point="team")
refused(lambda: user.secrets.kv.v2.read_secret_version("b", mount_point="team", raise_on_deleted_version=True))
refused(lambda: user.sys.list_policies())
refused(lambda: user.secrets.kv.v2.list_secrets("app", mount_point="team"))
root.auth.token.lookup(token)
root.auth.token.lookup_accessor(accessor)
root.sys.get_capabilities(paths=["team/data/app/x", "sys/mounts"], token=token)
user.sys.get_capabilities(paths=["team/data/app/x", "sys/mounts"])
root.auth.token.create_or_update_role("ci", allowed_policies=["app"], orphan=True, token_period="1h")
root.auth.token.read_role("ci")
root.auth.token.list_roles()
root.auth.token.create(role_name="ci")
refused(lambda: root.auth.token.create(role_name="ci", policies=["root"]))
root.auth.token.delete_role("ci")
root.auth.token.revoke_accessor(accessor)
refused(user.auth.token.lookup_self)

root.sys.enable_auth_method("approle")
root.sys.list_auth_methods()
root.auth.approle.create_or_update_approle(
    "ci", token_policies=["app"], token_ttl="20m", token_max_ttl="30m", secret_id_num_uses=2, secret_id_ttl="10m"
)
root.auth.approle.read_role("ci")
root.auth.approle.list_roles()
root.auth.approle.update_role_id("ci", "its-own-role-id")
root.auth.approle.read_role_id("ci")
secret = root.auth.approle.generate_secret_id("ci", metadata={"host": "a"})["data"]
root.auth.approle.read_secret_id("ci", secret["secret_id"])
root.auth.approle.read_secret_id_accessor("ci", secret["secret_id_accessor"])
root.auth.approle.list_secret_id_accessors("ci")
machine = hvac.Client(url=address)
machine.auth.approle.login("its-own-role-id", secret["secret_id"])
machine.auth.token.lookup_self()
refused(lambda: hvac.Client(url=address).auth.approle.login("its-own-role-id", "wrong"))
refused(lambda: hvac.Client(url=address).auth.approle.login("wrong", secret["secret_id"]))
root.auth.approle.destroy_secret_id("ci", secret["secret_id"])
refused(lambda: hvac.Client(url=address).auth.approle.login("its-own-role-id", secret["secret_id"]))
root.auth.approle.delete_role("ci")

root.sys.enable_auth_method("userpass")
root.auth.userpass.create_or_update_user("ada", "lovelace", policies="app")
root.auth.userpass.read_user("ada")
root.auth.userpass.list_user()
person = hvac.Client(url=address)
person.auth.userpass.login("ada", "lovelace")
person.auth.token.lookup_self()
refused(lambda: hvac.Client(url=address).auth.userpass.login("ada", "wrong"))
root.auth.userpass.update_password_on_user("ada", "byron")
root.auth.userpass.delete_user("ada")

token = root.sys.wrap({"answer": "42"}, ttl="60s")["wrap_info"]["token"] if hasattr(root.sys, "wrap") else None
if token:
    root.sys.read_wrapping_properties(token) if hasattr(root.sys, "read_wrapping_properties") else None
    root.sys.unwrap(token)
    refused(lambda: root.sys.unwrap(token))

root.sys.enable_secrets_engine("transit")
transit = root.secrets.transit
transit.create_key("key")
transit.read_key("key")
plain = base64.b64encode(b"some text").decode()
sealed = transit.encrypt_data("key", plain)["data"]["ciphertext"]
transit.decrypt_data("key", sealed)
transit.rotate_key("key")
transit.rewrap_data("key", sealed)
transit.update_key_configuration("key", min_decryption_version=2, deletion_allowed=True)
refused(lambda: transit.decrypt_data("key", sealed))
transit.generate_hmac("key", plain)
transit.hash_data(plain, algorithm="sha2-256")
transit.create_key("signer", key_type="ed25519")
signature = transit.sign_data("signer", plain)["data"]["signature"]
transit.verify_signed_data("signer", plain, signature=signature)
transit.list_keys()
transit.delete_key("key")
refused(lambda: transit.encrypt_data("none-such", "not base64!"))

root.sys.read_health_status(method="GET")
root.sys.read_seal_status()
root.sys.read_leader_status()
root.sys.is_initialized()
root.sys.disable_auth_method("userpass")
root.sys.disable_secrets_engine("team")
root.sys.delete_policy("app")
refused(lambda: root.read("none/such/path") or (_ for _ in ()).throw(exceptions.InvalidPath()))
