//! Logins with certificates that are made here. That a handshake proves the key is held by the flow test.

use super::Cert;
use crate::harness::{Answer, Bench, token};
use cofferdam_core::clock::Clock as _;
use cofferdam_core::engine::Asking;
use cofferdam_core::{Chain, Fault, Login, Peer};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    NameConstraints, RevokedCertParams, SanType, SerialNumber,
};
use serde_json::{Value, json};
use std::time::Duration;
use time::OffsetDateTime;

/// An authority, and what it signs with.
struct Authority {
    pem: String,
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

fn day(days: i64) -> OffsetDateTime {
    // The clock of a bench begins at 1 790 000 000.
    OffsetDateTime::from_unix_timestamp(1_790_000_000 + days * 86_400).unwrap()
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (day(-10), day(10));
    params
}

fn of_ca(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Authority {
    fn new(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        Self {
            pem: made.pem(),
            der: made.der().to_vec(),
            issuer: Issuer::new(params, key),
        }
    }

    fn below(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &self.issuer).unwrap();
        Self {
            pem: made.pem(),
            der: made.der().to_vec(),
            issuer: Issuer::new(params, key),
        }
    }

    fn signs(&self, params: &CertificateParams) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, &self.issuer).unwrap().der().to_vec()
    }

    fn revokes(&self, serial: u64) -> String {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: day(-1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: day(-1),
            next_update: day(1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

fn leaf(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.serial_number = Some(SerialNumber::from(77_u64));
    params
}

fn showing(certificates: &[&[u8]]) -> Peer {
    let chain = certificates.iter().map(|one| one.to_vec()).collect();
    Peer::Certified("10.1.2.3:4000".parse().unwrap(), Chain::new(chain).unwrap())
}

async fn login(bench: &mut Bench, certificates: &[&[u8]]) -> Answer {
    bench.peer = showing(certificates);
    bench.write("login", json!({})).await
}

async fn with_entry(authority: &Authority, more: Value) -> Bench {
    let bench = Bench::new(Cert::default(), &[]).await;
    let mut entry = json!({"certificate": authority.pem, "token_policies": "web"});
    for (name, value) in more.as_object().unwrap() {
        entry[name] = value.clone();
    }
    let set = bench.write("certs/web", entry).await;
    assert_eq!(set.status, 204, "{set:?}");
    bench
}

const STRANGER: (u16, &str) = (400, super::login::STRANGER);
const UNSUITED: (u16, &str) = (400, super::login::UNSUITED);

#[tokio::test]
async fn a_certificate_of_the_authority_logs_in() {
    let ca = Authority::new(of_ca("ca"));
    let mut bench = with_entry(&ca, json!({})).await;
    let own = ca.signs(&leaf("ada"));
    let who = login(&mut bench, &[&own]).await.login.unwrap();
    assert_eq!(who.display_name, "web");
    assert_eq!(who.metadata["cert_name"], "web");
    assert_eq!(who.metadata["serial_number"], "77");
    assert_eq!(who.metadata["common_name"], "ada");
    let alias = who.alias.unwrap();
    assert_eq!((alias.name.as_str(), alias.metadata.len()), ("ada", 0));
    assert_eq!(
        bench
            .write("config", json!({"enable_identity_alias_metadata": true}))
            .await
            .status,
        204
    );
    let who = login(&mut bench, &[&own]).await.login.unwrap();
    assert_eq!(who.alias.unwrap().metadata, who.metadata);
    // By way of another authority, where that is shown.
    let middle = ca.below(of_ca("middle"));
    let far = middle.signs(&leaf("bob"));
    assert_eq!(login(&mut bench, &[&far]).await.refusal(), STRANGER);
    assert!(
        login(&mut bench, &[&far, &middle.der])
            .await
            .login
            .is_some()
    );
    // By name, or not.
    bench.peer = showing(&[&own]);
    assert!(
        bench
            .write("login", json!({"name": "WEB"}))
            .await
            .login
            .is_some()
    );
    assert_eq!(
        bench
            .write("login", json!({"name": "other"}))
            .await
            .refusal(),
        STRANGER
    );
    assert_eq!(
        bench
            .write("login", json!({"name": "../web"}))
            .await
            .refusal(),
        STRANGER
    );
    // From where the entry says.
    assert_eq!(
        bench
            .write("certs/web", json!({"token_bound_cidrs": "192.0.2.0/24"}))
            .await
            .status,
        204
    );
    assert_eq!(
        login(&mut bench, &[&own]).await.refusal(),
        (403, "permission denied")
    );
    // Without one there is nothing to judge.
    bench.peer = Peer::Network("10.1.2.3:4000".parse().unwrap());
    assert_eq!(
        bench.write("login", json!({})).await.refusal(),
        (400, "client certificate must be supplied")
    );
    bench.peer = Peer::Local {
        uid: 0,
        admin: true,
    };
    assert_eq!(
        bench.write("login", json!({})).await.refusal(),
        (400, "tls connection required")
    );
}

#[tokio::test]
async fn another_ones_certificate_is_refused() {
    let ca = Authority::new(of_ca("ca"));
    let mut bench = with_entry(&ca, json!({})).await;
    let own = ca.signs(&leaf("ada"));
    assert!(login(&mut bench, &[&own]).await.login.is_some());
    // The same names, another key.
    let forged = Authority::new(of_ca("ca"));
    let same = forged.signs(&leaf("ada"));
    let (mut late, mut early, mut for_servers) = (leaf("ada"), leaf("ada"), leaf("ada"));
    late.not_after = day(-1);
    early.not_before = day(1);
    for_servers.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Issued by somebody who is no authority.
    let key = KeyPair::generate().unwrap();
    let plain = leaf("bob")
        .signed_by(&key, &ca.issuer)
        .unwrap()
        .der()
        .to_vec();
    let below_plain = Issuer::new(leaf("bob"), key);
    let own_key = KeyPair::generate().unwrap();
    let by_plain = leaf("ada")
        .signed_by(&own_key, &below_plain)
        .unwrap()
        .der()
        .to_vec();
    // Below an authority that may not speak of such names.
    let mut narrow = of_ca("narrow");
    narrow.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("shop.example".into())],
        excluded_subtrees: vec![],
    });
    let narrow = ca.below(narrow);
    let named = |name: &str| {
        let mut params = leaf("ada");
        params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
        narrow.signs(&params)
    };
    let (outside, inside) = (named("bank.example"), named("a.shop.example"));
    for (what, shown) in [
        ("another key", vec![same.as_slice()]),
        (
            "another key and its authority",
            vec![same.as_slice(), &forged.der],
        ),
        ("expired", vec![ca.signs(&late).as_slice()]),
        ("not yet", vec![ca.signs(&early).as_slice()]),
        ("for servers", vec![ca.signs(&for_servers).as_slice()]),
        ("no authority", vec![by_plain.as_slice(), &plain]),
        ("constraints", vec![outside.as_slice(), &narrow.der]),
        ("the authority itself", vec![ca.der.as_slice()]),
        ("cut", vec![own.get(..own.len() - 1).unwrap()]),
        (
            "more behind it",
            vec![[own.as_slice(), b"x"].concat().as_slice()],
        ),
        ("nothing", vec![b"".as_slice()]),
    ]
    .map(|(what, shown)| {
        (
            what,
            shown.iter().map(|one| one.to_vec()).collect::<Vec<_>>(),
        )
    }) {
        let shown: Vec<&[u8]> = shown.iter().map(Vec::as_slice).collect();
        assert_eq!(
            login(&mut bench, &shown).await.refusal(),
            STRANGER,
            "{what}"
        );
    }
    assert!(
        login(&mut bench, &[&inside, &narrow.der])
            .await
            .login
            .is_some()
    );
    // An authority ends, too.
    let mut old = of_ca("old");
    old.not_after = day(5);
    let old = Authority::new(old);
    let mut bench = with_entry(&old, json!({})).await;
    let own = old.signs(&leaf("ada"));
    assert!(login(&mut bench, &[&own]).await.login.is_some());
    bench.clock.advance(Duration::from_secs(6 * 86_400));
    assert_eq!(login(&mut bench, &[&own]).await.refusal(), STRANGER);
}

