//! AWS logins: hvac and boto3 sign, moto judges their signatures and ours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use flows::moto::Moto;
use flows::{Server, peers};
use serde_json::{Value, json};
use std::process::Command;

/// Makes a user at a path, somebody who may look at users and roles, and a session of a role; prints
/// their keys. After these calls moto judges.
const PREPARE: &str = r#"
import json, sys, boto3
from botocore.exceptions import ClientError
at = dict(endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
iam, sts = boto3.client("iam", **at), boto3.client("sts", **at)
def key(name):
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return [made["AccessKeyId"], made["SecretAccessKey"]]
user = iam.create_user(UserName="ada", Path="/people/")["User"]
iam.create_user(UserName="looker")
rule = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["iam:GetUser", "iam:GetRole"], "Resource": "*"}]}
policy = iam.create_policy(PolicyName="look", PolicyDocument=json.dumps(rule))["Policy"]["Arn"]
iam.attach_user_policy(UserName="looker", PolicyArn=policy)
trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
role = iam.create_role(RoleName="web", Path="/shop/", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
session = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="i-1")["Credentials"]
made = {"account": user["Arn"].split(":")[4], "user": user["UserId"], "role": role["RoleId"], "ada": key("ada"), "looker": key("looker"),
    "session": [session[part] for part in ("AccessKeyId", "SecretAccessKey", "SessionToken")]}
try:
    sts.get_caller_identity()
except ClientError:
    print(json.dumps(made))
else:
    sys.exit("a call more was not judged")
"#;
/// The calls of it before the last one.
const CALLS: u32 = 8;

#[test]
fn aws_vouches_for_who_signs_rightly() {
    let moto = Moto::judging_after(CALLS);
    let made = moto.python(PREPARE, &[]);
    let server = Server::dev("root");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/aws.py");
    let output = Command::new(peers::python())
        .arg(script)
        .args([server.address(), "root", &moto.url(), made.trim()])
        .output()
        .expect("a Python with hvac");
    assert!(
        output.status.success(),
        "{}\n{}",
        flows::server::shown(&output),
        server.said()
    );
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(seen["config"]["sts_endpoint"], json!(moto.url()));
    assert_eq!(seen["config"].get("secret_key"), None);
    assert_eq!(
        seen["role"]["bound_iam_principal_id"],
        json!([made["user"]])
    );
    assert_eq!(seen["role"]["auth_type"], "iam");
    assert_eq!(seen["roles"], json!(["ada"]));
    let ada = &seen["ada"];
    assert_eq!(ada["policies"], json!(["default", "shop"]));
    assert_eq!(ada["metadata"]["account_id"], made["account"]);
    assert_eq!(ada["metadata"]["auth_type"], "iam");
    assert_eq!(ada["metadata"]["role_id"], seen["role"]["role_id"]);
    assert_eq!(seen["self"]["display_name"], "aws-ada");
    assert_eq!(seen["self"]["path"], "auth/aws/login");
    assert_eq!(seen["renewed"], json!(true));
    assert_eq!(seen["web"]["lease_duration"], json!(300));
    assert_eq!(seen["web by name"], json!(300));
    for denied in [
        "forged",
        "unknown",
        "cut",
        "swapped",
        "session as ada",
        "ada as web",
        "other body",
        "renewed after",
    ] {
        assert_eq!(seen[denied], "permission denied", "{denied}");
    }
    for named in ["no server id", "other server id"] {
        let why = seen[named].as_str().unwrap();
        assert!(why.contains("X-Vault-AWS-IAM-Server-ID"), "{why}");
    }
    let why = seen["other action"].as_str().unwrap();
    assert!(why.contains("iam_request_body"), "{why}");
    assert_eq!(seen["post"]["policies"], json!(["default", "shop"]));
    // The log says why, and nothing that proves anything.
    let said = server.said();
    assert!(said.contains("SignatureDoesNotMatch"), "{said}");
    for who in ["ada", "looker", "session"] {
        for secret in made[who].as_array().unwrap().iter().skip(1) {
            assert!(!said.contains(secret.as_str().unwrap()), "{who}");
        }
    }
}
