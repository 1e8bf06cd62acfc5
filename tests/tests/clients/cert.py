"""Certificate logins with hvac: what two servers answer is compared by the test.

Arguments: address, root token, the server's CA, and the directory with the certificates of clients."""

import json
import sys

import hvac
from hvac import exceptions

address, root, authority, place = sys.argv[1:5]
client = hvac.Client(url=address, token=root, verify=authority)
cert = client.auth.cert
seen = []


def at(name):
    return f"{place}/{name}"


def note(what, answer):
    seen.append([what, answer if isinstance(answer, (dict, list)) else None])
    return answer


def refused(what, work):
    try:
        work()
    except exceptions.VaultError as error:
        seen.append([what, type(error).__name__, error.errors])
        return
    raise AssertionError(f"not refused: {what}")


def shows(name):
    return hvac.Client(url=address, verify=authority, cert=(at(f"{name}.pem"), at(f"{name}.key")))


def login(who, **more):
    return shows(who).auth.cert._adapter.login(url="/v1/auth/cert/login", use_token=False, json=more)


text = lambda name: open(at(f"{name}.pem")).read()
client.sys.enable_auth_method("cert")
note("config", client.read("auth/cert/config")["data"])
cert.create_ca_certificate_role(
    "web", certificate=text("ca"), allowed_common_names=["ada*"], token_policies=["shop"], token_ttl="5m"
)
note("entry", cert.read_ca_certificate_role("web")["data"])
note("entries", cert.list_certificate_roles()["data"])
first = note("login", login("ada", name="web"))
note("login without a name", login("ada"))
refused("unsuited", lambda: login("bob"))
refused("forged", lambda: login("forged"))
refused("self-signed", lambda: login("own"))
refused("no such entry", lambda: login("ada", name="nobody"))
refused("no certificate", lambda: client.auth.cert._adapter.login(url="/v1/auth/cert/login", use_token=False, json={}))

# Renewed by who has the key.
own = shows("ada")
own.token = first["auth"]["client_token"]
note("self", own.auth.token.lookup_self()["data"])
note("renewed", own.auth.token.renew_self())
other = shows("ada2")
other.token = own.token
refused("renewed by another", other.auth.token.renew_self)
nobody = hvac.Client(url=address, verify=authority, token=own.token)
refused("renewed by nobody", nobody.auth.token.renew_self)
cert.configure_tls_certificate(disable_binding=True)
note("renewed unbound", nobody.auth.token.renew_self())
cert.configure_tls_certificate(disable_binding=False)

# One that is pinned.
client.write("auth/cert/certs/own", certificate=text("own"), token_policies="own", display_name="mine")
note("pinned", login("own"))
note("pinned entry", client.read("auth/cert/certs/own")["data"])

# Revoked.
client.write("auth/cert/crls/list", crl=open(at("list.crl")).read())
note("list", client.read("auth/cert/crls/list")["data"])
refused("revoked", lambda: login("ada"))
note("not revoked", login("ada2"))
client.delete("auth/cert/crls/list")
note("back", login("ada"))
refused("not a list", lambda: client.write("auth/cert/crls/list", crl="x"))
refused("not a certificate", lambda: client.write("auth/cert/certs/bad", certificate="x"))
cert.delete_certificate_role("web")
refused("entry gone", lambda: login("ada"))
print(json.dumps(seen))
