//! What no comparison with another server shows: replicas, races, time, budgets, and what is never
//! in an answer.

use super::Transit;
use crate::harness::Bench;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_core::Verb;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

fn b64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

async fn transit() -> Bench {
    Bench::new(Transit::default(), &[]).await
}

async fn encrypted(bench: &Bench, key: &str, text: &str) -> String {
    let answer = bench
        .write(&format!("encrypt/{key}"), json!({"plaintext": b64(text)}))
        .await;
    answer.data["ciphertext"].as_str().unwrap().to_owned()
}

async fn decrypted(bench: &Bench, key: &str, ciphertext: &str) -> (u16, Value) {
    let body = json!({"ciphertext": ciphertext});
    let answer = bench.write(&format!("decrypt/{key}"), body).await;
    (answer.status, answer.data["plaintext"].clone())
}

const KINDS: [&str; 12] = [
    "aes128-gcm96",
    "aes256-gcm96",
    "chacha20-poly1305",
    "xchacha20-poly1305",
    "ecdsa-p256",
    "ecdsa-p384",
    "ecdsa-p521",
    "ed25519",
    "rsa-2048",
    "rsa-3072",
    "rsa-4096",
    "hmac",
];

#[tokio::test]
async fn a_key_is_read_from_the_store_once_and_again_when_it_changes() {
    let bench = transit().await;
    bench.write("keys/a", json!({})).await;
    encrypted(&bench, "a", "x").await;
    let before = bench.reads();
    for _ in 0..50 {
        encrypted(&bench, "a", "x").await;
    }
    assert_eq!(bench.reads(), before, "decoded keys are kept");
    bench.write("keys/a/rotate", json!({})).await;
    assert!(encrypted(&bench, "a", "x").await.starts_with("vault:v2:"));
}

#[tokio::test]
async fn what_one_replica_disallows_is_refused_by_the_other() {
    let one = transit().await;
    let two = Bench::beside(&one, Transit::default());
    one.write("keys/a", json!({})).await;
    let old = encrypted(&two, "a", "x").await;
    assert_eq!(decrypted(&two, "a", &old).await.0, 200);
    one.write("keys/a/rotate", json!({})).await;
    let config = json!({"min_decryption_version": 2});
    one.write("keys/a/config", config).await;
    assert_eq!(decrypted(&two, "a", &old).await.0, 400);
    let new = encrypted(&two, "a", "x").await;
    assert_eq!(decrypted(&one, "a", &new).await, (200, json!(b64("x"))));
    one.write("keys/a/config", json!({"deletion_allowed": true}))
        .await;
    one.delete("keys/a").await;
    assert_eq!(decrypted(&two, "a", &new).await.0, 400);
}

#[tokio::test]
async fn rotations_at_the_same_time_each_make_one_version() {
    let one = transit().await;
    let two = Bench::beside(&one, Transit::default());
    one.write("keys/a", json!({})).await;
    let rotations = (0..24).map(|n| {
        let bench = if n % 2 == 0 { &one } else { &two };
        bench.write("keys/a/rotate", json!({}))
    });
    let answers = futures_util::future::join_all(rotations).await;
    let versions: BTreeSet<u64> = answers
        .iter()
        .map(|answer| answer.data["latest_version"].as_u64().unwrap())
        .collect();
    assert_eq!(versions.len(), 24);
    let key = two.read("keys/a").await.data;
    assert_eq!(key["latest_version"], 25);
    assert_eq!(key["keys"].as_object().unwrap().len(), 25);
}

#[tokio::test]
async fn a_key_made_by_two_at_once_is_one_key() {
    let one = transit().await;
    let two = Bench::beside(&one, Transit::default());
    let texts = futures_util::future::join_all(
        (0..16).map(|n| encrypted(if n % 2 == 0 { &one } else { &two }, "new", "x")),
    )
    .await;
    for text in texts {
        assert_eq!(decrypted(&one, "new", &text).await.0, 200);
    }
    assert_eq!(one.read("keys/new").await.data["latest_version"], 1);
}

