"""AWS logins with hvac and boto3: keys that moto made sign requests that the server carries on to moto.

Arguments: the server's address, its root token, moto's address, and as JSON what the first script made."""

import base64
import json
import sys

import boto3
import hvac
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from hvac import exceptions

address, root, moto, made = sys.argv[1:5]
made = json.loads(made)
account = made["account"]
client = hvac.Client(url=address, token=root)
aws = client.auth.aws
seen = {}


def refused(kind, work):
    try:
        work()
    except kind as error:
        return " ".join(error.errors)
    raise AssertionError("not refused")


def login(who, **more):
    return aws.iam_login(*made[who], use_token=False, **more)["auth"]


client.sys.enable_auth_method("aws")
looker = made["looker"]
aws.configure(
    access_key=looker[0],
    secret_key=looker[1],
    iam_endpoint=moto,
    sts_endpoint=moto,
    iam_server_id_header_value="vault.example",
)
seen["config"] = aws.read_config()
server = {"header_value": "vault.example"}

# A user by name, resolved by IAM with credentials of our own, which moto judges as well.
arn = f"arn:aws:iam::{account}:user/people/ada"
aws.create_role("ada", auth_type="iam", bound_iam_principal_arn=[arn], policies=["shop"])
seen["role"] = aws.read_role("ada")
seen["roles"] = client.list("auth/aws/roles")["data"]["keys"]
own = login("ada", role="ada", **server)
seen["ada"] = own
me = hvac.Client(url=address, token=own["client_token"])
seen["self"] = me.auth.token.lookup_self()["data"]
seen["renewed"] = me.auth.token.renew_self()["auth"]["renewable"]

# A session of a role, found by the name of the role in AWS, and by a pattern with its path.
role = f"arn:aws:iam::{account}:role/shop/*"
aws.create_role("web", bound_iam_principal_arn=role, ttl="5m")
seen["web"] = login("session", **server)
seen["web by name"] = login("session", role="web", **server)["lease_duration"]

# Whoever signs otherwise is nobody, and the one is not the other.
good = made["ada"]
made["forged"] = [good[0], good[1][:-1] + ("A" if good[1][-1] != "A" else "B")]
made["unknown"] = ["AKIA" + "A" * 16, good[1]]
made["cut"] = made["session"][:2]
made["swapped"] = made["session"][:2] + [made["session"][2][:-4] + "AAAA"]
for who in ["forged", "unknown", "cut", "swapped"]:
    seen[who] = refused(exceptions.Forbidden, lambda: login(who, role="ada", **server))
seen["session as ada"] = refused(exceptions.Forbidden, lambda: login("session", role="ada", **server))
seen["ada as web"] = refused(exceptions.Forbidden, lambda: login("ada", role="web", **server))
seen["no server id"] = refused(exceptions.InvalidRequest, lambda: login("ada", role="ada"))
seen["other server id"] = refused(
    exceptions.InvalidRequest, lambda: login("ada", role="ada", header_value="other.example")
)

# boto3's own signer, for the endpoint itself. (moto reckons the signature of a GET with a body that it
# does not have, so it cannot judge one.)
body = "Action=GetCallerIdentity&Version=2011-06-15"
credentials = boto3.Session(*made["ada"]).get_credentials()


def signed(url, data):
    headers = {
        "X-Vault-AWS-IAM-Server-ID": "vault.example",
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
    }
    request = AWSRequest(method="POST", url=url, data=data, headers=headers)
    SigV4Auth(credentials, "sts", "eu-central-1").add_auth(request)
    code = lambda text: base64.b64encode(text.encode()).decode()
    return {
        "role": "ada",
        "iam_http_request_method": "POST",
        "iam_request_url": code(url),
        "iam_request_body": code(data),
        "iam_request_headers": code(json.dumps(dict(request.headers.items()))),
    }


def post(request):
    answer = client.auth.aws._adapter.login(url="/v1/auth/aws/login", use_token=False, json=request)
    return answer["auth"]


seen["post"] = post(signed(f"{moto}/", body))

# As it was signed, or not at all: the second body was signed by nobody.
other = signed(f"{moto}/", body)
other["iam_request_body"] = base64.b64encode(b"Version=2011-06-15&Action=GetCallerIdentity").decode()
seen["other body"] = refused(exceptions.Forbidden, lambda: post(other))
more = signed(f"{moto}/", "Action=AssumeRole&Version=2011-06-15")
seen["other action"] = refused(exceptions.InvalidRequest, lambda: post(more))

# What a role is bound to is looked at again.
aws.create_role("ada", bound_iam_principal_arn=[role])
seen["renewed after"] = refused(exceptions.Forbidden, lambda: me.auth.token.renew_self())
print(json.dumps(seen))