/// CVE-2024-2048: what is pinned is the certificate, not what it says.
#[tokio::test]
async fn a_pinned_certificate_is_that_one_alone() {
    let pinned = Authority::new(leaf("ada"));
    let mut bench = with_entry(&pinned, json!({})).await;
    assert!(login(&mut bench, &[&pinned.der]).await.login.is_some());
    let forged = Authority::new(leaf("ada"));
    assert_eq!(login(&mut bench, &[&forged.der]).await.refusal(), STRANGER);
    assert_eq!(
        login(&mut bench, &[&forged.der, &pinned.der])
            .await
            .refusal(),
        STRANGER
    );
    let issued = pinned.signs(&leaf("ada"));
    assert_eq!(
        login(&mut bench, &[&issued, &pinned.der]).await.refusal(),
        STRANGER
    );
    bench.clock.advance(Duration::from_secs(11 * 86_400));
    assert_eq!(login(&mut bench, &[&pinned.der]).await.refusal(), STRANGER);
    let mut for_servers = leaf("ada");
    for_servers.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let entry = json!({"certificate": Authority::new(for_servers).pem});
    assert!(
        bench
            .write("certs/s", entry)
            .await
            .refusal()
            .1
            .contains("client authentication")
    );
}

#[tokio::test]
async fn names_and_extensions_are_held_to_the_entry() {
    let ca = Authority::new(of_ca("ca"));
    let mut params = leaf("ada");
    params
        .distinguished_name
        .push(DnType::OrganizationalUnitName, "shop");
    params.subject_alt_names = vec![
        SanType::DnsName("a.shop.example".try_into().unwrap()),
        SanType::Rfc822Name("ada@shop.example".try_into().unwrap()),
        SanType::URI("spiffe://shop/ada".try_into().unwrap()),
    ];
    // A text of ASN.1: kind, length, bytes.
    let text = [&[0x0c, 4][..], b"blue"].concat();
    params.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 2, 3, 4], text)];
    let own = ca.signs(&params);
    for (field, good, bad) in [
        ("allowed_names", "*.shop.example", "bank*"),
        ("allowed_common_names", "a*", "A*"),
        ("allowed_dns_sans", "*.shop.example", "ada*"),
        ("allowed_email_sans", "*@shop.example", "a.shop.example"),
        ("allowed_uri_sans", "spiffe://shop/*", "spiffe://bank/*"),
        ("allowed_organizational_units", "shop", "sho"),
        ("required_extensions", "1.2.3.4:bl*", "1.2.3.4:red"),
        ("required_extensions", "1.2.3.4:*", "1.2.3.5:*"),
    ] {
        let mut bench = with_entry(&ca, json!({field: good})).await;
        assert!(login(&mut bench, &[&own]).await.login.is_some(), "{field}");
        assert_eq!(
            bench.write("certs/web", json!({field: bad})).await.status,
            204
        );
        assert_eq!(
            login(&mut bench, &[&own]).await.refusal(),
            UNSUITED,
            "{field}"
        );
        let shown = bench.read("certs/web").await.data;
        assert_eq!(shown[field], json!([bad]));
    }
    let mut bench = with_entry(&ca, json!({"allowed_metadata_extensions": "1.2.3.4"})).await;
    let who = login(&mut bench, &[&own]).await.login.unwrap();
    assert_eq!(who.metadata["1-2-3-4"], "blue");
    for (change, why) in [
        (
            json!({"required_extensions": "1.2.3.4"}),
            "required_extensions",
        ),
        (
            json!({"allowed_metadata_extensions": "x"}),
            "allowed_metadata_extensions",
        ),
        (json!({"certificate": "x"}), "failed to parse certificate"),
        (json!({"ocsp_enabled": true}), "not served: OCSP"),
    ] {
        assert!(
            bench
                .write("certs/web", change)
                .await
                .refusal()
                .1
                .contains(why),
            "{why}"
        );
    }
}

