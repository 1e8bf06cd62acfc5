"""Checks an identity token as a relying party does: discovery, key set, signature, claims.

Arguments: the address of the server, a token, its audience. Prints header and claims.
Exits with 3 when joserfc refuses the token.
"""

import json
import sys
import urllib.request

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

address, token, audience = sys.argv[1:]


def read(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


issuer = f"{address}/v1/identity/oidc"
found = read(f"{issuer}/.well-known/openid-configuration")
assert found["issuer"] == issuer, found
keys = read(found["jwks_uri"])
for key in keys["keys"]:
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(key), "a private part is published"
try:
    seen = jwt.decode(
        token,
        KeySet.import_key_set(keys),
        algorithms=found["id_token_signing_alg_values_supported"],
    )
    wanted = {
        "iss": {"essential": True, "value": issuer},
        "aud": {"essential": True, "value": audience},
        "exp": {"essential": True},
        "iat": {"essential": True},
    }
    jwt.JWTClaimsRegistry(**wanted).validate(seen.claims)
except JoseError as error:
    print(error, file=sys.stderr)
    sys.exit(3)
print(json.dumps({"header": seen.header, "claims": seen.claims, "keys": sorted(sorted(key) for key in keys["keys"])}))
