use super::*;
use cofferdam_secret::Secret;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Lines a real OpenBao 2.7.2 wrote.
const SAMPLE: &str = include_str!("sample.jsonl");

fn salt() -> Salt {
    Salt::new(&Secret::new([5; 32]))
}

fn text(record: &Record) -> String {
    format!(
        "{}}}",
        String::from_utf8(record.text(Names::Hashed).to_vec()).unwrap()
    )
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Every hash alike, times alike, and without what we leave out on purpose.
fn comparable(line: &str) -> String {
    let mut out = line.trim_end().to_owned();
    for (start, stop) in [
        ("\"client_id\":\"", "\","),
        ("\"mount_running_version\":\"", "\","),
        ("\"mount_running_plugin_version\":\"", "\","),
        ("\"entity_created\":", ","),
    ] {
        while let Some(at) = out.find(start) {
            let end = at + start.len() + out[at + start.len()..].find(stop).unwrap() + stop.len();
            out.replace_range(at..end, "");
        }
    }
    let time = out.find("\"time\":\"").unwrap() + 8;
    let end = time + out[time..].find('"').unwrap();
    out.replace_range(time..end, "TIME");
    let mut parts = out.split("hmac-sha256:");
    let mut done = parts.next().unwrap().to_owned();
    for part in parts {
        assert!(part.as_bytes()[..64].iter().all(u8::is_ascii_hexdigit));
        done.push_str("HASH");
        done.push_str(&part[64..]);
    }
    // A value we hash and OpenBao does not: it knows times by their Go type, we do not guess.
    let plain = done.find("\"created_time\":\"20").map(|at| at + 16);
    if let Some(at) = plain {
        let end = at + done[at..].find('"').unwrap();
        done.replace_range(at..end, "HASH");
    }
    done
}

const KV: (&str, &str, &str, &str) = ("secret/", "kv", "kv_9bd4ad32", "secret");

fn mount(mount: (&str, &str, &str, &str)) -> MountFragment {
    MountFragment::new(mount.0, mount.1, mount.2, mount.3)
}

struct Known {
    policies: Vec<String>,
    metadata: BTreeMap<String, String>,
}

impl Known {
    fn new(policies: &[&str], metadata: &[(&str, &str)]) -> Self {
        let pairs = metadata
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Self {
            policies: words(policies),
            metadata: pairs.collect(),
        }
    }

    fn facts<'a>(&'a self, display_name: &'a str, issued: &'a str) -> TokenFacts<'a> {
        TokenFacts {
            client_token: "s.token",
            accessor: "accessor",
            display_name,
            policies: &self.policies,
            token_policies: &self.policies,
            metadata: &self.metadata,
            entity_id: "",
            token_type: "service",
            num_uses: 0,
            token_ttl: 0,
            token_issue_time: issued,
        }
    }
}

fn request<'a>(caller: Caller<'a>, mount: &'a MountFragment) -> Request<'a> {
    Request {
        caller,
        verdict: None,
        remaining_uses: 0,
        id: "",
        operation: "read",
        mount: Some(mount),
        path: "secret/data/app",
        data: None,
        remote_address: "127.0.0.1",
        remote_port: 1,
        wrap_ttl: 0,
        headers: &[],
    }
}

fn json<'a>(json: &'a str) -> Option<Payload<'a>> {
    Some(Payload::Json {
        json: json.as_bytes(),
        plain: &[],
        names: Names::Hashed,
    })
}