#[tokio::test]
async fn a_key_whose_time_has_come_is_rotated_once_by_whoever_uses_it() {
    let one = transit().await;
    let two = Bench::beside(&one, Transit::default());
    one.write("keys/a", json!({"auto_rotate_period": "1h"}))
        .await;
    assert!(encrypted(&one, "a", "x").await.starts_with("vault:v1:"));
    for bench in [&one, &two] {
        bench.clock.advance(Duration::from_secs(3601));
    }
    let texts = futures_util::future::join_all(
        (0..8).map(|n| encrypted(if n % 2 == 0 { &one } else { &two }, "a", "x")),
    )
    .await;
    assert!(texts.iter().all(|text| text.starts_with("vault:v2:")));
    assert_eq!(one.read("keys/a").await.data["latest_version"], 2);
}

#[tokio::test]
async fn nonces_differ() {
    let bench = transit().await;
    let items: Vec<_> = (0..2000).map(|_| json!({"plaintext": ""})).collect();
    let mut seen = BTreeSet::new();
    for kind in [
        "aes128-gcm96",
        "aes256-gcm96",
        "chacha20-poly1305",
        "xchacha20-poly1305",
    ] {
        bench
            .write(&format!("keys/{kind}"), json!({"type": kind}))
            .await;
        let answer = bench
            .write(&format!("encrypt/{kind}"), json!({"batch_input": items}))
            .await;
        for result in answer.data["batch_results"].as_array().unwrap() {
            let body = &result["ciphertext"].as_str().unwrap()[9..];
            let nonce = STANDARD.decode(body).unwrap()[..12].to_vec();
            assert!(seen.insert(nonce), "a nonce came twice");
        }
    }
}

#[tokio::test]
async fn backups_come_back_as_the_same_key_whatever_its_kind() {
    let bench = transit().await;
    for kind in KINDS {
        let size = if kind == "hmac" { 32 } else { 0 };
        let body = json!({"type": kind, "exportable": true, "allow_plaintext_backup": true, "key_size": size});
        assert_eq!(
            bench.write(&format!("keys/{kind}"), body).await.status,
            200,
            "{kind}"
        );
        if !kind.starts_with("rsa") {
            bench.write(&format!("keys/{kind}/rotate"), json!({})).await;
            let config = json!({"min_decryption_version": 2});
            bench.write(&format!("keys/{kind}/config"), config).await;
        }
        let backup = bench.read(&format!("backup/{kind}")).await.data["backup"].clone();
        let restored = bench
            .write("restore/back", json!({"backup": backup, "force": true}))
            .await;
        assert_eq!(restored.refusal(), (204, ""), "{kind}");
        // What was archived came along as well.
        for name in [kind, "back"] {
            let config = json!({"min_decryption_version": 1});
            bench.write(&format!("keys/{name}/config"), config).await;
        }
        for what in ["encryption-key", "signing-key", "hmac-key", "public-key"] {
            let before = bench.read(&format!("export/{what}/{kind}")).await;
            let after = bench.read(&format!("export/{what}/back")).await;
            assert_eq!(before.data["keys"], after.data["keys"], "{kind} {what}");
        }
    }
}

