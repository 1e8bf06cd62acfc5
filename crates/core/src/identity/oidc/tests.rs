//! Templates, signatures and what passes for one.

use super::config::is_origin;
use super::introspect::judge;
use super::signing::{Algorithm, Pair};
use super::template::{Malformed, Template};
use crate::clock::Time;
use crate::identity::Entity;
use crate::identity::store::Subject;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};

fn holder(metadata: &[(&str, &str)]) -> Subject {
    let now = Time::from_nanos(0);
    let mut entity = Entity::new("ada".to_owned(), now);
    let pairs = metadata.iter();
    entity.metadata = pairs
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    Subject {
        entity,
        direct: Vec::new(),
        inherited: Vec::new(),
    }
}

const NOW: Time = Time::from_nanos(1_000_000_000_000);

fn filled(text: &str, holder: &Subject) -> Value {
    Value::Object(Template::parse(text).unwrap().fill(holder, NOW))
}

#[test]
fn values_stand_where_a_template_names_them() {
    let holder = holder(&[("team", "web")]);
    let text = r#"{"name": {{identity.entity.name}}, "in": [{"team": {{ identity.entity.metadata.team }}}],
        "all": {{identity.entity.metadata}}, "groups": {{identity.entity.groups.names}},
        "none": {{identity.entity.metadata.other}}, "alias": {{identity.entity.aliases.a_1.custom_metadata.x}},
        "then": {{time.now}}, "later": {{time.now.plus.1h}}, "before": {{time.now.minus.10s}}, "n": 7}"#;
    assert_eq!(
        filled(text, &holder),
        json!({
            "name": "ada", "in": [{"team": "web"}], "all": {"team": "web"}, "groups": [], "none": "",
            "alias": "", "then": 1000, "later": 4600, "before": 990, "n": 7,
        })
    );
    assert_eq!(filled("", &holder), json!({}));
}

#[test]
fn no_metadata_breaks_out_of_its_value() {
    let attacks = [
        r#"", "sub": "root", "x": ""#,
        r#"\", \"admin\": true, \"x\": \""#,
        "\"}],\"admin\":true,\"x\":[{\"y\":\"",
        "{{identity.entity.id}}",
        "\u{0}\u{1f}\u{2028}\u{7f}",
        "\\",
        "0",
    ];
    for attack in attacks {
        let holder = holder(&[("team", attack), (attack, "v")]);
        let text =
            r#"{"team": {{identity.entity.metadata.team}}, "all": {{identity.entity.metadata}}}"#;
        let claims = filled(text, &holder);
        assert_eq!(claims["team"], attack);
        assert_eq!(claims.as_object().unwrap().len(), 2, "{attack}");
        assert_eq!(claims["all"].as_object().unwrap().len(), 2, "{attack}");
    }
}