#[tokio::test]
async fn a_revoked_number_is_nobody() {
    let ca = Authority::new(of_ca("ca"));
    let mut bench = with_entry(&ca, json!({})).await;
    let own = ca.signs(&leaf("ada"));
    let mut other = leaf("bob");
    other.serial_number = Some(SerialNumber::from(78_u64));
    let other = ca.signs(&other);
    let list = json!({"crl": ca.revokes(77)});
    assert_eq!(bench.write("crls/Old", list).await.status, 204);
    assert_eq!(bench.list("crls").await.data["keys"], json!(["old"]));
    assert_eq!(
        bench.read("crls/old").await.data,
        json!({"serials": {"77": {}}})
    );
    assert_eq!(login(&mut bench, &[&own]).await.refusal(), UNSUITED);
    assert!(login(&mut bench, &[&other]).await.login.is_some());
    assert_eq!(bench.delete("crls/old").await.status, 204);
    assert!(login(&mut bench, &[&own]).await.login.is_some());
    // An authority between, too.
    let mut middle = of_ca("middle");
    middle.serial_number = Some(SerialNumber::from(500_u64));
    let middle = ca.below(middle);
    let far = middle.signs(&leaf("ada"));
    assert!(
        login(&mut bench, &[&far, &middle.der])
            .await
            .login
            .is_some()
    );
    assert_eq!(
        bench
            .write("crls/m", json!({"crl": ca.revokes(500)}))
            .await
            .status,
        204
    );
    assert_eq!(
        login(&mut bench, &[&far, &middle.der]).await.refusal(),
        UNSUITED
    );
    for (list, why) in [
        (json!({"crl": "x"}), "failed to parse CRL"),
        (json!({}), "must be provided"),
        (json!({"url": "https://x"}), "not served: url"),
    ] {
        assert!(
            bench.write("crls/x", list).await.refusal().1.contains(why),
            "{why}"
        );
    }
    assert_eq!(bench.read("crls/x").await.refusal(), (400, "no such CRL"));
    assert_eq!(bench.delete("crls/x").await.refusal(), (400, "no such CRL"));
}

