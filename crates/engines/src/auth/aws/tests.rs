//! AWS logins, at a stand-in for STS and IAM that says what a test tells it. That signatures are judged is
//! held by the flow test with moto.

use super::Aws;
use crate::harness::{Answer, Bench, token};
use crate::stand_in::{Heard, StandIn, respond};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_aws_signature::Request;
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

#[tokio::test]
async fn a_get_asks_in_its_url() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({})).await;
    let get = |target: &str| {
        let mut draft = Draft::new(&bench);
        (draft.method, draft.body) = ("GET", "");
        draft.url = format!("https://sts.amazonaws.com{target}");
        draft.headers.retain(|(name, _)| name != "Content-Type");
        draft
    };
    let good = get(&format!("/?{BODY}"));
    assert!(login(&bench, &good, json!({})).await.login.is_some());
    assert!(
        cloud
            .last()
            .0
            .starts_with(&format!("GET /?{BODY} HTTP/1.1\r\n"))
    );
    let asked = cloud.server.asked();
    for target in [
        "/",
        "/?Action=GetCallerIdentity",
        "/?Action=AssumeRole&Version=2011-06-15",
        "/?Action=GetCallerIdentity&Version=2011-06-15&Action=AssumeRole",
        "/?action=GetCallerIdentity&Version=2011-06-15",
        "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Signature=x",
        "/x?Action=GetCallerIdentity&Version=2011-06-15",
    ] {
        let answer = login(&bench, &get(target), json!({})).await;
        assert_eq!(answer.status, 400, "{target}: {answer:?}");
    }
    let with_body = json!({"iam_request_body": STANDARD.encode(BODY)});
    assert_eq!(login(&bench, &good, with_body).await.status, 400);
    assert_eq!(cloud.server.asked(), asked);
}

#[tokio::test]
async fn another_host_is_never_asked() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({})).await;
    let stranger = Cloud::user();
    let asked = |answer: Answer, what: &str| {
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
    };
    let evil = stranger.server.url("/");
    for url in [
        evil.as_str(),
        "https://evil.example/",
        "https://sts.amazonaws.com@evil.example/",
        "https://sts.amazonaws.com:x@evil.example/",
        "https://evil.example#sts.amazonaws.com/",
        "https://evil.example\\@sts.amazonaws.com/",
        "https://sts.amazonaws.com.evil.example/",
        "https://iam.amazonaws.com/",
        "https://sts.us-west-2.amazonaws.com/",
        "http://sts.amazonaws.com/",
        "//sts.amazonaws.com/",
        "https://sts.amazonaws.com/ HTTP/1.1\r\nHost: evil.example",
        "https://169.254.169.254/",
        "",
    ] {
        let draft = Draft::new(&bench);
        let changes = json!({"iam_request_url": STANDARD.encode(url)});
        asked(login(&bench, &draft, changes).await, url);
    }
    // The host of the header is the one of the URL.
    let draft = Draft::new(&bench);
    let changes = json!({"headers": {"Host": ["evil.example"]}});
    asked(login(&bench, &draft, changes).await, "Host");
    let mut draft = Draft::new(&bench);
    for region in ["us-east-1.evil.example", "evil.example/", "..", ""] {
        draft.region = region;
        asked(login(&bench, &draft, json!({})).await, region);
    }
    assert_eq!((cloud.server.asked(), stranger.server.asked()), (0, 0));
    // A region of the client's choice is a region, and its host is AWS'.
    let bench = cloud
        .mount(json!({"use_sts_region_from_client": true}))
        .await;
    let mut draft = Draft::new(&bench);
    draft.region = "eu-west-1.evil.example";
    draft.url = "https://sts.eu-west-1.evil.example.amazonaws.com/".into();
    asked(login(&bench, &draft, json!({})).await, "region");
    // A region that is set is the only one.
    let bench = cloud.mount(json!({"sts_region": "eu-central-1"})).await;
    let answer = login(&bench, &Draft::new(&bench), json!({})).await;
    assert!(answer.refusal().1.contains("another region"), "{answer:?}");
    assert_eq!(cloud.server.asked(), 0);
}