#[test]
fn what_is_no_template_is_refused() {
    let cases = [
        (r#"{"a": {{identity.entity.name}"#, Malformed::Braces),
        (r#"{"a": }}"#, Malformed::Braces),
        (r#"{"a": {{identity.entity.surname}}}"#, Malformed::Unknown),
        (
            r#"{"a": {{identity.groups.names.g.id}}}"#,
            Malformed::Unknown,
        ),
        (
            r#"{"a": {{identity.entity.custom_metadata.x}}}"#,
            Malformed::Unknown,
        ),
        (r#"{"a": {{time.then}}}"#, Malformed::Unknown),
        (r#"{"a": "x {{identity.entity.name}}"}"#, Malformed::Json),
        (r#"{ {{identity.entity.name}}: 1}"#, Malformed::Json),
        (
            r#"{"a": [{ {{identity.entity.name}}: 1}]}"#,
            Malformed::Json,
        ),
        (r#"["a"]"#, Malformed::Json),
        ("{", Malformed::Json),
        (r#"{"sub": "x"}"#, Malformed::Reserved("sub")),
        (r#"{"\u0069ss": "x"}"#, Malformed::Reserved("iss")),
    ];
    for (text, expected) in cases {
        assert_eq!(Template::parse(text).unwrap_err(), expected, "{text}");
    }
}

#[test]
fn every_algorithm_signs_and_only_its_own_key_believes_it() {
    let other = Pair::generate(Algorithm::ES256).unwrap();
    for algorithm in Algorithm::ALL {
        let pair = Pair::generate(algorithm).unwrap();
        // As the barrier would keep it.
        let stored = serde_json::to_string(&pair).unwrap();
        let pair: Pair = serde_json::from_str(&stored).unwrap();
        let token = pair.sign(&json!({"sub": "x"})).unwrap();
        let token = token.expose();
        let keys = [other.public.clone(), pair.public.clone()];
        assert_eq!(judge(token, &keys).unwrap()["sub"], "x", "{algorithm:?}");
        assert!(judge(token, &keys[..1]).is_err());
        let published = serde_json::to_value(&pair.public).unwrap();
        for private in ["d", "p", "q", "private", "point"] {
            assert!(published.get(private).is_none(), "{private}");
        }
        let (input, _) = token.rsplit_once('.').unwrap();
        assert!(judge(&format!("{input}."), &keys).is_err());
        let (head, rest) = token.split_once('.').unwrap();
        let (_, signature) = rest.split_once('.').unwrap();
        let forged = URL_SAFE_NO_PAD.encode(r#"{"sub":"y"}"#);
        assert!(judge(&format!("{head}.{forged}.{signature}"), &keys).is_err());
    }
}

#[test]
fn an_algorithm_of_the_tokens_own_choosing_is_not_believed() {
    let pair = Pair::generate(Algorithm::RS256).unwrap();
    let keys = [pair.public.clone()];
    let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"root"}"#);
    let published = serde_json::to_string(&pair.public).unwrap();
    for alg in [
        "none", "None", "HS256", "RS512", "ES256", "EdDSA", "PS256", "",
    ] {
        let header = json!({"alg": alg, "kid": pair.public.kid}).to_string();
        let input = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header));
        // The public key as a shared secret, and no signature at all.
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(published.as_bytes()).unwrap();
        mac.update(input.as_bytes());
        let shared = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        for signature in [shared.as_str(), "", "AAAA"] {
            assert!(
                judge(&format!("{input}.{signature}"), &keys).is_err(),
                "{alg}"
            );
        }
    }
    let token = pair.sign(&json!({"sub": "x"})).unwrap();
    let token = token.expose();
    let (_, rest) = token.split_once('.').unwrap();
    let kid = &pair.public.kid;
    let headers = [
        format!(r#"{{"alg":"RS256","kid":"{kid}","crit":["b64"]}}"#),
        format!(r#"{{"alg":"HS256","alg":"RS256","kid":"{kid}"}}"#),
        r#"{"alg":"RS256"}"#.to_owned(),
    ];
    for header in headers {
        let header = URL_SAFE_NO_PAD.encode(&header);
        assert!(judge(&format!("{header}.{rest}"), &keys).is_err());
    }
    for text in [
        "",
        ".",
        "..",
        "...",
        "a.b",
        &format!("{token}.x"),
        &format!("{token}="),
    ] {
        assert!(judge(text, &keys).is_err(), "{text}");
    }
}

#[test]
fn an_issuer_is_an_origin() {
    for good in [
        "https://a.example",
        "http://127.0.0.1:8200",
        "https://[::1]:8200",
        "https://a",
    ] {
        assert!(is_origin(good), "{good}");
    }
    for bad in [
        "a.example",
        "ftp://a",
        "https://",
        "https://a/",
        "https://a/v1",
        "https://a?x",
        "https://a#x",
        "https://u@a",
        "https://a:",
        "https://a:x",
        "https://a:99999",
        "https://:1",
        "https://a b",
    ] {
        assert!(!is_origin(bad), "{bad}");
    }
}
