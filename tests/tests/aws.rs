//! AWS logins: hvac and boto3 sign, moto judges their signatures and ours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use flows::moto::Moto;
use flows::server::bare;
use flows::{Server, peers};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};

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
    let said = server.says("SignatureDoesNotMatch");
    for who in ["ada", "looker", "session"] {
        for secret in made[who].as_array().unwrap().iter().skip(1) {
            assert!(!said.contains(secret.as_str().unwrap()), "{who}");
        }
    }
    our_command_line(&server, &made);
}

/// What our command line makes of keys in each place where it looks for them.
fn our_command_line(server: &Server, made: &Value) {
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], environment: &[(&str, &str)], stdin: &str| {
        let mut command = bare(home.path());
        command
            .args(arguments)
            .env("COFFERDAM_ADDR", server.address());
        let mut child = command
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(stdin.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code().unwrap(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let root = [("COFFERDAM_TOKEN", "root")];
    let arn = format!(
        "bound_iam_principal_arn=arn:aws:iam::{}:user/people/ada",
        made["account"].as_str().unwrap()
    );
    let role = [
        "write",
        "auth/aws/role/cli",
        &arn,
        "auth_type=iam",
        "policies=shop",
    ];
    assert_eq!(run(&role, &root, "").0, 0);
    let key = |who: &str, part: usize| made[who][part].as_str().unwrap();
    let login = [
        "login",
        "-method=aws",
        "-no-store",
        "-format=json",
        "role=cli",
        "header_value=vault.example",
    ];
    fn with<'a>(login: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
        [login, more].concat()
    }

    // The environment, under both pairs of names.
    let ada = [
        ("AWS_ACCESS_KEY_ID", key("ada", 0)),
        ("AWS_SECRET_ACCESS_KEY", key("ada", 1)),
    ];
    let (code, out, said) = run(&with(&login, &[]), &ada, "");
    assert_eq!(code, 0, "{said}\n{}", server.said());
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["auth"]["token_policies"], json!(["default", "shop"]));
    assert_eq!(answer["auth"]["metadata"]["account_id"], made["account"]);
    let older = [
        ("AWS_ACCESS_KEY", key("ada", 0)),
        ("AWS_SECRET_KEY", key("ada", 1)),
    ];
    assert_eq!(
        run(&with(&login, &["region=eu-central-1"]), &older, "").0,
        0
    );
    let region = [&ada[..], &[("AWS_DEFAULT_REGION", "eu-west-1")]].concat();
    assert_eq!(run(&with(&login, &["region=auto"]), &region, "").0, 0);

    // The command line wins, and the secret comes from stdin; the mount as Vault's helper takes it.
    let wrong = [
        ("AWS_ACCESS_KEY_ID", key("ada", 0)),
        ("AWS_SECRET_ACCESS_KEY", "wrong"),
    ];
    let id = format!("aws_access_key_id={}", key("ada", 0));
    let more = [
        "-path=elsewhere",
        "mount=aws",
        &id,
        "aws_secret_access_key=-",
    ];
    assert_eq!(run(&with(&login, &more), &wrong, key("ada", 1)).0, 0);

    // A profile: a session of a role, which is somebody else.
    let file = format!(
        "[default]\naws_access_key_id = AKIAX\naws_secret_access_key = x\n[web]\naws_access_key_id = {}\n\
         aws_secret_access_key = {}\naws_session_token = {}\n",
        key("session", 0),
        key("session", 1),
        key("session", 2)
    );
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(home.path().join(".aws/credentials"), file).unwrap();
    let web = [
        "login",
        "-method=aws",
        "header_value=vault.example",
        "-field=token",
    ];
    let (code, token, said) = run(&web, &[("AWS_PROFILE", "web")], "");
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        std::fs::read_to_string(home.path().join(".vault-token")).unwrap(),
        token.trim()
    );
    let (_, looked, _) = run(&["token", "lookup", "-field=display_name"], &[], "");
    assert!(looked.starts_with("aws-web"), "{looked}");

    // Whoever signs otherwise is nobody; and no word of a secret in what is said.
    let mut said = String::new();
    let mut refused = |arguments: &[&str], environment: &[(&str, &str)], code| {
        let ran = run(arguments, environment, "");
        assert_eq!(ran.0, code, "{arguments:?}: {}", ran.2);
        said.push_str(&ran.2);
        ran.2
    };
    refused(&with(&login, &[]), &wrong, 2);
    refused(&with(&login, &[]), &[], 2);
    refused(&with(&login, &[]), &[("AWS_PROFILE", "web")], 2);
    let unsigned = ["login", "-method=aws", "-no-store", "role=cli"];
    assert!(refused(&unsigned, &ada, 2).contains("X-Vault-AWS-IAM-Server-ID"));
    refused(&with(&login, &["region=eu/x"]), &ada, 1);
    refused(&with(&login, &["nonsense=x"]), &ada, 1);
    refused(&with(&login, &[]), &[("AWS_PROFILE", "none")], 1);
    refused(&with(&login, &[]), &ada[..1], 1);
    refused(
        &with(&login, &[]),
        &[("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")],
        1,
    );
    for who in ["ada", "session"] {
        for secret in made[who].as_array().unwrap().iter().skip(1) {
            assert!(!said.contains(secret.as_str().unwrap()), "{said}");
        }
    }
}