const fn allowed<'a>(granting: &'a [&'a str]) -> Option<Verdict<'a>> {
    Some(Verdict {
        allowed: true,
        granting,
    })
}

/// The records OpenBao wrote, made by us from the same facts.
fn ours() -> Vec<Record> {
    let salt = salt();
    let root = Known::new(&["root"], &[]);
    let root = root.facts("token", "2026-11-23T20:29:36Z");
    let root = TokenFragment::new(&salt, &root);
    let limited = Known::new(&["default", "p"], &[("k", "v")]);
    let issued = TokenFacts {
        num_uses: 3,
        token_ttl: 3600,
        ..limited.facts("token-x", "2026-11-23T20:29:41Z")
    };
    let limited = TokenFragment::new(&salt, &issued);
    let bob = Known::new(&["default"], &[("username", "bob")]);
    let login = TokenFacts {
        entity_id: "fcb365ea-0c3b-7fad-60a3-f117c70af024",
        token_ttl: 2_764_800,
        ..bob.facts("userpass-bob", "")
    };
    let kv = mount(KV);
    let early = mount((KV.0, KV.1, "", KV.3));
    let userpass = mount((
        "auth/userpass/",
        "userpass",
        "auth_userpass_a404e7ad",
        "auth",
    ));
    let tokens = mount(("auth/token/", "token", "auth_token_f58783b6", "auth"));
    let intent = |request: Request<'_>| Intent::new(&salt, &request).unwrap();
    let by_root = request(Caller::Token(&root), &kv);
    let by_limited = request(Caller::Token(&limited), &early);

    let write = intent(Request {
        verdict: allowed(&["root"]),
        id: "2d8bdf95-ead6-682a-0e1e-b1d0a9efdc47",
        operation: "create",
        path: "secret/data/num",
        data: json(
            r#"{"data":{"b":true,"big":1.2345678901234568e+29,"f":1.5,"i":5,"l":["x",1,{"y":"z"}],"z":null},"options":{"cas":0}}"#,
        ),
        remote_port: 52552,
        headers: &[Header {
            name: "user-agent",
            values: &["ua"],
            hashed: false,
        }],
        ..by_root
    });
    let read = intent(Request {
        verdict: allowed(&["p"]),
        remaining_uses: 3,
        id: "c8739dff-c57d-b111-12ec-b6c26dbf6ae0",
        remote_port: 53256,
        mount: Some(&kv),
        ..by_limited
    });
    let data = r#"{"data":{"a":"hello","n":"5"},"metadata":{"created_time":"2026","custom_metadata":null,"deletion_time":"","destroyed":false,"version":1}}"#;
    let read = read.response(
        &salt,
        1,
        &Response {
            data: json(data),
            ..Response::default()
        },
    );
    let denied = intent(Request {
        verdict: Some(Verdict {
            allowed: false,
            granting: &[],
        }),
        remaining_uses: 2,
        id: "fe8e35f3-e33b-242a-4def-1ced53a7c4d2",
        operation: "delete",
        remote_port: 53264,
        ..by_limited
    });
    let stranger = intent(Request {
        id: "b46055e6-41bd-43b2-70e6-6417324c4c82",
        remote_port: 53202,
        ..request(Caller::Stranger("bad"), &early)
    });
    let logging_in = intent(Request {
        verdict: allowed(&[]),
        id: "708c34b7-b86a-44f1-8846-a78794099d7a",
        operation: "update",
        path: "auth/userpass/login/bob",
        data: json(r#"{"password":"pw"}"#),
        remote_port: 53188,
        ..request(Caller::Nobody, &userpass)
    });
    let logged_in = Response {
        auth: Some(&login),
        ..Response::default()
    };
    let wrapping = intent(Request {
        verdict: allowed(&["root"]),
        id: "17eefefc-8bce-1f2d-1eba-fb1df9426c1e",
        remote_port: 53196,
        wrap_ttl: 60,
        ..by_root
    });
    let wrap = Wrap {
        ttl: 60,
        token: "s.wrap",
        accessor: "wrap accessor",
        creation_time: "2026-11-23T20:29:41.815354239Z",
        creation_path: "secret/data/app",
        wrapped_accessor: None,
    };
    let wrapping = wrapping.response(
        &salt,
        1,
        &Response {
            wrap: Some(wrap),
            ..Response::default()
        },
    );
    let creating = intent(Request {
        verdict: allowed(&["root"]),
        id: "47bbeceb-32a0-0787-7cd6-6e485f8ddda3",
        operation: "update",
        mount: Some(&tokens),
        path: "auth/token/create",
        data: json(
            r#"{"display_name":"x","meta":{"k":"v"},"num_uses":3,"policies":["p"],"ttl":"1h"}"#,
        ),
        remote_port: 53240,
        ..by_root
    });
    let creating = creating.response(
        &salt,
        1,
        &Response {
            auth: Some(&issued),
            ..Response::default()
        },
    );
    vec![
        write.request(1, None),
        read.unwrap(),
        denied.request(1, Some("1 error occurred:\n\t* permission denied\n\n")),
        stranger.request(1, Some("permission denied")),
        logging_in.request(1, None),
        logging_in.response(&salt, 1, &logged_in).unwrap(),
        wrapping.unwrap(),
        creating.unwrap(),
    ]
}

#[test]
fn records_are_those_of_a_real_server_field_for_field() {
    let sample: Vec<_> = SAMPLE.lines().map(comparable).collect();
    let ours: Vec<_> = ours()
        .iter()
        .map(|record| comparable(&text(record)))
        .collect();
    assert_eq!(sample.len(), ours.len());
    for (theirs, ours) in sample.iter().zip(&ours) {
        assert_eq!(ours, theirs);
    }
}

#[test]
fn equal_values_have_equal_hashes_and_no_value_is_readable() {
    let salt = salt();
    let json = br#"{"a":"canary","b":["can\u0061ry"],"c":{"canary2":"other"},"n":17,"e":""}"#;
    let fragment = Fragment::redact(&salt, json, &[]).unwrap();
    let redacted = std::str::from_utf8(fragment.json(&salt).unwrap()).unwrap();
    let canary = salt.hash_value(b"canary");
    assert_eq!(redacted.matches(canary.as_str()).count(), 2);
    assert!(!redacted.contains("\"canary\"") && !redacted.contains("other"));
    assert!(redacted.contains("\"n\":17") && redacted.contains("\"canary2\":"));
    // Known answer: HMAC-SHA256 with key 05×32 over "canary".
    assert_eq!(canary.as_str(), known_answer());
}

fn known_answer() -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&[5; 32]).unwrap();
    mac.update(b"canary");
    format!("hmac-sha256:{}", hex::encode(mac.finalize().into_bytes()))
}