#[tokio::test]
async fn one_question_is_asked_and_no_other() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({})).await;
    for body in [
        "",
        "Action=GetCallerIdentity",
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15",
        "Action=GetCallerIdentity&Version=2011-06-15&Action=AssumeRole",
        "Action=AssumeRole&Action=GetCallerIdentity&Version=2011-06-15",
        "Action=GetCallerIdentity&Version=2011-06-15&",
        "Action=GetCallerIdentity&Version=2011-06-15\r\n",
        "Action=GetCallerIdentity&Version=2011-06-15&ContentType=JSON",
        "Action=GetCallerIdentity&Version=2010-05-08",
        "action=GetCallerIdentity&Version=2011-06-15",
        "Action=%47etCallerIdentity&Version=2011-06-15",
        "{\"Action\":\"GetCallerIdentity\"}",
    ] {
        let mut draft = Draft::new(&bench);
        draft.body = body;
        let answer = login(&bench, &draft, json!({})).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(
            answer.refusal().1.contains("iam_request_body"),
            "{body}: {answer:?}"
        );
    }
    for url in [
        "https://sts.amazonaws.com/?Action=AssumeRole",
        "https://sts.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
        "https://sts.amazonaws.com/?",
        "https://sts.amazonaws.com/x",
        "https://sts.amazonaws.com//",
        "https://sts.amazonaws.com/;/",
    ] {
        let mut draft = Draft::new(&bench);
        draft.url = url.into();
        let answer = login(&bench, &draft, json!({})).await;
        assert!(
            answer.refusal().1.contains("iam_request_url"),
            "{url}: {answer:?}"
        );
    }
    for method in ["PUT", "post", "POST ", "HEAD", "POST / HTTP/1.1\r\n"] {
        let changes = json!({"iam_http_request_method": method});
        let answer = login(&bench, &Draft::new(&bench), changes).await;
        assert_eq!(answer.status, 400, "{method}");
    }
    for field in [
        "iam_http_request_method",
        "iam_request_url",
        "iam_request_headers",
    ] {
        let answer = login(&bench, &Draft::new(&bench), json!({field: ""})).await;
        assert!(
            answer.refusal().1.contains("missing iam_"),
            "{field}: {answer:?}"
        );
    }
    assert_eq!(cloud.server.asked(), 0);
}