#[tokio::test]
async fn damaged_backups_are_refused_and_their_content_is_not_repeated() {
    let bench = transit().await;
    let body = json!({"exportable": true, "allow_plaintext_backup": true, "type": "ecdsa-p256"});
    bench.write("keys/a", body).await;
    let backup = bench.read("backup/a").await.data["backup"].clone();
    let text = String::from_utf8(STANDARD.decode(backup.as_str().unwrap()).unwrap()).unwrap();
    for (from, to) in [
        ("\"type\":1", "\"type\":77"),
        ("\"type\":1", "\"type\":6"),
        ("\"type\":1", "\"type\":0"),
        ("\"latest_version\":1", "\"latest_version\":2"),
        ("\"latest_version\":1", "\"latest_version\":0"),
        ("\"latest_version\":1", "\"latest_version\":4000000000"),
        (
            "\"min_decryption_version\":1",
            "\"min_decryption_version\":0",
        ),
        ("\"min_available_version\":0", "\"min_available_version\":5"),
        ("\"ec_d\":", "\"ec_d\":1"),
        ("\"ec_x\":", "\"ec_x\":1"),
        ("\"name\":\"a\"", "\"name\":\"../a\""),
        (
            "\"version_template\":\"\"",
            "\"version_template\":\"canary{{version}}\"",
        ),
        ("\"keys\":{\"1\"", "\"keys\":{\"canary\""),
    ] {
        assert!(text.contains(from), "{from}");
        let damaged = b64(text.replacen(from, to, 1));
        let refused = bench
            .write("restore", json!({"backup": damaged, "force": true}))
            .await;
        assert!(matches!(refused.status, 400 | 404), "{to}: {refused:?}");
        assert!(!format!("{:?}", refused.errors).contains("canary"));
    }
    for length in (0..text.len()).step_by(7) {
        let cut = json!({"backup": b64(&text[..length]), "force": true});
        assert_eq!(bench.write("restore/cut", cut).await.status, 400);
    }
    assert_eq!(bench.read("keys/cut").await.status, 404);
}

/// Wraps `key` as a client would, for the wrapping key of the mount.
async fn wrapped(bench: &Bench, key: &[u8]) -> String {
    use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded as _};
    use rsa::pkcs8::DecodePublicKey as _;
    let pem = bench.read("wrapping_key").await.data["public_key"].clone();
    let der = super::der::unpem("PUBLIC KEY", pem.as_str().unwrap()).unwrap();
    let public = rsa::PublicKey::from_public_key_der(der.expose()).unwrap();
    let aes = [7; 32];
    let mut envelope = public.oaep_encrypt::<sha2::Sha256>(&aes).unwrap();
    let mut out = vec![0; key.len().next_multiple_of(8) + 8];
    let kek = AesKek::new(&AES_256, &aes).unwrap();
    envelope.extend_from_slice(kek.wrap_with_padding(key, &mut out).unwrap());
    b64(envelope)
}

#[tokio::test]
async fn keys_are_imported_and_exported_in_envelopes() {
    let bench = transit().await;
    // From the other engine's export, in an envelope, into this one: the same key.
    let other = transit().await;
    for kind in KINDS {
        let size = if kind == "hmac" { 40 } else { 0 };
        let body = json!({"type": kind, "exportable": true, "key_size": size});
        other.write(&format!("keys/{kind}"), body).await;
        let (what, format) = match kind {
            "hmac" => ("hmac-key", "raw"),
            _ if kind.contains("aes") || kind.contains("cha") => ("encryption-key", "raw"),
            _ => ("signing-key", "der"),
        };
        let path = format!("export/{what}/{kind}?format={format}");
        let exported = other.read(&path).await.data["keys"]["1"].clone();
        let key = STANDARD.decode(exported.as_str().unwrap()).unwrap();
        let ciphertext = wrapped(&bench, &key).await;
        let body = json!({"type": kind, "ciphertext": ciphertext, "exportable": true});
        let imported = bench.write(&format!("keys/{kind}/import"), body).await;
        assert_eq!(imported.refusal(), (204, ""), "{kind}");
        assert_eq!(
            bench.read(&path).await.data["keys"]["1"],
            exported,
            "{kind}"
        );
        let shown = bench.read(&format!("keys/{kind}")).await.data;
        assert_eq!(
            (
                &shown["imported_key"],
                &shown["imported_key_allow_rotation"]
            ),
            (&json!(true), &json!(false))
        );
        // A key of another kind, or of another length, is not taken.
        let wrong = if kind == "ed25519" {
            "ecdsa-p256"
        } else {
            "ed25519"
        };
        let body = json!({"type": wrong, "ciphertext": ciphertext});
        assert_eq!(bench.write("keys/wrong/import", body).await.status, 400);
    }
    let again = wrapped(&bench, &[9; 32]).await;
    let version = bench
        .write(
            "keys/aes256-gcm96/import_version",
            json!({"ciphertext": again}),
        )
        .await;
    assert_eq!(version.status, 204);
    let shown = bench.read("keys/aes256-gcm96").await.data;
    assert_eq!(shown["latest_version"], 2);
}

