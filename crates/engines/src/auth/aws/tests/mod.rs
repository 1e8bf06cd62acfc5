//! AWS logins, at a stand-in for STS and IAM that says what a test tells it. That signatures are judged is
//! held by the flow test with moto.

mod answers;
mod requests;
mod roles;
mod settings;

use super::Aws;
use crate::harness::{Answer, Bench, token};
use crate::stand_in::{Heard, StandIn, respond};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_aws_signature::Request;
use cofferdam_core::Kind;
use cofferdam_core::clock::Clock as _;
use cofferdam_secret::Secret;
use serde_json::{Value, json};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use time::OffsetDateTime;
use time::macros::format_description;

const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
const SORT: &str = "application/x-www-form-urlencoded; charset=utf-8";
const STS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const IAM: &str = "https://iam.amazonaws.com/doc/2010-05-08/";
const DENIED: (u16, &str) = (403, "permission denied");
/// AWS said nothing about the caller.
const AWAY: (u16, &str) = (500, "AWS cannot be asked who you are; try again");

/// STS and IAM at one address, and what they were asked.
struct Cloud {
    server: StandIn,
    heard: Arc<Mutex<Vec<(String, String)>>>,
}

fn caller(arn: &str, id: &str) -> String {
    let account = arn.split(':').nth(4).unwrap();
    format!(
        "<GetCallerIdentityResponse xmlns=\"{STS}\"><GetCallerIdentityResult><Arn>{arn}</Arn><UserId>{id}</UserId>\
         <Account>{account}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
}

fn known(sort: &str, arn: &str, id: &str) -> String {
    format!(
        "<Get{sort}Response xmlns=\"{IAM}\"><Get{sort}Result><{sort}><Arn>{arn}</Arn><{sort}Id>{id}</{sort}Id></{sort}>\
         </Get{sort}Result></Get{sort}Response>"
    )
}

impl Cloud {
    /// STS says `sts`; IAM answers by what `iam` says of a body.
    fn start(sts: String, iam: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        let heard: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let record = Arc::clone(&heard);
        let server = StandIn::plain(move |asked: &Heard, to: &mut dyn Write| {
            let both = (asked.head.clone(), asked.body.clone());
            record.lock().unwrap().push(both);
            let of_sts = asked.body == BODY || asked.head.starts_with("GET /?Action=GetCaller");
            match of_sts.then(|| sts.clone()).or_else(|| iam(&asked.body)) {
                Some(answer) => respond(to, "200 OK", &answer),
                None => respond(
                    to,
                    "404 Not Found",
                    &format!(
                        "<ErrorResponse xmlns=\"{IAM}\"><Error><Code>NoSuchEntity</Code></Error></ErrorResponse>"
                    ),
                ),
            }
        });
        Self { server, heard }
    }

    fn user() -> Self {
        Self::start(
            caller("arn:aws:iam::123456789012:user/ada", "AIDAADAADAAD"),
            |_| None,
        )
    }

    /// A mount with this cloud and a role for the user ada.
    async fn mount(&self, settings: Value) -> Bench {
        let bench = Bench::new(Aws::default(), &[]).await;
        let mut config = json!({"sts_endpoint": self.server.url(""), "iam_endpoint": self.server.url(""), "max_retries": 0});
        merge(&mut config, settings);
        let set = bench.write("config/client", config).await;
        assert_eq!(set.status, 204, "{set:?}");
        let role = json!({
            "bound_iam_principal_arn": "arn:aws:iam::123456789012:user/ada", "resolve_aws_unique_ids": false,
            "token_policies": "web",
        });
        assert_eq!(bench.write("role/web", role).await.status, 204);
        bench
    }

    fn last(&self) -> (String, String) {
        self.heard.lock().unwrap().last().cloned().unwrap()
    }
}

fn merge(to: &mut Value, more: Value) {
    for (name, value) in more.as_object().unwrap() {
        to[name] = value.clone();
    }
}

/// A login's request before it is signed.
struct Draft {
    method: &'static str,
    url: String,
    body: &'static str,
    headers: Vec<(String, String)>,
    region: &'static str,
}

fn moment(bench: &Bench) -> String {
    let form = format_description!("[year][month][day]T[hour][minute][second]Z");
    let seconds = i64::try_from(bench.clock.now().seconds()).unwrap();
    let now = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
    now.format(form).unwrap()
}

impl Draft {
    fn new(bench: &Bench) -> Self {
        let headers = [("Content-Type", SORT), ("X-Amz-Date", &moment(bench))];
        Self {
            method: "POST",
            url: "https://sts.amazonaws.com/".into(),
            body: BODY,
            headers: headers
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            region: "us-east-1",
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Signs all headers, and writes a login; what is in `changes` takes the place of what was signed.
    fn login(&self, changes: Value) -> Value {
        let url: http::Uri = self.url.parse().unwrap();
        let host = url.authority().unwrap().as_str().to_owned();
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        let mut names: Vec<(String, String)> = vec![("host".into(), host)];
        for (name, value) in &self.headers {
            let name = name.to_ascii_lowercase();
            names.retain(|(own, _)| *own != name);
            names.push((name, value.clone()));
        }
        names.sort();
        let headers: Vec<(&str, Secret<Vec<u8>>)> = names
            .iter()
            .map(|(name, value)| (name.as_str(), secret(value)))
            .collect();
        let request = Request {
            method: self.method,
            path: url.path(),
            query: url.query().unwrap_or_default(),
            headers: &headers,
            body: self.body.as_bytes(),
            region: self.region,
            service: "sts",
        };
        let date = &self
            .headers
            .iter()
            .find(|(name, _)| name == "X-Amz-Date")
            .unwrap()
            .1;
        let proof = request
            .authorization("AKIAIOSFODNN7EXAMPLE", &secret("canary-secret"), date)
            .unwrap();
        let mut sent: serde_json::Map<String, Value> = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), json!([value])))
            .collect();
        sent.insert("Authorization".into(), json!([proof]));
        if let Some(more) = changes.get("headers") {
            for (name, value) in more.as_object().unwrap() {
                match value {
                    Value::Null => drop(sent.remove(name)),
                    value => drop(sent.insert(name.clone(), value.clone())),
                }
            }
        }
        let mut login = json!({
            "role": "web", "iam_http_request_method": self.method,
            "iam_request_url": STANDARD.encode(&self.url), "iam_request_body": STANDARD.encode(self.body),
            "iam_request_headers": STANDARD.encode(Value::Object(sent).to_string()),
        });
        for (name, value) in changes.as_object().unwrap() {
            if name != "headers" {
                login[name] = value.clone();
            }
        }
        login
    }
}

