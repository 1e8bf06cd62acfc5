//! The method for AWS. OpenBao has none, so two of ours stand on both sides, with moto for AWS; and a
//! stand-in answers what Vault's documentation shows of settings that are not served here.

use super::evil::{Evil, answer};
use super::{import, items, report, run};
use flows::moto::Moto;
use flows::{Server, peers};
use serde_json::{Value, json};
use std::process::Command;

/// Makes a user, and somebody who may look; after these calls moto judges.
const PREPARE: &str = r#"
import json, sys, boto3
at = dict(endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
iam = boto3.client("iam", **at)
def key(name):
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return [made["AccessKeyId"], made["SecretAccessKey"]]
user = iam.create_user(UserName="ada")["User"]
iam.create_user(UserName="looker")
rule = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["iam:GetUser", "iam:GetRole"], "Resource": "*"}]}
policy = iam.create_policy(PolicyName="look", PolicyDocument=json.dumps(rule))["Policy"]["Arn"]
iam.attach_user_policy(UserName="looker", PolicyArn=policy)
print(json.dumps({"arn": user["Arn"], "id": user["UserId"], "ada": key("ada"), "looker": key("looker")}))
"#;
/// The calls of it.
const CALLS: u32 = 6;

const LOGIN: &str = r#"
import sys, hvac
address, key, secret, role = sys.argv[1:]
auth = hvac.Client(url=address).auth.aws.iam_login(key, secret, role=role, header_value="vault.example", use_token=False)["auth"]
print(auth["entity_id"], ",".join(auth["policies"]))
"#;

fn ask(server: &Server, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let address = server.address().strip_prefix("http://").unwrap();
    super::openbao::ask_as(token, address, method, path, body).expect("it answers")
}