#[tokio::test]
async fn headers_beside_the_list_are_not_carried() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({})).await;
    // Signed, and not on the list.
    for (name, value) in [
        ("X-Forwarded-Host", "evil.example"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "keep-alive"),
        ("X-Amz-Target", "x"),
        ("Content-Encoding", "gzip"),
        ("Accept-Encoding", "gzip"),
        ("Expect", "100-continue"),
    ] {
        let draft = Draft::new(&bench).with(name, value);
        let answer = login(&bench, &draft, json!({})).await;
        assert!(
            answer.refusal().1.contains("does not allow"),
            "{name}: {answer:?}"
        );
    }
    // On the list, with what STS or a proxy would read otherwise.
    for (name, value) in [
        ("Accept", "application/json"),
        ("Content-Length", "44"),
        ("Content-Type", "application/json"),
        ("Content-Type", "application/x-amz-json-1.1"),
        ("User-Agent", "a\tb"),
        ("User-Agent", "a\r\nX-Amz-Target: b"),
        ("User-Agent", "\u{e4}"),
    ] {
        let mut draft = Draft::new(&bench);
        draft.headers.retain(|(own, _)| own != name);
        let answer = login(&bench, &draft.with(name, value), json!({})).await;
        assert!(
            answer.refusal().1.contains("a value that STS"),
            "{name} {value}: {answer:?}"
        );
    }
    // Added behind the signature's back.
    for (name, value, why) in [
        ("x-amz-date", json!("20200101T000000Z"), "twice"),
        ("AUTHORIZATION", json!("x"), "twice"),
        ("X-Amz-Security-Token", json!("x"), "must be signed"),
        ("X-Amz-Date", Value::Null, "must be signed"),
        ("Authorization", Value::Null, "Authorization"),
        ("User-Agent", json!(["a", "b"]), "iam_request_headers"),
        ("User-Agent", json!([]), "iam_request_headers"),
        ("User-Agent", json!({"a": "b"}), "iam_request_headers"),
    ] {
        let answer = login(
            &bench,
            &Draft::new(&bench),
            json!({"headers": {name: value}}),
        )
        .await;
        assert_eq!(answer.status, 400, "{name}");
        assert!(answer.refusal().1.contains(why), "{name}: {answer:?}");
    }
    let signed = Draft::new(&bench).with("User-Agent", "a");
    let answer = login(&bench, &signed, json!({"headers": {"User-Agent": null}})).await;
    assert!(answer.refusal().1.contains("not there"), "{answer:?}");
    assert_eq!(cloud.server.asked(), 0);
    // What is not signed stays here.
    let loose = json!({"headers": {
        "Accept": "application/json", "X-Forwarded-Host": "evil.example", "Content-Length": "3", "Connection": "close",
    }});
    assert!(
        login(&bench, &Draft::new(&bench), loose)
            .await
            .login
            .is_some()
    );
    let head = cloud.last().0.to_ascii_lowercase();
    assert!(
        !head.contains("json") && !head.contains("forwarded"),
        "{head}"
    );
    assert_eq!(head.matches("content-length").count(), 1, "{head}");
    // One more may be allowed.
    let bench = cloud
        .mount(json!({"allowed_sts_header_values": "X-Team"}))
        .await;
    let draft = Draft::new(&bench).with("X-Team", "web");
    assert!(login(&bench, &draft, json!({})).await.login.is_some());
    assert!(cloud.last().0.to_ascii_lowercase().contains("x-team: web"));
}

#[tokio::test]
async fn a_request_for_another_server_is_none_for_this_one() {
    let cloud = Cloud::user();
    let bench = cloud
        .mount(json!({"iam_server_id_header_value": "vault.example"}))
        .await;
    let name = "X-Vault-AWS-IAM-Server-ID";
    let other = Draft::new(&bench).with(name, "other.example");
    let none = Draft::new(&bench);
    let refused = [
        login(&bench, &none, json!({})).await,
        login(&bench, &other, json!({})).await,
        // Put in later: the signature does not cover it.
        login(&bench, &none, json!({"headers": {name: "vault.example"}})).await,
        login(
            &bench,
            &other,
            json!({"headers": {name: "vault.example, other.example"}}),
        )
        .await,
    ];
    for answer in refused {
        assert!(answer.refusal().1.contains("Server-ID"), "{answer:?}");
    }
    // Named as signed in a second list.
    let mut draft = Draft::new(&bench);
    let login_body = draft.login(json!({}));
    let headers = STANDARD
        .decode(login_body["iam_request_headers"].as_str().unwrap())
        .unwrap();
    let headers: Value = serde_json::from_slice(&headers).unwrap();
    let proof = headers["Authorization"][0].as_str().unwrap();
    let doubled = format!("{proof}, SignedHeaders=host;x-vault-aws-iam-server-id");
    let changes = json!({"headers": {name: "vault.example", "Authorization": doubled}});
    assert!(
        login(&bench, &draft, changes)
            .await
            .refusal()
            .1
            .contains("Authorization")
    );
    assert_eq!(cloud.server.asked(), 0);
    draft = draft.with(name, "vault.example");
    assert!(login(&bench, &draft, json!({})).await.login.is_some());
    assert!(
        cloud
            .last()
            .0
            .to_ascii_lowercase()
            .contains("x-vault-aws-iam-server-id: vault.example")
    );
}

