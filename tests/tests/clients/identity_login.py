"""Logs somebody in by a provider, as a service does that uses Authlib: PKCE, code, tokens, userinfo.

Arguments: address, issuer, the user's token there, client id, client secret (may be empty), how the
client shows it. Prints claims and userinfo.
"""

import json
import sys
import urllib.parse
import urllib.request

from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.jwk import KeySet

address, issuer, user, client, secret, method = sys.argv[1:]
BACK = "http://127.0.0.1:7777/back"


def read(url, token=None):
    headers = {"X-Vault-Token": token} if token else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        return json.load(answer)


found = read(f"{issuer}/.well-known/openid-configuration")
assert found["issuer"] == issuer, found
session = OAuth2Session(
    client,
    secret or None,
    scope="openid profile unknown",
    redirect_uri=BACK,
    token_endpoint_auth_method=method,
    code_challenge_method="S256",
)
verifier, nonce = generate_token(64), generate_token(16)
# OpenBao names a page of its user interface there; what that page calls is the same everywhere.
url, state = session.create_authorization_url(f"{issuer}/authorize", code_verifier=verifier, nonce=nonce, max_age=3600)
answer = read(url, user)
assert answer["state"] == state, answer
back = f"{BACK}?{urllib.parse.urlencode(answer)}"
tokens = session.fetch_token(found["token_endpoint"], authorization_response=back, code_verifier=verifier)
keys = KeySet.import_key_set(read(found["jwks_uri"]))
seen = jwt.decode(tokens["id_token"], keys, algorithms=found["id_token_signing_alg_values_supported"])
wanted = {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client},
          "nonce": {"essential": True, "value": nonce}, "exp": {"essential": True}, "auth_time": {"essential": True}}
jwt.JWTClaimsRegistry(**wanted).validate(seen.claims)
about = session.get(found["userinfo_endpoint"])
assert about.status_code == 200, about.text
about = about.json()
assert about["sub"] == seen.claims["sub"]
for wrong in ("hvs.nothing", tokens["access_token"][:-3]):
    request = urllib.request.Request(found["userinfo_endpoint"], headers={"Authorization": f"Bearer {wrong}"})
    try:
        urllib.request.urlopen(request, timeout=30)
        sys.exit("a made-up access token was taken")
    except urllib.error.HTTPError as error:
        assert error.code in (401, 403), error.code
for key in ("access_token", "id_token", "expires_at"):
    tokens.pop(key)
print(json.dumps({"claims": seen.claims, "about": about, "tokens": tokens, "discovery": found}))
