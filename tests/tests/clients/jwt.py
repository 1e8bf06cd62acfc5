"""The JWT method with hvac: what it sends and reads on two servers is compared by the test.

Arguments: address, root token, issuer's key set, issuer, a good token, and one of somebody else."""

import json
import sys

import hvac
from hvac import exceptions

address, root, key_set, issuer, good, bad = sys.argv[1:7]
client = hvac.Client(url=address, token=root)
seen = []


def note(what, answer):
    seen.append([what, answer if isinstance(answer, (dict, list)) else None])
    return answer


def refused(what, kind, work):
    try:
        work()
    except kind as error:
        seen.append([what, kind.__name__, error.errors])
        return
    raise AssertionError(f"not refused: {what}")


jwt = client.auth.jwt
client.sys.enable_auth_method("jwt", path="people")
refused("no config", exceptions.InvalidRequest, lambda: jwt.jwt_login("web", good, path="people"))
jwt.configure(jwks_url=key_set, bound_issuer=issuer, default_role="web", path="people")
note("config", jwt.read_config(path="people")["data"])
jwt.create_role(
    "web",
    user_claim="sub",
    allowed_redirect_uris=[],
    role_type="jwt",
    bound_audiences=["walker"],
    bound_claims={"team": ["web", "api"]},
    claim_mappings={"team": "group"},
    bound_claims_type="string",
    token_ttl="5m",
    token_max_ttl="10m",
    token_policies=["shop"],
    path="people",
)
note("role", jwt.read_role("web", path="people")["data"])
note("roles", jwt.list_roles(path="people")["data"])

login = note("login", jwt.jwt_login("web", good, use_token=False, path="people"))["auth"]
own = hvac.Client(url=address, token=login["client_token"])
note("self", own.auth.token.lookup_self()["data"])
note("renewed", own.auth.token.renew_self(increment="2m"))
refused("stranger", exceptions.InvalidRequest, lambda: jwt.jwt_login("web", bad, path="people"))
refused("cut", exceptions.InvalidRequest, lambda: jwt.jwt_login("web", good[:-20], path="people"))
refused("empty", exceptions.InvalidRequest, lambda: jwt.jwt_login("web", "", path="people"))
jwt.delete_role("web", path="people")
refused("role gone", exceptions.InvalidPath, lambda: jwt.read_role("web", path="people"))

jwt.configure(oidc_discovery_url=issuer, path="people")
note("discovery", jwt.read_config(path="people")["data"])
jwt.create_role(
    "any", user_claim="sub", allowed_redirect_uris=[], role_type="jwt", bound_audiences=["walker"], path="people"
)
note("by discovery", jwt.jwt_login("any", good, use_token=False, path="people"))
print(json.dumps(seen))