#[tokio::test]
async fn a_signature_is_good_for_minutes() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({})).await;
    let draft = Draft::new(&bench);
    bench.clock.advance(Duration::from_secs(14 * 60));
    assert!(login(&bench, &draft, json!({})).await.login.is_some());
    bench.clock.advance(Duration::from_secs(2 * 60));
    let asked = cloud.server.asked();
    assert!(
        login(&bench, &draft, json!({}))
            .await
            .refusal()
            .1
            .contains("15 minutes")
    );
    // Another day than the one that was signed.
    let mut other = Draft::new(&bench);
    other
        .headers
        .iter_mut()
        .find(|(name, _)| name == "X-Amz-Date")
        .unwrap()
        .1 = "yesterday".into();
    assert_eq!(
        login(&bench, &other, json!({"role": "web"})).await.status,
        400
    );
    assert_eq!(cloud.server.asked(), asked);
}

#[tokio::test]
async fn nothing_but_the_answer_of_sts_counts() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({})).await;
    let good = caller("arn:aws:iam::123456789012:user/ada", "AIDAADAADAAD");
    let json = format!(
        "{{\"SubjectFromWebIdentityToken\": \"{}\"}}",
        good.replace('"', "'")
    );
    let large = format!("{good}{}", " ".repeat(70_000));
    for body in [
        json,
        large,
        String::new(),
        "{}".into(),
        good.replace(STS, "x"),
    ] {
        cloud
            .server
            .answers(move |_, to| respond(to, "200 OK", &body));
        assert_eq!(
            login(&bench, &Draft::new(&bench), json!({}))
                .await
                .refusal(),
            DENIED
        );
    }
    for status in ["403 Forbidden", "201 Created", "204 No Content"] {
        let good = good.clone();
        cloud
            .server
            .answers(move |_, to| respond(to, status, &good));
        assert_eq!(
            login(&bench, &Draft::new(&bench), json!({}))
                .await
                .refusal(),
            DENIED
        );
    }
    let stranger = Cloud::user();
    let there = stranger.server.url("/");
    cloud.server.answers(move |_, to| {
        let _ = write!(
            to,
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n"
        );
    });
    assert_eq!(
        login(&bench, &Draft::new(&bench), json!({}))
            .await
            .refusal(),
        DENIED
    );
    assert_eq!(stranger.server.asked(), 0);
    // Another one's answer is another one.
    let eve = caller("arn:aws:iam::123456789012:user/eve", "AIDAEVEEVEEV");
    cloud
        .server
        .answers(move |_, to| respond(to, "200 OK", &eve));
    assert_eq!(
        login(&bench, &Draft::new(&bench), json!({}))
            .await
            .refusal(),
        DENIED
    );
    let other = caller("arn:aws:iam::999999999999:user/ada", "AIDAADAADAAX");
    cloud
        .server
        .answers(move |_, to| respond(to, "200 OK", &other));
    assert_eq!(
        login(&bench, &Draft::new(&bench), json!({}))
            .await
            .refusal(),
        DENIED
    );
}

#[tokio::test]
async fn a_busy_sts_is_asked_again() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({"max_retries": 2})).await;
    let left = Mutex::new(2);
    let good = caller("arn:aws:iam::123456789012:user/ada", "AIDAADAADAAD");
    cloud.server.answers(move |_, to| {
        let mut left = left.lock().unwrap();
        if *left == 0 {
            return respond(to, "200 OK", &good);
        }
        *left -= 1;
        respond(to, "503 Service Unavailable", "");
    });
    assert!(
        login(&bench, &Draft::new(&bench), json!({}))
            .await
            .login
            .is_some()
    );
    assert_eq!(cloud.server.asked(), 3);
    cloud
        .server
        .answers(|_, to| respond(to, "503 Service Unavailable", ""));
    assert_eq!(
        login(&bench, &Draft::new(&bench), json!({}))
            .await
            .refusal(),
        DENIED
    );
    assert_eq!(cloud.server.asked(), 6);
    // A refusal is final.
    cloud
        .server
        .answers(|_, to| respond(to, "403 Forbidden", ""));
    assert_eq!(
        login(&bench, &Draft::new(&bench), json!({}))
            .await
            .refusal(),
        DENIED
    );
    assert_eq!(cloud.server.asked(), 7);
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