async fn renew(
    bench: &Bench,
    entry: &cofferdam_core::token::Entry,
    peer: &Peer,
) -> Result<Login, Fault> {
    let asking = Asking {
        peer,
        now: bench.clock.now(),
    };
    bench.engine.renew_for(&bench.view, entry, asking).await
}

/// CVE-2026-39388: another valid certificate renewed somebody's token.
#[tokio::test]
async fn a_token_is_renewed_by_the_key_that_it_was_given_to() {
    let ca = Authority::new(of_ca("ca"));
    let mut bench = with_entry(&ca, json!({})).await;
    let (own, other) = (ca.signs(&leaf("ada")), ca.signs(&leaf("ada")));
    let who = login(&mut bench, &[&own]).await.login.unwrap();
    let mut entry = token("a");
    (entry.binding, entry.policies) = (who.binding, vec!["default".into(), "web".into()]);
    let (own, other) = (showing(&[&own]), showing(&[&other]));
    let nobody = Peer::Network("10.1.2.3:4000".parse().unwrap());
    assert!(renew(&bench, &entry, &own).await.is_ok());
    assert!(
        renew(&bench, &entry, &other)
            .await
            .unwrap_err()
            .public()
            .contains("not matching")
    );
    assert!(renew(&bench, &entry, &nobody).await.is_err());
    assert!(
        bench.engine.renew(&bench.view, &entry).await.is_err(),
        "without a look at who asks"
    );
    assert_eq!(
        bench
            .write("config", json!({"disable_binding": true}))
            .await
            .status,
        204
    );
    assert!(renew(&bench, &entry, &nobody).await.is_ok());
    assert_eq!(
        bench
            .write("config", json!({"disable_binding": false}))
            .await
            .status,
        204
    );
    // By the entry as it is now.
    assert_eq!(
        bench
            .write("certs/web", json!({"allowed_common_names": "bob"}))
            .await
            .status,
        204
    );
    assert!(renew(&bench, &entry, &own).await.is_err());
    let back = json!({"allowed_common_names": "", "token_policies": "more"});
    assert_eq!(bench.write("certs/web", back).await.status, 204);
    assert!(
        renew(&bench, &entry, &own)
            .await
            .unwrap_err()
            .public()
            .contains("policies have changed")
    );
    assert_eq!(bench.delete("certs/web").await.status, 204);
    assert!(renew(&bench, &entry, &own).await.is_err());
}

