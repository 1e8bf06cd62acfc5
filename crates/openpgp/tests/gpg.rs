//! Real GnuPG is the judge: it makes the keys, and reads the messages.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

#[allow(
    unreachable_pub,
    reason = "the harness of whole-binary flows has it as well"
)]
#[path = "../../../tests/src/gpg.rs"]
mod gpg;

use cofferdam_openpgp::{Recipient, Refused, binary};
use gpg::Gpg;
use std::time::{Duration, SystemTime};

const YEAR: u64 = 365 * 24 * 60 * 60;

#[allow(
    clippy::disallowed_methods,
    reason = "the time of this test, which gpg has as well"
)]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_secs() + 2
}

fn judged(key: &[u8]) -> Result<Recipient, Refused> {
    Recipient::from_binary(key, now())
}

fn refused(key: &[u8]) -> Refused {
    judged(key).err().expect("it is refused")
}

/// Encrypts to a key, and `gpg` reads it.
fn reads(gpg: &Gpg, name: &str) {
    let recipient = judged(&gpg.public(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
    assert_eq!(
        recipient.fingerprint(),
        gpg.fingerprint(name).to_lowercase()
    );
    for plain in [&b""[..], b"one share of several, in hex", &[7; 70_000]] {
        let message = recipient.encrypt(plain).unwrap();
        assert_eq!(gpg.decrypt(&message), plain, "{name}");
        let again = recipient.encrypt(plain).unwrap();
        assert_ne!(message, again, "no session key is used twice");
    }
}

#[test]
fn gpg_reads_what_is_encrypted_to_its_keys() {
    let gpg = Gpg::new();
    for (certifies, encrypts) in [
        ("rsa2048", "rsa2048"),
        ("rsa4096", "rsa4096"),
        ("ed25519", "cv25519"),
        ("nistp256", "nistp256"),
        ("nistp384", "nistp384"),
        ("nistp521", "nistp521"),
        ("ed25519", "rsa3072"),
        ("rsa2048", "cv25519"),
    ] {
        let name = format!("{certifies}-{encrypts}@example.org");
        gpg.key(&name, certifies, encrypts);
        reads(&gpg, &name);
    }
}

#[test]
fn hashes_and_ciphers_of_other_habits_are_read() {
    let gpg = Gpg::new();
    for (hash, curves) in [
        ("SHA256", &["ed25519", "nistp256", "rsa2048"][..]),
        ("SHA384", &["ed25519", "nistp256", "nistp384", "rsa2048"]),
        (
            "SHA512",
            &["ed25519", "nistp256", "nistp384", "nistp521", "rsa2048"],
        ),
    ] {
        for curve in curves {
            let name = format!("{hash}-{curve}@example.org");
            gpg.key_with(&["--cert-digest-algo", hash], &name, curve, "cv25519");
            reads(&gpg, &name);
        }
    }
    let preferences = "AES SHA256 Uncompressed";
    let few = ["--default-preference-list", preferences];
    gpg.key_with(&few, "aes128@example.org", "ed25519", "cv25519");
    reads(&gpg, "aes128@example.org");
    gpg.key_with(
        &["--cert-digest-algo", "SHA1"],
        "sha1@example.org",
        "rsa2048",
        "rsa2048",
    );
    assert_eq!(refused(&gpg.public("sha1@example.org")), Refused::Unsigned);
}

#[test]
fn a_key_that_does_all_itself_is_read() {
    let gpg = Gpg::new();
    gpg.done(&[
        "--quick-generate-key",
        "all@example.org",
        "rsa2048",
        "cert,sign,encr",
        "never",
    ]);
    reads(&gpg, "all@example.org");
}

#[test]
fn the_newest_part_that_may_encrypt_is_the_one_as_with_gpg() {
    let gpg = Gpg::new();
    let fingerprint = gpg.key_with(
        &["--faked-system-time", "20240101T000000"],
        "parts@example.org",
        "ed25519",
        "cv25519",
    );
    gpg.done(&["--quick-add-key", &fingerprint, "ed25519", "sign", "never"]);
    gpg.done(&["--quick-add-key", &fingerprint, "rsa2048", "encr", "never"]);
    let message = judged(&gpg.public("parts@example.org"))
        .unwrap()
        .encrypt(b"x")
        .unwrap();
    let (ours, theirs) = (
        gpg.run(&["--list-packets"], &message).stdout,
        gpg.run(
            &[
                "--trust-model",
                "always",
                "-r",
                "parts@example.org",
                "--encrypt",
            ],
            b"x",
        )
        .stdout,
    );
    let theirs = gpg.run(&["--list-packets"], &theirs).stdout;
    let id = |text: Vec<u8>| {
        let text = String::from_utf8(text).unwrap();
        let line = text
            .lines()
            .find(|line| line.contains(":pubkey enc packet"))
            .unwrap();
        line.split("keyid ").nth(1).unwrap().to_owned()
    };
    assert_eq!(id(ours), id(theirs));
    reads(&gpg, "parts@example.org");
}

#[test]
fn keys_that_are_over_are_refused() {
    let gpg = Gpg::new();
    let past = ["--faked-system-time", "20200101T000000"];
    let make = |words: &[&str]| gpg.done(&[&past[..], words].concat());
    make(&[
        "--quick-generate-key",
        "over@example.org",
        "ed25519",
        "cert",
        "1y",
    ]);
    let fingerprint = gpg.fingerprint("over@example.org");
    make(&["--quick-add-key", &fingerprint, "cv25519", "encr", "1y"]);
    let over = gpg.public("over@example.org");
    assert_eq!(refused(&over), Refused::Expired);
    let then = 1_577_836_800 + YEAR / 2;
    assert!(
        Recipient::from_binary(&over, then).is_ok(),
        "it was good then"
    );
    assert_eq!(
        Recipient::from_binary(&over, then - YEAR).err(),
        Some(Refused::Future)
    );

    // Its owner makes it last, as people do.
    gpg.done(&["--quick-set-expire", &fingerprint, "0"]);
    assert_eq!(
        refused(&gpg.public("over@example.org")),
        Refused::EncryptionExpired
    );
    let part = &gpg.fingerprints("over@example.org")[1];
    gpg.done(&["--quick-set-expire", &fingerprint, "0", part]);
    reads(&gpg, "over@example.org");

    let future = ["--faked-system-time", "20900101T000000"];
    gpg.key_with(&future, "early@example.org", "ed25519", "cv25519");
    assert_eq!(refused(&gpg.public("early@example.org")), Refused::Future);
}

#[test]
fn revoked_keys_and_parts_are_refused() {
    let gpg = Gpg::new();
    let fingerprint = gpg.key("gone@example.org", "ed25519", "cv25519");
    let file = gpg
        .home()
        .join("openpgp-revocs.d")
        .join(format!("{fingerprint}.rev"));
    // GnuPG breaks the first line, so that nobody imports it by mistake.
    let text = std::fs::read_to_string(file)
        .unwrap()
        .replace(":-----BEGIN", "-----BEGIN");
    let read = gpg.run(&["--import"], text.as_bytes());
    assert!(
        read.status.success(),
        "{}",
        String::from_utf8_lossy(&read.stderr)
    );
    assert_eq!(refused(&gpg.public("gone@example.org")), Refused::Revoked);

    let fingerprint = gpg.key("part@example.org", "ed25519", "cv25519");
    let revoke = |selected: &str, asked: &str| {
        let words = format!("{selected}{asked}\ny\n0\n\ny\nsave\n");
        let output = gpg.run(
            &[
                "--no-batch",
                "--command-fd",
                "0",
                "--edit-key",
                &fingerprint,
            ],
            words.as_bytes(),
        );
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    };
    revoke("key 1\n", "revkey");
    assert_eq!(
        refused(&gpg.public("part@example.org")),
        Refused::EncryptionRevoked
    );
    gpg.done(&["--quick-add-key", &fingerprint, "nistp256", "encr", "never"]);
    reads(&gpg, "part@example.org");
    gpg.done(&["--quick-add-uid", &fingerprint, "second@example.org"]);
    gpg.done(&["--quick-revoke-uid", &fingerprint, "part@example.org"]);
    reads(&gpg, "second@example.org");
}

#[test]
fn keys_that_only_sign_are_refused() {
    let gpg = Gpg::new();
    gpg.done(&[
        "--quick-generate-key",
        "signs@example.org",
        "ed25519",
        "cert,sign",
        "never",
    ]);
    assert_eq!(
        refused(&gpg.public("signs@example.org")),
        Refused::NoEncryption
    );
    gpg.done(&[
        "--quick-generate-key",
        "rsa@example.org",
        "rsa2048",
        "cert,sign",
        "never",
    ]);
    assert_eq!(
        refused(&gpg.public("rsa@example.org")),
        Refused::NoEncryption,
        "RSA could, and is not meant to"
    );
    gpg.done(&[
        "--quick-generate-key",
        "dsa@example.org",
        "dsa2048",
        "cert",
        "never",
    ]);
    assert_eq!(refused(&gpg.public("dsa@example.org")), Refused::Algorithm);
    gpg.key("small@example.org", "ed25519", "rsa1024");
    assert_eq!(
        refused(&gpg.public("small@example.org")),
        Refused::NoEncryption
    );
}

#[test]
fn private_keys_are_refused_and_not_told() {
    let gpg = Gpg::new();
    gpg.key("own@example.org", "ed25519", "cv25519");
    let private = gpg.done(&["--export-secret-keys", "own@example.org"]);
    assert_eq!(refused(&private), Refused::Private);
    assert_eq!(binary(&private).err(), Some(Refused::Private));
    let armoured = gpg.done(&["--armor", "--export-secret-keys", "own@example.org"]);
    assert_eq!(binary(&armoured).err(), Some(Refused::Private));
    let inside = gpg.done(&["--export-secret-subkeys", "own@example.org"]);
    assert_eq!(refused(&inside), Refused::Private);
}

#[test]
fn every_form_of_a_file_is_the_same_key() {
    use base64::Engine as _;
    let gpg = Gpg::new();
    gpg.key("file@example.org", "ed25519", "cv25519");
    let key = gpg.public("file@example.org");
    let armoured = gpg.done(&[
        "--armor",
        "--comment",
        "of a test: here",
        "--export",
        "file@example.org",
    ]);
    assert_eq!(binary(&key).unwrap(), key);
    assert_eq!(binary(&armoured).unwrap(), key);
    let text = String::from_utf8(armoured).unwrap();
    assert_eq!(binary(text.replace('\n', "\r\n").as_bytes()).unwrap(), key);
    assert_eq!(
        binary(format!("{text}{text}").as_bytes()).err(),
        Some(Refused::Several)
    );
    let text = base64::engine::general_purpose::STANDARD.encode(&key);
    assert_eq!(binary(text.as_bytes()).unwrap(), key);
    let lines: Vec<_> = text.as_bytes().chunks(76).collect();
    assert_eq!(binary(&lines.join(&b'\n')).unwrap(), key);
    assert!(Recipient::from_base64(&text, now()).is_ok());
    assert_eq!(
        Recipient::from_base64("%", now()).err(),
        Some(Refused::NotBase64)
    );
    let long = "A".repeat(10_000_000);
    assert_eq!(
        Recipient::from_base64(&long, now()).err(),
        Some(Refused::TooLong)
    );
    assert_eq!(binary(long.as_bytes()).err(), Some(Refused::TooLong));
}

#[test]
fn no_bit_of_a_key_can_be_changed_unnoticed() {
    let gpg = Gpg::new();
    gpg.key("bits@example.org", "ed25519", "cv25519");
    gpg.key("other@example.org", "ed25519", "cv25519");
    let key = gpg.public("bits@example.org");
    let whole = judged(&key).unwrap();
    for end in 0..key.len() {
        assert!(judged(&key[..end]).is_err(), "cut at {end}");
    }
    for place in 0..key.len() {
        for bit in 0..8 {
            let mut changed = key.clone();
            changed[place] ^= 1 << bit;
            if let Ok(recipient) = judged(&changed) {
                // What is not signed (who it says made a signature, two bytes to look at first) may
                // change; whose the key is, and what is encrypted to, may not.
                assert_eq!(
                    recipient.fingerprint(),
                    whole.fingerprint(),
                    "byte {place}, bit {bit}"
                );
                let message = recipient.encrypt(b"x").unwrap();
                assert_eq!(
                    gpg.run(&["--decrypt"], &message).stdout,
                    b"x",
                    "byte {place}, bit {bit}"
                );
            }
        }
    }
    let both = [key, gpg.public("other@example.org")].concat();
    assert_eq!(refused(&both), Refused::Several);
    assert_eq!(refused(b"garbage"), Refused::NotAKey);
    assert_eq!(refused(b""), Refused::NotAKey);
    assert_eq!(binary(b"").err(), Some(Refused::NotAKey));
}

#[test]
fn a_recipient_is_stored_and_comes_back() {
    let gpg = Gpg::new();
    for (name, kind) in [("a@example.org", "cv25519"), ("b@example.org", "rsa2048")] {
        gpg.key(name, "ed25519", kind);
        let recipient = judged(&gpg.public(name)).unwrap();
        let text = serde_json::to_string(&recipient).unwrap();
        let again: Recipient = serde_json::from_str(&text).unwrap();
        assert_eq!(again.fingerprint(), recipient.fingerprint());
        assert_eq!(gpg.decrypt(&again.encrypt(b"share").unwrap()), b"share");
    }
}