#[tokio::test]
async fn a_name_means_whoever_had_it_when_the_role_was_written() {
    let cloud = shop("AROAWEBWEBWE");
    let bench = cloud.mount(keys()).await;
    let named = json!({"bound_iam_principal_arn": "arn:aws:iam::123456789012:role/shop/web"});
    assert_eq!(bench.write("role/named", named).await.status, 204);
    let (head, body) = cloud.last();
    assert_eq!(body, "Action=GetRole&Version=2010-05-08&RoleName=web");
    assert!(
        head.contains("Credential=AKIAIOSFODNN7EXAMPLE/")
            && head.contains("/us-east-1/iam/aws4_request"),
        "{head}"
    );
    let shown = bench.read("role/named").await.data;
    assert_eq!(shown["bound_iam_principal_id"], json!(["AROAWEBWEBWE"]));
    assert_eq!(shown["resolve_aws_unique_ids"], json!(true));
    let draft = Draft::new(&bench);
    assert!(
        login(&bench, &draft, json!({"role": "named"}))
            .await
            .login
            .is_some()
    );
    // The name of the role in AWS finds ours where none is said.
    let role = json!({"bound_iam_principal_arn": "arn:aws:iam::123456789012:role/*"});
    assert_eq!(bench.write("role/web", role).await.status, 204);
    assert!(
        login(&bench, &draft, json!({"role": ""}))
            .await
            .login
            .is_some()
    );
    // Made again under its name it is somebody else.
    let again = shop("AROAWEBAGAIN");
    let sts = caller(SESSION, "AROAWEBAGAIN:i-1");
    drop(again);
    cloud
        .server
        .answers(move |_, to| respond(to, "200 OK", &sts));
    assert_eq!(
        login(&bench, &draft, json!({"role": "named"}))
            .await
            .refusal(),
        DENIED
    );
}

#[tokio::test]
async fn a_pattern_is_held_to_the_whole_arn_of_the_same_account() {
    let cloud = shop("AROAWEBWEBWE");
    let bench = cloud.mount(keys()).await;
    let draft = Draft::new(&bench);
    let after = async |pattern: &str| {
        let role = json!({"bound_iam_principal_arn": pattern, "resolve_aws_unique_ids": true});
        assert_eq!(bench.write("role/p", role).await.status, 204);
        let before = cloud.server.asked();
        let admitted = login(&bench, &draft, json!({"role": "p"}))
            .await
            .login
            .is_some();
        (admitted, cloud.server.asked() - before)
    };
    // Without a question to IAM where no path could matter.
    assert_eq!(after("arn:aws:iam::123456789012:*").await, (true, 1));
    assert_eq!(after("arn:aws:iam::123456789012:role/*").await, (true, 1));
    assert_eq!(after("arn:aws:iam::123456789012:user/*").await, (false, 1));
    assert_eq!(after("arn:aws:iam::999999999999:role/*").await, (false, 1));
    assert_eq!(
        after("arn:aws:iam::123456789012:role/shop/*").await,
        (true, 2)
    );
    // The name alone would fit.
    assert_eq!(
        after("arn:aws:iam::123456789012:role/we*").await,
        (false, 2)
    );
    assert_eq!(
        after("arn:aws:iam::123456789012:role/*/web*").await,
        (true, 2)
    );
    // Who asks IAM about a role of another account hears of his own: it has another id.
    let id = caller(SESSION, "AROAOTHEROTH:i-1");
    let iam = known(
        "Role",
        "arn:aws:iam::123456789012:role/shop/web",
        "AROAWEBWEBWE",
    );
    cloud.server.answers(move |asked, to| {
        let answer = if asked.body == BODY { &id } else { &iam };
        respond(to, "200 OK", answer);
    });
    assert_eq!(
        after("arn:aws:iam::123456789012:role/shop/*").await,
        (false, 2)
    );
    let other = caller(
        "arn:aws:sts::999999999999:assumed-role/web/i-1",
        "AROAWEBWEBWE:i-1",
    );
    let iam = known(
        "Role",
        "arn:aws:iam::123456789012:role/shop/web",
        "AROAWEBWEBWE",
    );
    cloud.server.answers(move |asked, to| {
        let answer = if asked.body == BODY { &other } else { &iam };
        respond(to, "200 OK", answer);
    });
    assert_eq!(
        after("arn:aws:iam::999999999999:role/shop/*").await,
        (false, 2)
    );
}