async fn login(bench: &Bench, draft: &Draft, changes: Value) -> Answer {
    bench.write("login", draft.login(changes)).await
}

#[tokio::test]
async fn a_caller_is_who_sts_says() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({})).await;
    let draft = Draft::new(&bench).with("X-Amz-Security-Token", "canary-token");
    let answer = login(&bench, &draft, json!({})).await;
    let who = answer.login.unwrap();
    assert_eq!(
        (who.display_name.as_str(), who.policies.as_slice()),
        ("ada", ["web".to_owned()].as_slice())
    );
    let role = bench.read("role/web").await.data;
    assert_eq!(who.metadata["account_id"], "123456789012");
    assert_eq!(who.metadata["auth_type"], "iam");
    assert_eq!(json!(who.metadata["role_id"]), role["role_id"]);
    assert_eq!(json!(who.alias.as_ref().unwrap().name), role["role_id"]);
    // Sent as it was signed: to the endpoint of the configuration, with the host that was signed.
    let (head, body) = cloud.last();
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post / http/1.1\r\n"), "{head}");
    for line in [
        "\r\nhost: sts.amazonaws.com\r\n",
        "\r\naccept: text/xml\r\n",
        "\r\nx-amz-security-token: canary-token\r\n",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert_eq!(body, BODY);
    // Headers as an object, the URL's host as a header, and the other order are the same.
    let plain = json!({"Authorization": "x", "X-Amz-Date": "y"});
    let bad = login(&bench, &draft, json!({"iam_request_headers": plain})).await;
    assert!(
        bad.refusal().1.contains("Authorization is not of the form"),
        "{bad:?}"
    );
    let draft = Draft::new(&bench)
        .with("Host", "sts.amazonaws.com")
        .with("User-Agent", "Boto3/1");
    assert!(
        login(&bench, &draft, json!({"role": ""}))
            .await
            .refusal()
            .1
            .contains("role not found")
    );
    assert!(login(&bench, &draft, json!({})).await.login.is_some());
}

const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/web/i-1";

/// An account where the role `web` is at the path `/shop/`.
fn shop(id: &'static str) -> Cloud {
    Cloud::start(caller(SESSION, &format!("{id}:i-1")), |body| {
        let sort = if body.contains("GetRole") {
            "Role"
        } else {
            "User"
        };
        let name = body.rsplit('=').next().unwrap();
        match name {
            "web" => Some(known(
                sort,
                "arn:aws:iam::123456789012:role/shop/web",
                "AROAWEBWEBWE",
            )),
            "ada" => Some(known(
                sort,
                "arn:aws:iam::123456789012:user/ada",
                "AIDAADAADAAD",
            )),
            // Of another account: somebody answers who should not.
            "far" => Some(known(
                sort,
                "arn:aws:iam::999999999999:role/far",
                "AROAFARFARFA",
            )),
            _ => None,
        }
    })
}

fn keys() -> Value {
    json!({"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "canary-own-secret"})
}