#[test]
fn listed_top_level_fields_stay_readable() {
    let salt = salt();
    let json = br#"{"role":["web",{"x":"y"}],"secret":"s","deep":{"role":"hidden"}}"#;
    let fragment = Fragment::redact(&salt, json, &words(&["role"])).unwrap();
    let redacted = std::str::from_utf8(fragment.json(&salt).unwrap()).unwrap();
    assert!(redacted.starts_with(r#"{"role":["web",{"x":"y"}],"secret":"hmac-sha256:"#));
    assert!(!redacted.contains("hidden"));
}

/// What `elide_list_responses` asks for, as OpenBao writes it.
#[test]
fn names_are_counted_where_a_device_wants_it() {
    let salt = salt();
    let counted = |json: &str| {
        let mut out = Vec::new();
        redact(
            &salt,
            json.as_bytes(),
            &words(&["keys"]),
            Names::Counted,
            &mut out,
        )
        .unwrap();
        String::from_utf8(out).unwrap()
    };
    let list = r#"{"keys":["a","b",{"c":["d"]}],"key_info":{"a":{"x":[1,2]},"b":null},"n":1}"#;
    assert_eq!(counted(list), r#"{"keys":3,"key_info":2,"n":1}"#);
    assert_eq!(
        counted(r#"{"keys":[],"key_info":{}}"#),
        r#"{"keys":0,"key_info":0}"#
    );
    // Only what lists are made of, and only there.
    let others = counted(r#"{"keys":"a","deep":{"keys":["b"]},"more":["c"]}"#);
    let hashed = |value: &str| salt.hash_value(value.as_bytes()).as_str().to_owned();
    let (b, c) = (hashed("b"), hashed("c"));
    let wanted = format!(r#"{{"keys":"a","deep":{{"keys":["{b}"]}},"more":["{c}"]}}"#);
    assert_eq!(others, wanted);
}

/// A long list is not copied into its record, and nobody can see that in the line.
#[test]
fn long_data_is_shared_and_reads_like_any_other() {
    let (salt, kv) = (salt(), mount(KV));
    let names: Vec<_> = (0..500).map(|n| format!("\"name-{n}\"")).collect();
    let json = format!("{{\"keys\":[{}]}}", names.join(","));
    let fragment = Fragment::redact(&salt, json.as_bytes(), &[]).unwrap();
    let warnings = words(&["told"]);
    let request = request(Caller::Nobody, &kv);
    let line = |data| {
        let response = Response {
            data: Some(data),
            warnings: &warnings,
            error: Some("and an error"),
            ..Response::default()
        };
        let intent = Intent::new(&salt, &request).unwrap();
        intent.response(&salt, 1, &response).unwrap()
    };
    let shared = line(Payload::Ready(&fragment));
    let copied = line(Payload::Json {
        json: json.as_bytes(),
        plain: &[],
        names: Names::Hashed,
    });
    assert_eq!(text(&shared), text(&copied));
    let parts = |record: &Record| record.text(Names::Hashed).parts().count();
    assert_eq!((parts(&shared), parts(&copied)), (3, 1));
    let kept = fragment.json(&salt).unwrap().as_ptr();
    assert!(
        shared
            .text(Names::Hashed)
            .parts()
            .any(|part| part.as_ptr() == kept)
    );
    let read: serde_json::Value = serde_json::from_str(&text(&shared)).unwrap();
    let keys = read["response"]["data"]["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 500);
    assert_eq!(keys[7], salt.hash_value(b"name-7").as_str());
}

#[test]
fn fragment_of_another_salt_is_refused() {
    let (old, new) = (salt(), Salt::new(&Secret::new([6; 32])));
    let fragment = Fragment::redact(&old, b"{\"a\":\"b\"}", &[]).unwrap();
    assert_eq!(fragment.json(&new), Err(Unrecordable::StaleFragment));
    let known = Known::new(&["p"], &[]);
    let token = TokenFragment::new(&old, &known.facts("t", ""));
    let kv = mount(KV);
    let intent = Intent::new(&new, &request(Caller::Token(&token), &kv));
    assert_eq!(intent.err(), Some(Unrecordable::StaleFragment));
}

#[test]
fn data_that_is_not_json_makes_no_record() {
    let kv = mount(KV);
    for bad in ["{\"a\":\"canary", "{\"a\":1}}", "", "canary"] {
        let intent = Intent::new(
            &salt(),
            &Request {
                data: json(bad),
                ..request(Caller::Nobody, &kv)
            },
        );
        assert!(
            matches!(intent.err(), Some(Unrecordable::NotJson { .. })),
            "{bad}"
        );
    }
}

/// LOG-5: whatever is in a name, a path or a header, an event stays one line that a terminal shows
/// as it is, and the text comes back whole.
#[test]
fn hostile_text_stays_inside_its_record() {
    let hostile = "a\nb\r\n\u{1b}[31m%s\u{85}\u{2028}\u{2029}\u{7f}\"},{\"type\":\"request\"";
    let salt = salt();
    let known = Known::new(&[hostile], &[(hostile, hostile)]);
    let token = TokenFragment::new(&salt, &known.facts(hostile, ""));
    let kv = mount((hostile, hostile, hostile, "secret"));
    let data = serde_json::json!({ hostile: [hostile], "plain": hostile }).to_string();
    let plain = words(&["plain"]);
    let intent = Intent::new(
        &salt,
        &Request {
            verdict: allowed(&[hostile]),
            id: hostile,
            path: hostile,
            data: Some(Payload::Json {
                json: data.as_bytes(),
                plain: &plain,
                names: Names::Hashed,
            }),
            remote_address: hostile,
            headers: &[Header {
                name: hostile,
                values: &[hostile],
                hashed: false,
            }],
            ..request(Caller::Token(&token), &kv)
        },
    );
    let warnings = words(&[hostile]);
    let response = Response {
        data: json(&data),
        warnings: &warnings,
        error: Some(hostile),
        ..Response::default()
    };
    let record = intent.unwrap().response(&salt, 1, &response).unwrap();
    let line = text(&record);
    assert!(!line.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')));
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["request"]["path"], hostile);
    assert_eq!(value["request"]["data"]["plain"], hostile);
    assert_eq!(value["auth"]["metadata"][hostile], hostile);
    assert_eq!(value["request"]["headers"][hostile][0], hostile);
    assert_eq!(value["type"], "response");
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// What the transform means, on a tree.
fn hashed(value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => salt().hash_value(text.as_bytes()).as_str().into(),
        Value::Array(list) => list.iter().map(hashed).collect(),
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), hashed(v))).collect(),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn transform_equals_its_meaning_on_a_tree(value in any_json()) {
        for json in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let fragment = Fragment::redact(&salt(), json.as_bytes(), &[]).unwrap();
            let ours: serde_json::Value =
                serde_json::from_slice(fragment.json(&salt()).unwrap()).unwrap();
            prop_assert_eq!(&ours, &hashed(&value));
        }
    }
}