#[tokio::test]
async fn roles_say_what_they_cannot() {
    let cloud = shop("AROAWEBWEBWE");
    let bench = cloud.mount(keys()).await;
    let arn = "arn:aws:iam::123456789012:user/ada";
    let with = |more: Value| {
        let mut role = json!({"bound_iam_principal_arn": arn});
        merge(&mut role, more);
        role
    };
    for (role, why) in [
        (json!({}), "at least one bound parameter"),
        (
            with(json!({"auth_type": "ec2"})),
            "not served: auth_type=ec2",
        ),
        (with(json!({"auth_type": "x"})), "expected iam"),
        (
            with(json!({"inferred_entity_type": "ec2_instance"})),
            "inferred_entity_type",
        ),
        (
            with(json!({"inferred_aws_region": "eu-west-1"})),
            "inferred_aws_region",
        ),
        (
            with(json!({"bound_account_id": "123456789012"})),
            "bound_account_id",
        ),
        (with(json!({"role_tag": "x"})), "role_tag"),
        (
            with(json!({"disallow_reauthentication": true})),
            "disallow_reauthentication",
        ),
        (
            json!({"bound_iam_principal_arn": "*"}),
            "begins with one account",
        ),
        (
            json!({"bound_iam_principal_arn": "arn:aws:iam::*:role/web"}),
            "ends with *",
        ),
        (
            json!({"bound_iam_principal_arn": "arn:aws:iam::123456789012:root"}),
            "expected ARNs",
        ),
        (
            json!({"bound_iam_principal_arn": "arn:aws:iam::123456789012:user/nobody"}),
            "status 404 (NoSuchEntity)",
        ),
        (
            json!({"bound_iam_principal_arn": "arn:aws:iam::123456789012:role/far"}),
            "names somebody else",
        ),
        (
            json!({"bound_iam_principal_arn": "arn:aws:iam::123456789012:role/web"}),
            "nobody of this name at this path",
        ),
        (
            json!({"bound_iam_principal_arn": "arn:aws:iam::123456789012:user/x/ada", "resolve_aws_unique_ids": false}),
            "has no path",
        ),
        (
            with(json!({"token_ttl": "2h", "token_max_ttl": "1h"})),
            "token_ttl",
        ),
    ] {
        let answer = bench.write("role/bad", role.clone()).await;
        assert_eq!(answer.status, 400, "{role}: {answer:?}");
        assert!(answer.refusal().1.contains(why), "{role}: {answer:?}");
    }
    assert_eq!(bench.read("role/bad").await.status, 404);
    let good = with(json!({"token_ttl": "1h", "auth_type": "iam", "inferred_entity_type": ""}));
    assert_eq!(bench.write("role/Good", good).await.status, 204);
    let back = bench
        .write("role/good", json!({"resolve_aws_unique_ids": false}))
        .await;
    assert!(back.refusal().1.contains("from true to false"), "{back:?}");
    let shown = bench.read("role/good").await.data;
    assert_eq!(
        (&shown["token_ttl"], &shown["auth_type"]),
        (&json!(3600), &json!("iam"))
    );
    for path in ["role", "roles"] {
        assert_eq!(bench.list(path).await.data["keys"], json!(["good", "web"]));
    }
    assert_eq!(bench.delete("role/good").await.status, 204);
    assert_eq!(bench.read("role/good").await.status, 404);
    // Without credentials nothing is resolved, and the words say what to do.
    let bench = cloud.mount(json!({})).await;
    let answer = bench.write("role/x", with(json!({}))).await;
    assert!(
        answer.refusal().1.contains("access_key and secret_key"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_renewal_asks_whether_the_role_is_still_theirs() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({})).await;
    let who = login(&bench, &Draft::new(&bench), json!({}))
        .await
        .login
        .unwrap();
    let mut entry = token("a");
    entry.binding = who.binding;
    assert!(bench.engine.renew(&bench.view, &entry).await.is_ok());
    let bind = |arn: &str| json!({"bound_iam_principal_arn": arn});
    let other = bind("arn:aws:iam::123456789012:user/eve");
    assert_eq!(bench.write("role/web", other).await.status, 204);
    let refused = bench.engine.renew(&bench.view, &entry).await.unwrap_err();
    assert_eq!(refused.public(), "permission denied");
    let all = bind("arn:aws:iam::123456789012:user/*");
    assert_eq!(bench.write("role/web", all.clone()).await.status, 204);
    assert!(bench.engine.renew(&bench.view, &entry).await.is_ok());
    // Made again under its name it is another role.
    assert_eq!(bench.delete("role/web").await.status, 204);
    assert!(bench.engine.renew(&bench.view, &entry).await.is_err());
    assert_eq!(bench.write("role/web", all).await.status, 204);
    assert!(bench.engine.renew(&bench.view, &entry).await.is_err());
}

#[tokio::test]
async fn the_configuration_is_read_back_without_its_secret() {
    let bench = Bench::new(Aws::default(), &[]).await;
    assert_eq!(bench.read("config/client").await.status, 404);
    let written = json!({
        "access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "canary-own-secret", "iam_endpoint": "https://iam.example",
        "sts_endpoint": "https://sts.example:8443", "sts_region": "eu-central-1", "use_sts_region_from_client": true,
        "iam_server_id_header_value": "vault.example", "allowed_sts_header_values": ["X-Custom-Header", "x-team"],
        "max_retries": 5,
    });
    assert_eq!(
        bench.write("config/client", written.clone()).await.status,
        204
    );
    let shown = bench.read("config/client").await.data;
    assert!(!shown.to_string().contains("canary"), "{shown}");
    for (name, value) in written.as_object().unwrap() {
        let expected = match name.as_str() {
            "secret_key" => Value::Null,
            "allowed_sts_header_values" => json!(["X-Custom-Header", "X-Team"]),
            _ => value.clone(),
        };
        assert_eq!(shown[name], expected, "{name}");
    }
    // What is not named stays.
    assert_eq!(
        bench
            .write("config/client", json!({"max_retries": "-1"}))
            .await
            .status,
        204
    );
    let shown = bench.read("config/client").await.data;
    assert_eq!(
        (&shown["max_retries"], &shown["sts_region"]),
        (&json!(-1), &json!("eu-central-1"))
    );
    for (change, why) in [
        (
            json!({"sts_endpoint": "http://sts.example"}),
            "sts_endpoint",
        ),
        (
            json!({"sts_endpoint": "https://sts.example/path"}),
            "without a path",
        ),
        (
            json!({"sts_endpoint": "https://user@sts.example"}),
            "sts_endpoint",
        ),
        (json!({"iam_endpoint": "ftp://x"}), "iam_endpoint"),
        (
            json!({"sts_region": "eu-central-1.evil.example"}),
            "sts_region",
        ),
        (json!({"max_retries": 11}), "max_retries"),
        (json!({"max_retries": -2}), "max_retries"),
        (
            json!({"allowed_sts_header_values": "Host"}),
            "allowed_sts_header_values",
        ),
        (
            json!({"allowed_sts_header_values": "Accept"}),
            "allowed_sts_header_values",
        ),
        (
            json!({"allowed_sts_header_values": "a\r\nb"}),
            "allowed_sts_header_values",
        ),
        (
            json!({"iam_server_id_header_value": "a\nb"}),
            "iam_server_id_header_value",
        ),
        (json!({"access_key": "a b"}), "access_key"),
        (
            json!({"endpoint": "https://ec2.example"}),
            "not served: endpoint",
        ),
        (json!({"role_arn": "arn"}), "not served: role_arn"),
        (json!({"rotation_period": 60}), "not served: rotation"),
    ] {
        let answer = bench.write("config/client", change.clone()).await;
        assert_eq!(answer.status, 400, "{change}: {answer:?}");
        assert!(answer.refusal().1.contains(why), "{change}: {answer:?}");
    }
    assert_eq!(bench.delete("config/client").await.status, 204);
    assert_eq!(bench.read("config/client").await.status, 404);
}

#[tokio::test]
async fn an_alias_is_named_as_the_configuration_says() {
    let cloud = shop("AROAWEBWEBWE");
    let bench = cloud.mount(json!({})).await;
    let role = json!({"bound_iam_principal_arn": "arn:aws:iam::123456789012:role/*"});
    assert_eq!(bench.write("role/web", role).await.status, 204);
    let shown = bench.read("config/identity").await.data;
    let usual = json!(["account_id", "auth_type"]);
    assert_eq!(
        shown,
        json!({"ec2_alias": "role_id", "ec2_metadata": usual, "iam_alias": "role_id", "iam_metadata": usual})
    );
    for (alias, name) in [
        ("unique_id", "AROAWEBWEBWE"),
        ("canonical_arn", "arn:aws:iam::123456789012:role/web"),
        ("full_arn", SESSION),
    ] {
        let change =
            json!({"iam_alias": alias, "iam_metadata": "default,client_arn,client_user_id"});
        assert_eq!(bench.write("config/identity", change).await.status, 204);
        let who = login(&bench, &Draft::new(&bench), json!({}))
            .await
            .login
            .unwrap();
        let known = who.alias.unwrap();
        assert_eq!(known.name, name);
        assert_eq!(known.metadata["client_arn"], SESSION);
        assert_eq!(known.metadata["client_user_id"], "AROAWEBWEBWE");
        assert_eq!(who.display_name, "web");
    }
    for (change, why) in [
        (json!({"iam_alias": "x"}), "iam_alias"),
        (json!({"iam_metadata": "x"}), "iam_metadata"),
        (json!({"iam_metadata": "inferred_entity_id"}), "inferred"),
        (json!({"ec2_alias": "image_id"}), "ec2_alias"),
    ] {
        let answer = bench.write("config/identity", change).await;
        assert!(answer.refusal().1.contains(why), "{answer:?}");
    }
    // Vault's own values of what is not served change nothing.
    let same = json!({"ec2_alias": "role_id", "ec2_metadata": "default"});
    assert_eq!(bench.write("config/identity", same).await.status, 204);
    assert_eq!(
        bench.read("config/identity").await.data["iam_alias"],
        "full_arn"
    );
}

#[tokio::test]
async fn logins_of_instances_are_refused_by_name() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({})).await;
    for field in ["pkcs7", "identity", "signature"] {
        let answer = bench
            .write("login", json!({"role": "web", field: "x"}))
            .await;
        assert!(answer.refusal().1.contains("not served"), "{answer:?}");
    }
    let draft = Draft::new(&bench);
    let unknown = login(&bench, &draft, json!({"role": "nobody"})).await;
    assert_eq!(unknown.refusal(), (400, "entry for role not found"));
    assert_eq!(cloud.server.asked(), 0);
    let near = json!({"token_bound_cidrs": "10.0.0.0/8"});
    assert_eq!(bench.write("role/web", near).await.status, 204);
    assert_eq!(login(&bench, &draft, json!({})).await.refusal(), DENIED);
    assert_eq!(cloud.server.asked(), 0);
}
