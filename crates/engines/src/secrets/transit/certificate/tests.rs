//! What becomes of certificates here; requests, and what other programs say of them, are in
//! `tests/tests/transit_certificates.rs`.

use super::super::Transit;
use crate::harness::Bench;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use serde_json::json;

/// A self-signed certificate of a key, in PEM.
fn certificate(key: &KeyPair, is_ca: IsCa) -> String {
    let mut params = CertificateParams::new(vec!["shop.example".to_owned()]).unwrap();
    params.is_ca = is_ca;
    params.self_signed(key).unwrap().pem()
}

fn authority() -> String {
    let is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    certificate(&KeyPair::generate().unwrap(), is_ca)
}

/// A key `k` with a first version, whose private half the test has.
async fn bench() -> (Bench, KeyPair) {
    let bench = Bench::new(Transit::default(), &[]).await;
    let body = json!({"type": "ecdsa-p256", "exportable": true, "allow_plaintext_backup": true});
    bench.write("keys/k", body).await;
    let exported = bench.read("export/signing-key/k?format=pem").await;
    let pem = exported.data["keys"]["1"].as_str().unwrap().to_owned();
    (bench, KeyPair::from_pem(&pem).unwrap())
}

#[tokio::test]
async fn a_chain_stays_with_its_version_and_moves_with_the_key() {
    let (bench, key) = bench().await;
    let chain = certificate(&key, IsCa::NoCa) + &authority();
    let body = json!({"certificate_chain": format!("said before\n{chain}")});
    let answer = bench.write("keys/k/set-certificate", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    bench.write("keys/k/rotate", json!({})).await;
    let kept = chain.replace("\r\n", "\n");
    let kept = kept.trim_end();
    let read = bench.read("keys/k").await.data["keys"].clone();
    assert_eq!(read["1"]["certificate_chain"], kept);
    assert_eq!(read["2"]["certificate_chain"], "");
    let exported = bench.read("export/certificate-chain/k/1").await;
    assert_eq!(exported.data["keys"], json!({"1": kept}));
    // Of several versions one has none.
    let refused = bench.read("export/certificate-chain/k").await;
    let none = "selected key version does not have a certificate chain imported";
    assert_eq!(refused.refusal(), (400, none));
    let backup = bench.read("backup/k").await.data["backup"].clone();
    bench
        .write("restore/again", json!({"backup": backup}))
        .await;
    let exported = bench.read("export/certificate-chain/again/1").await;
    assert_eq!(exported.data["keys"], json!({"1": kept}));
    // Another one takes its place.
    let alone = certificate(&key, IsCa::NoCa);
    let body = json!({"certificate_chain": alone, "version": 1});
    assert_eq!(
        bench.write("keys/k/set-certificate", body).await.status,
        200
    );
    let exported = bench.read("export/certificate-chain/k/1").await;
    let alone = alone.replace("\r\n", "\n");
    assert_eq!(exported.data["keys"], json!({"1": alone.trim_end()}));
}

#[tokio::test]
async fn what_is_not_the_key_s_chain_is_refused_and_nothing_changes() {
    let (bench, key) = bench().await;
    let own = certificate(&key, IsCa::NoCa);
    let other = certificate(&KeyPair::generate().unwrap(), IsCa::NoCa);
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let own_authority = certificate(&key, IsCa::Ca(BasicConstraints::Unconstrained));
    let many = own.clone() + &authority().repeat(16);
    let long = own.clone() + &" ".repeat(70_000) + &authority();
    let cases = [
        (String::new(), "did not contain any valid PEM"),
        ("canary".to_owned(), "could not decode a PEM block"),
        (format!("{own}canary"), "could not decode a PEM block"),
        (own.replace("MII", "MIJ"), "could not parse a certificate"),
        (other, "does not match the selected key version"),
        (
            certificate(&ed25519, IsCa::NoCa),
            "algorithm 'Ed25519' does not match",
        ),
        (own_authority, "first element is not a valid leaf"),
        (format!("{own}{own}"), "last element is not a valid CA"),
        (
            format!("{own}{own}{}", authority()),
            "only one leaf certificate",
        ),
        (many, "more than 16 certificates"),
        (long, "longer than 64 KiB"),
    ];
    for (chain, why) in cases {
        let body = json!({"certificate_chain": chain});
        let refused = bench.write("keys/k/set-certificate", body).await;
        let (status, text) = refused.refusal();
        assert!(status == 400 && text.contains(why), "{why}: {refused:?}");
        assert!(!text.contains("canary"));
    }
    for version in [json!(0), json!(2), json!(-1)] {
        let body = json!({"certificate_chain": own, "version": version});
        let refused = bench.write("keys/k/set-certificate", body).await;
        assert!(refused.refusal().1.ends_with("no such key version"));
    }
    let read = bench.read("keys/k").await.data["keys"].clone();
    assert_eq!(read["1"]["certificate_chain"], "");
}

#[tokio::test]
async fn requests_are_refused_where_nothing_can_be_signed() {
    let (bench, _key) = bench().await;
    for (name, body) in [
        ("aes", json!({"type": "aes256-gcm96"})),
        ("derived", json!({"type": "ed25519", "derived": true})),
    ] {
        bench.write(&format!("keys/{name}"), body).await;
    }
    let with = |csr: &str| json!({"csr": csr});
    let cut = "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----";
    let cases = [
        ("none", json!({}), "key with provided name 'none' not found"),
        (
            "aes",
            json!({}),
            "key type 'aes256-gcm96' does not support signing",
        ),
        (
            "derived",
            json!({}),
            "operation not supported for keys with derivation enabled",
        ),
        (
            "k",
            json!({"version": 2}),
            "could not create the csr: no such key version",
        ),
        ("k", with("canary"), "could not decode PEM CSR"),
        ("k", with(cut), "csr: expected a certificate request in PEM"),
        (
            "k",
            with(&authority()),
            "csr: expected a certificate request in PEM",
        ),
        ("k", with(&"x".repeat(70_000)), "csr: longer than 64 KiB"),
    ];
    for (name, body, why) in cases {
        let refused = bench.write(&format!("keys/{name}/csr"), body).await;
        assert_eq!(refused.refusal(), (400, why));
    }
    bench.delete("keys/k/soft-delete").await;
    let refused = bench.write("keys/k/csr", json!({})).await;
    assert_eq!(refused.refusal(), (400, "refusing to use soft-deleted key"));
}