#[test]
fn aws_logins_go_on_where_the_secret_key_is_written_anew() {
    let moto = Moto::judging_after(CALLS);
    let made: Value = serde_json::from_str(&moto.python(PREPARE, &[])).unwrap();
    let (theirs, ours) = (Server::dev("root"), Server::dev("ours"));
    let put = |path: &str, body: Value| {
        let (status, said) = ask(&theirs, "root", "POST", path, &body);
        assert!(status < 300, "{path}: {said}");
        said
    };
    let there = |path: &str| ask(&theirs, "root", "GET", path, &Value::Null).1["data"].clone();
    let here = |path: &str| ask(&ours, "ours", "GET", path, &Value::Null).1["data"].clone();
    put(
        "sys/auth/aws",
        json!({"type": "aws", "description": "cloud"}),
    );
    put(
        "auth/aws/config/client",
        json!({
            "access_key": made["looker"][0], "secret_key": made["looker"][1], "iam_endpoint": moto.url(), "sts_endpoint": moto.url(),
            "iam_server_id_header_value": "vault.example", "max_retries": 2, "allowed_sts_header_values": "X-Own",
        }),
    );
    put(
        "auth/aws/config/identity",
        json!({"iam_metadata": ["account_id", "client_arn"]}),
    );
    put(
        "auth/aws/role/ada",
        json!({"auth_type": "iam", "bound_iam_principal_arn": made["arn"], "token_policies": ["shop"], "token_ttl": 300}),
    );
    put(
        "auth/aws/role/any",
        json!({"bound_iam_principal_arn": "arn:aws:iam::123456789012:user/people/*", "policies": "x", "ttl": "1h"}),
    );
    put(
        "auth/aws/role/name",
        json!({"bound_iam_principal_arn": "arn:aws:iam::123456789012:user/bob", "resolve_aws_unique_ids": false}),
    );
    put("identity/entity/name/ada", json!({"policies": ["of-ada"]}));
    let accessor = there("sys/auth/aws")["accessor"].clone();
    let role = there("auth/aws/role/ada")["role_id"].clone();
    put(
        "identity/entity-alias",
        json!({"name": role, "canonical_id": there("identity/entity/name/ada")["id"], "mount_accessor": accessor}),
    );

    let from = theirs.address().replace("http://", "vault://");
    let (first, code) = run(&ours, &from, &[]);
    assert_eq!(code, 3, "{first:#}");
    let output = import(&ours, &from, &["-dry-run"]).output().unwrap();
    let secret = made["looker"][1].as_str().unwrap();
    assert!(!flows::server::shown(&output).contains(secret));
    // A role whose ARN is resolved by AWS waits for the key that nobody shows.
    assert_eq!(
        items(&first, "left"),
        [
            "alias ada/ROLE",
            "auth configuration auth/aws/config/client",
            "aws role auth/aws/role/ada"
        ]
        .map(|item| item.replace("ROLE", role.as_str().unwrap())),
        "{first:#}"
    );
    let reason = first["left"][1]["reason"].as_str().unwrap();
    assert!(
        reason.contains("cofferdam write auth/aws/config/client secret_key=-"),
        "{reason}"
    );
    let (status, _) = ask(
        &ours,
        "ours",
        "POST",
        "auth/aws/config/client",
        &json!({ "secret_key": secret }),
    );
    assert_eq!(status, 204);
    let (second, code) = run(&ours, &from, &[]);
    assert_eq!(code, 3, "{second:#}");
    assert_eq!(
        items(&second, "left"),
        ["auth configuration auth/aws/config/client"],
        "{second:#}"
    );
    assert!(
        items(&second, "created").contains(&"aws role auth/aws/role/ada".to_owned()),
        "{second:#}"
    );
    for path in [
        "config/client",
        "config/identity",
        "role/ada",
        "role/any",
        "role/name",
    ] {
        let path = format!("auth/aws/{path}");
        let (mut their, mut our) = (there(&path), here(&path));
        for side in [&mut their, &mut our] {
            // Its own, and older names of what is compared by the new ones.
            let fields = side.as_object_mut().unwrap();
            fields.retain(|name, _| !matches!(name.as_str(), "role_id" | "policies" | "ttl"));
        }
        assert_eq!(their, our, "{path}");
    }
    assert_eq!(
        here("auth/aws/role/ada")["bound_iam_principal_id"],
        json!([made["id"]])
    );

    // Whoever logs in is who it was.
    let output = Command::new(peers::python())
        .args([
            "-c",
            LOGIN,
            ours.address(),
            made["ada"][0].as_str().unwrap(),
            made["ada"][1].as_str().unwrap(),
            "ada",
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", flows::server::shown(&output));
    let entity = here("identity/entity/name/ada");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.starts_with(entity["id"].as_str().unwrap()),
        "{said} {entity}"
    );
    assert!(said.contains("of-ada"), "{said}");
    assert_eq!(entity["aliases"].as_array().unwrap().len(), 1, "{entity}");
    let (third, _) = run(&ours, &from, &[]);
    assert_eq!(
        (&third["created"], &third["changed"], &third["different"]),
        (&json!([]), &json!([]), &json!([])),
        "{third:#}"
    );
}

#[test]
fn what_vault_has_for_ec2_is_named_and_stays() {
    let ours = Server::dev("ours");
    let role = |more: Value| {
        let mut role = json!({
            "auth_type": "iam", "bound_iam_principal_arn": ["arn:aws:iam::123456789012:user/*"], "bound_iam_principal_id": [],
            "bound_account_id": [], "inferred_entity_type": "", "resolve_aws_unique_ids": true, "role_id": "an-id",
            "token_policies": ["shop"], "token_type": "default", "disallow_reauthentication": false,
        });
        role.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        answer(&json!({ "data": role }))
    };
    let vault = Evil::start(move |path| match path {
        "/v1/sys/mounts" => answer(&json!({"data": {}})),
        "/v1/sys/auth" => answer(
            &json!({"data": {"aws/": {"type": "aws", "accessor": "auth_aws_1", "config": {}}}}),
        ),
        "/v1/auth/aws/config/client" => answer(&json!({"data": {
            "access_key": "AKIAEXAMPLE", "endpoint": "https://ec2.example", "iam_endpoint": "", "sts_endpoint": "", "sts_region": "",
            "use_sts_region_from_client": false, "iam_server_id_header_value": "v", "max_retries": -1, "allowed_sts_header_values": null,
            "role_arn": "arn:aws:iam::123456789012:role/x", "identity_token_audience": "a", "identity_token_ttl": 3600,
            "rotation_period": 0, "rotation_schedule": "", "rotation_window": 0, "disable_automated_rotation": false,
        }})),
        "/v1/auth/aws/config/identity" => answer(&json!({"data": {
            "iam_alias": "unique_id", "iam_metadata": ["account_id", "auth_type"], "ec2_alias": "instance_id",
            "ec2_metadata": ["account_id", "auth_type"],
        }})),
        "/v1/auth/aws/config/sts?list=true" => answer(&json!({"data": {"keys": ["210987654321"]}})),
        "/v1/auth/aws/config/certificates?list=true" => answer(&json!({"data": {"keys": ["own"]}})),
        "/v1/auth/aws/role?list=true" | "/v1/auth/aws/role/?list=true" => {
            answer(&json!({"data": {"keys": ["ec2", "iam", "infers"]}}))
        }
        "/v1/auth/aws/role/iam" => role(json!({})),
        "/v1/auth/aws/role/infers" => {
            role(json!({"inferred_entity_type": "ec2_instance", "inferred_aws_region": "eu"}))
        }
        "/v1/auth/aws/role/ec2" => role(
            json!({"auth_type": "ec2", "bound_ami_id": ["ami-1"], "bound_iam_principal_arn": []}),
        ),
        _ => None,
    });
    let output = import(&ours, &vault.url(), &[]).output().unwrap();
    let (report, code) = report(&output);
    assert_eq!(code, 3, "{report:#}");
    assert_eq!(
        items(&report, "created"),
        [
            "auth configuration auth/aws/config/client",
            "auth configuration auth/aws/config/identity",
            "auth method aws",
            "aws role auth/aws/role/iam",
        ],
        "{report:#}"
    );
    let mut reasons: Vec<_> = report["left"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            format!(
                "{} {}",
                item["path"].as_str().unwrap(),
                item["reason"].as_str().unwrap()
            )
        })
        .collect();
    reasons.sort();
    let wanted = [
        ("auth/aws/config/certificates/own", "EC2"),
        ("auth/aws/config/client", "its endpoint"),
        ("auth/aws/config/client", "its identity_token_audience"),
        ("auth/aws/config/client", "its identity_token_ttl"),
        ("auth/aws/config/client", "its role_arn"),
        ("auth/aws/config/client", "secret_key"),
        ("auth/aws/config/identity", "its ec2_alias"),
        (
            "auth/aws/config/sts/210987654321",
            "bound_iam_principal_arn",
        ),
        ("auth/aws/role/ec2", "bound_ami_id"),
        ("auth/aws/role/infers", "inferred_entity_type"),
    ];
    assert_eq!(reasons.len(), wanted.len(), "{reasons:#?}");
    for (path, says) in wanted {
        assert!(
            reasons
                .iter()
                .any(|reason| reason.starts_with(path) && reason.contains(says)),
            "{path} {says} {reasons:#?}"
        );
    }
    let (_, kept) = ask(&ours, "ours", "GET", "auth/aws/config/client", &Value::Null);
    assert_eq!(
        (
            &kept["data"]["access_key"],
            &kept["data"]["iam_server_id_header_value"]
        ),
        (&json!("AKIAEXAMPLE"), &json!("v"))
    );
    assert_eq!(
        ask(
            &ours,
            "ours",
            "GET",
            "auth/aws/config/identity",
            &Value::Null
        )
        .1["data"]["iam_alias"],
        "unique_id"
    );
}