/// As Go's verifier, by which OpenBao judges: webpki asks neither for what a key may be used, nor for how
/// far the authority of an entry may reach.
#[tokio::test]
async fn an_authority_does_no_more_than_it_may() {
    let using = |usage: KeyUsagePurpose| {
        let mut params = of_ca("ca");
        params.key_usages = vec![usage];
        params
    };
    let near = || {
        let mut params = of_ca("near");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params
    };
    let near = Authority::new(near());
    let mut bench = with_entry(&near, json!({})).await;
    let own = near.signs(&leaf("ada"));
    assert!(login(&mut bench, &[&own]).await.login.is_some());
    let middle = near.below(of_ca("middle"));
    let far = middle.signs(&leaf("ada"));
    assert_eq!(
        login(&mut bench, &[&far, &middle.der]).await.refusal(),
        STRANGER
    );
    let ca = Authority::new(of_ca("ca"));
    let mut bench = with_entry(&ca, json!({})).await;
    for (usage, good) in [
        (KeyUsagePurpose::KeyCertSign, true),
        (KeyUsagePurpose::DigitalSignature, false),
    ] {
        let middle = ca.below(using(usage));
        let far = middle.signs(&leaf("ada"));
        let answered = login(&mut bench, &[&far, &middle.der]).await;
        assert_eq!(answered.login.is_some(), good, "{usage:?} between");
        let root = Authority::new(using(usage));
        let mut bench = with_entry(&root, json!({})).await;
        let own = root.signs(&leaf("ada"));
        let answered = login(&mut bench, &[&own]).await;
        assert_eq!(answered.login.is_some(), good, "{usage:?} at the end");
    }
}

/// A renewal judges the certificate again: it may be revoked since, or over.
#[tokio::test]
async fn a_certificate_that_is_revoked_or_over_renews_nothing() {
    let ca = Authority::new(of_ca("ca"));
    let mut bench = with_entry(&ca, json!({})).await;
    let own = ca.signs(&leaf("ada"));
    let who = login(&mut bench, &[&own]).await.login.unwrap();
    let mut entry = token("a");
    (entry.binding, entry.policies) = (who.binding, vec!["default".into(), "web".into()]);
    let own = showing(&[&own]);
    assert!(renew(&bench, &entry, &own).await.is_ok());
    let list = json!({"crl": ca.revokes(77)});
    assert_eq!(bench.write("crls/old", list).await.status, 204);
    assert!(renew(&bench, &entry, &own).await.is_err());
    assert_eq!(bench.delete("crls/old").await.status, 204);
    assert!(renew(&bench, &entry, &own).await.is_ok());
    bench.clock.advance(Duration::from_secs(11 * 86_400));
    assert!(renew(&bench, &entry, &own).await.is_err());
}