#[tokio::test]
async fn broken_envelopes_are_refused_alike() {
    let bench = transit().await;
    let whole = STANDARD.decode(wrapped(&bench, &[5; 32]).await).unwrap();
    for at in [0, 100, 511, 512, 520, whole.len() - 1] {
        let mut broken = whole.clone();
        broken[at] ^= 1;
        let body = json!({"ciphertext": b64(&broken)});
        assert_eq!(
            bench.write("keys/a/import", body).await.refusal(),
            (
                400,
                "the ciphertext is not a key wrapped with the wrapping key"
            ),
            "{at}"
        );
    }
    for length in [0, 1, 512, 513, 519, whole.len() - 8] {
        let body = json!({"ciphertext": b64(&whole[..length])});
        assert_eq!(bench.write("keys/a/import", body).await.status, 400);
    }
    assert_eq!(bench.read("keys/a").await.status, 404);
}

#[tokio::test]
async fn a_private_half_completes_the_public_one_it_belongs_to_and_no_other() {
    let bench = transit().await;
    bench
        .write(
            "keys/own",
            json!({"type": "ecdsa-p256", "exportable": true}),
        )
        .await;
    let public = bench.read("export/public-key/own").await.data["keys"]["1"].clone();
    let private = bench.read("export/signing-key/own?format=der").await.data["keys"]["1"].clone();
    let body = json!({"type": "ecdsa-p256", "public_key": public});
    assert_eq!(bench.write("keys/half/import", body).await.status, 204);
    let input = json!({"input": b64("m")});
    assert_eq!(bench.write("sign/half", input.clone()).await.status, 400);
    let signature = bench.write("sign/own", input).await.data["signature"].clone();
    let check = json!({"input": b64("m"), "signature": signature});
    assert_eq!(bench.write("verify/half", check).await.data["valid"], true);
    bench
        .write(
            "keys/other",
            json!({"type": "ecdsa-p256", "exportable": true}),
        )
        .await;
    let other = bench.read("export/signing-key/other?format=der").await.data["keys"]["1"].clone();
    for (key, status) in [(other, 400), (private, 204)] {
        let key = STANDARD.decode(key.as_str().unwrap()).unwrap();
        let body = json!({"ciphertext": wrapped(&bench, &key).await, "version": 1});
        assert_eq!(
            bench.write("keys/half/import_version", body).await.status,
            status
        );
    }
    assert_eq!(
        bench
            .write("sign/half", json!({"input": b64("m")}))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn nothing_leaves_a_key_that_is_not_exportable() {
    let bench = transit().await;
    for kind in KINDS {
        let size = if kind == "hmac" { 32 } else { 0 };
        bench
            .write(
                &format!("keys/{kind}"),
                json!({"type": kind, "key_size": size}),
            )
            .await;
        for what in ["encryption-key", "signing-key", "hmac-key"] {
            let refused = bench.read(&format!("export/{what}/{kind}")).await;
            assert_eq!(
                refused.refusal(),
                (400, "private key material is not exportable")
            );
        }
        assert_eq!(bench.read(&format!("backup/{kind}")).await.status, 400);
        let config = json!({"exportable": true});
        bench.write(&format!("keys/{kind}/config"), config).await;
        assert_eq!(bench.read(&format!("backup/{kind}")).await.status, 400);
    }
    let refused = bench.read("byok-export/rsa-2048/aes256-gcm96").await;
    assert_eq!(refused.status, 200);
}

/// Both sides come to the same key, each with its own private half and the other's public one.
#[tokio::test]
async fn two_sides_agree_on_a_key_that_nobody_sent() {
    let bench = transit().await;
    for curve in ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521"] {
        let mut public = Vec::new();
        for name in ["a", "b"] {
            let name = format!("{name}-{curve}");
            bench
                .write(&format!("keys/{name}"), json!({"type": curve}))
                .await;
            let key = bench.read(&format!("keys/{name}")).await;
            public.push(key.data["keys"]["1"]["public_key"].clone());
        }
        public.reverse();
        for (name, peer) in ["a", "b"].iter().zip(&public) {
            let body = json!({"base_key_name": format!("{name}-{curve}"), "peer_public_key": peer, "base_key_version": 1});
            let done = bench
                .write(&format!("derive-key/shared-{name}-{curve}"), body)
                .await;
            assert_eq!(done.status, 204, "{done:?}");
        }
        let sealed = bench
            .write(
                &format!("encrypt/shared-a-{curve}"),
                json!({"plaintext": "aGk="}),
            )
            .await;
        let body = json!({"ciphertext": sealed.data["ciphertext"]});
        let opened = bench
            .write(&format!("decrypt/shared-b-{curve}"), body)
            .await;
        assert_eq!(opened.data["plaintext"], "aGk=", "{opened:?}");
        // Nothing of it leaves, and nothing is lost by deriving it again.
        let refused = bench
            .read(&format!("export/encryption-key/shared-a-{curve}"))
            .await;
        assert_eq!(refused.status, 400);
        let body = json!({"base_key_name": format!("a-{curve}"), "peer_public_key": public[1]});
        let again = bench
            .write(&format!("derive-key/shared-b-{curve}"), body)
            .await;
        assert_eq!(again.refusal(), (400, "a key of this name exists already"));
    }
    // A version that is not to be used any more is no base, nor is a key that is marked as deleted.
    let rotated = "a-ecdsa-p256";
    bench
        .write(&format!("keys/{rotated}/rotate"), json!({}))
        .await;
    let config = json!({"min_decryption_version": 2});
    bench.write(&format!("keys/{rotated}/config"), config).await;
    let other = bench.read("keys/b-ecdsa-p256").await.data["keys"]["1"]["public_key"].clone();
    let old = json!({"base_key_name": rotated, "peer_public_key": other, "base_key_version": 1});
    let refused = bench.write("derive-key/old", old).await;
    assert_eq!(refused.refusal(), (400, "no such key version"));
    // A point that is on no curve, and the one at infinity.
    let point = |bytes: &[u8]| {
        super::der::pem(
            "PUBLIC KEY",
            &super::der::spki(super::der::curve(super::kind::Kind::EcP256), bytes),
        )
    };
    let mut off = vec![4; 65];
    off[64] = 9;
    for bad in [off.as_slice(), &[0], &[4; 64], &[]] {
        let body = json!({"base_key_name": rotated, "peer_public_key": point(bad)});
        let refused = bench.write("derive-key/off", body).await;
        assert_eq!(refused.status, 400, "{bad:?}");
        assert!(
            refused.errors[0].starts_with("peer_public_key: expected"),
            "{refused:?}"
        );
    }
    assert_eq!(bench.read("keys/off").await.status, 404);
}

#[tokio::test]
async fn refusals_never_repeat_what_was_sent() {
    let bench = transit().await;
    bench.write("keys/a", json!({})).await;
    bench.write("keys/r", json!({"type": "rsa-2048"})).await;
    bench.write("keys/d", json!({"derived": true})).await;
    let canary = "canary!";
    for path in [
        "encrypt/a",
        "encrypt/d",
        "encrypt/new",
        "decrypt/a",
        "rewrap/a",
        "datakey/plaintext/a",
        "sign/r",
        "verify/r",
        "hmac/a",
        "hash",
        "random",
        "restore",
        "keys/b",
        "keys/a/config",
        "keys/a/trim",
        "keys/i/import",
        "keys/i/import_version",
        "derive-key/n",
        "cache-config",
        "config/keys",
    ] {
        for field in [
            "peer_public_key",
            "base_key_name",
            "derived_key_type",
            "key_derivation_algorithm",
            "plaintext",
            "ciphertext",
            "context",
            "associated_data",
            "key_version",
            "input",
            "type",
            "signature",
            "hmac",
            "hash_algorithm",
            "algorithm",
            "marshaling_algorithm",
            "nonce",
            "signature_algorithm",
            "salt_length",
            "format",
            "bytes",
            "bits",
            "backup",
            "public_key",
            "batch_input",
            "min_decryption_version",
            "min_available_version",
            "auto_rotate_period",
            "key_size",
            "size",
            "disable_upsert",
            "partial_failure_response_code",
            "hash_function",
        ] {
            let body =
                json!({"plaintext": "", "input": "", "ciphertext": "vault:v1:", field: canary});
            let answer = bench.write(path, body).await;
            let said = format!("{:?} {:?} {}", answer.errors, answer.warnings, answer.data);
            assert!(!said.contains("canary"), "{path} {field}: {said}");
        }
        let items = json!([{"plaintext": canary, "ciphertext": canary, "input": canary, "context": canary}]);
        let answer = bench.write(path, json!({"batch_input": items})).await;
        let said = format!("{:?} {}", answer.errors, answer.data);
        assert!(!said.contains("canary"), "{path}: {said}");
    }
}

#[tokio::test]
async fn names_are_of_one_form() {
    let bench = transit().await;
    for name in ["a", "A", "a.b", "a-b_c.9", "0", "_"] {
        assert_eq!(
            bench.write(&format!("keys/{name}"), json!({})).await.status,
            200,
            "{name}"
        );
    }
    for name in [
        ".a",
        "a.",
        "-a",
        "a-",
        "a%20b",
        "a%2Fb",
        "ä",
        "a$",
        "%E2%80%8Ba",
    ] {
        for path in ["keys", "encrypt", "sign", "hmac", "backup"] {
            let target = format!("mount/{path}/{name}");
            if cofferdam_core::path::Path::from_url(&target).is_err() {
                continue; // Refused at the door.
            }
            let verb = if path == "backup" {
                Verb::Read
            } else {
                Verb::Write
            };
            let answer = bench
                .ask(
                    verb,
                    &format!("{path}/{name}"),
                    json!({"plaintext": "", "input": ""}),
                )
                .await;
            assert!(
                matches!(answer.status, 400 | 404),
                "{path}/{name}: {answer:?}"
            );
        }
    }
    let listed = bench.list("keys").await.data["keys"].clone();
    assert_eq!(listed, json!(["0", "A", "_", "a", "a-b_c.9", "a.b"]));
}

/// What was written is what is read: every field of every write.
#[tokio::test]
async fn settings_are_read_back_as_they_were_written() {
    let bench = transit().await;
    let wanted = json!({
        "type": "chacha20-poly1305", "derived": true, "convergent_encryption": true,
        "exportable": true, "allow_plaintext_backup": true, "auto_rotate_period": 7200,
    });
    bench.write("keys/a", wanted.clone()).await;
    for _ in 0..3 {
        bench.write("keys/a/rotate", json!({})).await;
    }
    let config = json!({
        "min_decryption_version": 2, "min_encryption_version": 3, "deletion_allowed": true,
        "auto_rotate_period": 86400,
    });
    bench.write("keys/a/config", config.clone()).await;
    bench
        .write("keys/a/trim", json!({"min_available_version": 2}))
        .await;
    let read = bench.read("keys/a").await.data;
    for (name, value) in wanted.as_object().unwrap() {
        if name != "auto_rotate_period" {
            assert_eq!(&read[name], value, "{name}");
        }
    }
    for (name, value) in config.as_object().unwrap() {
        assert_eq!(&read[name], value, "{name}");
    }
    assert_eq!(read["min_available_version"], 2);
    // Written again, nothing changes.
    bench.write("keys/a", wanted).await;
    bench.write("keys/a/config", config).await;
    assert_eq!(bench.read("keys/a").await.data, read);
    for (path, body) in [
        ("cache-config", json!({"size": 50})),
        ("config/keys", json!({"disable_upsert": true})),
    ] {
        assert_eq!(bench.write(path, body.clone()).await.data, body);
        assert_eq!(bench.read(path).await.data, body);
    }
    bench
        .write("keys/h", json!({"type": "hmac", "key_size": 99}))
        .await;
    assert_eq!(bench.read("keys/h").await.data["key_size"], 99);
}

/// Two associated data are two messages: under one key they never have one nonce.
#[tokio::test]
async fn convergence_takes_the_associated_data_in() {
    let bench = transit().await;
    for kind in ["aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305"] {
        let path = format!("keys/{kind}");
        let wanted = json!({"type": kind, "derived": true, "convergent_encryption": true});
        assert_eq!(bench.write(&path, wanted).await.status, 200);
        let nonce_bytes = if kind.starts_with('x') { 24 } else { 12 };
        let mut nonces = std::collections::BTreeSet::new();
        for aad in ["", "a", "b", "ab"] {
            let body =
                json!({"plaintext": b64("same"), "context": b64("c"), "associated_data": b64(aad)});
            let path = format!("encrypt/{kind}");
            let one = bench.write(&path, body.clone()).await.data["ciphertext"].clone();
            assert_eq!(bench.write(&path, body).await.data["ciphertext"], one);
            let text = one.as_str().unwrap().strip_prefix("vault:v1:").unwrap();
            let sealed = super::encoding::decode(text).unwrap();
            assert!(
                nonces.insert(sealed.expose()[..nonce_bytes].to_vec()),
                "{aad}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is encrypted under any settings is decrypted with the same context and data, and
    /// with no other.
    #[test]
    fn what_goes_in_comes_out(
        kind in prop::sample::select(&KINDS[..4]),
        derived: bool,
        convergent: bool,
        plain: Vec<u8>,
        context in prop::collection::vec(any::<u8>(), 1..40),
        aad: Vec<u8>,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bench = transit().await;
            let convergent = convergent && derived;
            let made = bench.write("keys/a", json!({"type": kind, "derived": derived, "convergent_encryption": convergent})).await;
            assert_eq!(made.status, 200);
            let context = if derived { b64(&context) } else { String::new() };
            let body = json!({"plaintext": b64(&plain), "context": context, "associated_data": b64(&aad)});
            let one = bench.write("encrypt/a", body.clone()).await.data["ciphertext"].clone();
            let two = bench.write("encrypt/a", body).await.data["ciphertext"].clone();
            assert_eq!(one == two, convergent);
            let body = json!({"ciphertext": one, "context": context, "associated_data": b64(&aad)});
            assert_eq!(bench.write("decrypt/a", body).await.data["plaintext"], b64(&plain));
            let other = [&aad[..], b"x"].concat();
            let body = json!({"ciphertext": one, "context": context, "associated_data": b64(other)});
            assert_eq!(bench.write("decrypt/a", body).await.status, 400);
            if derived {
                let body = json!({"ciphertext": one, "context": b64("another context"), "associated_data": b64(&aad)});
                assert_eq!(bench.write("decrypt/a", body).await.status, 400);
            }
        });
    }
}
