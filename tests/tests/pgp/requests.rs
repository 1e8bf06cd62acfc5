//! By requests, beside OpenBao.

use crate::{Asked, CONFIGURATION, People, THEIRS, alike, read, read_base64};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flows::Server;
use flows::bao::Bao;
use serde_json::{Value, json};

#[test]
fn shares_go_to_their_holders_as_with_openbao() {
    let people = People::new();
    let (server, bao) = (Server::configured(CONFIGURATION), Bao::configured(THEIRS));
    let mut both = [server.address(), bao.url()].map(|address| Asked {
        address,
        token: String::new(),
    });
    let keys = &people.keys;

    // Initialized, unsealed.
    let wanted = json!({"secret_shares": 3, "secret_threshold": 2, "pgp_keys": keys, "root_token_pgp_key": keys[0]});
    let made = both
        .each_ref()
        .map(|asked| asked.done("PUT", "sys/init", &wanted));
    alike("init", &made[0], &made[1]);
    let mut shares = Vec::new();
    for (asked, made) in both.iter_mut().zip(&made) {
        let read = read(&people.gpg, &made["keys"]);
        let base64 = made["keys_base64"].as_array().unwrap();
        assert_eq!(
            read_base64(&people.gpg, base64[1].as_str().unwrap()),
            read[1]
        );
        asked.token = read_base64(&people.gpg, made["root_token"].as_str().unwrap());
        asked.unseal(&read[1..]);
        let me = asked.done("GET", "auth/token/lookup-self", &Value::Null);
        assert_eq!(me["policies"], json!(["root"]));
        shares.push(read);
    }

    // New shares, twice to one person, with a backup.
    let twice = json!([keys[0], keys[0], keys[2]]);
    let wanted =
        json!({"secret_shares": 3, "secret_threshold": 2, "pgp_keys": twice, "backup": true});
    let step =
        |what: &str, both: &[Asked<'_>; 2], method: &str, path: &str, bodies: [&Value; 2]| {
            let answers = [0, 1].map(|side| both[side].done(method, path, bodies[side]));
            alike(what, &answers[0], &answers[1]);
            answers
        };
    let none = Value::Null;
    let begun = step(
        "begin",
        &both,
        "PUT",
        "sys/rotate/root/init",
        [&wanted, &wanted],
    );
    assert_eq!(
        begun[0]["pgp_fingerprints"],
        json!([
            people.fingerprints[0],
            people.fingerprints[0],
            people.fingerprints[2]
        ])
    );
    step(
        "status",
        &both,
        "GET",
        "sys/rotate/root/init",
        [&none, &none],
    );
    let give = |side: usize, share: usize| json!({"key": shares[side][share], "nonce": begun[side]["nonce"]});
    step(
        "one share",
        &both,
        "PUT",
        "sys/rotate/root/update",
        [&give(0, 0), &give(1, 0)],
    );
    let made = step(
        "last share",
        &both,
        "PUT",
        "sys/rotate/root/update",
        [&give(0, 2), &give(1, 2)],
    );
    let kept = step(
        "backup",
        &both,
        "GET",
        "sys/rotate/root/backup",
        [&none, &none],
    );
    step(
        "its old name",
        &both,
        "GET",
        "sys/rekey/backup",
        [&none, &none],
    );
    for (made, kept) in made.iter().zip(&kept) {
        assert_eq!(kept["nonce"], made["nonce"]);
        let (ann, eve) = (&people.fingerprints[0], &people.fingerprints[2]);
        let keys = &kept["keys"];
        assert_eq!(keys[ann], json!([made["keys"][0], made["keys"][1]]));
        assert_eq!(keys[eve], json!([made["keys"][2]]));
        assert_eq!(kept["keys_base64"][eve], json!([made["keys_base64"][2]]));
    }
    let shares = made.each_ref().map(|made| read(&people.gpg, &made["keys"]));

    // A root token to a key.
    let wanted = json!({"pgp_key": keys[2]});
    let begun = step(
        "token",
        &both,
        "PUT",
        "sys/generate-root-token/attempt",
        [&wanted, &wanted],
    );
    step(
        "its status",
        &both,
        "GET",
        "sys/generate-root-token/attempt",
        [&none, &none],
    );
    let give = |side: usize, share: usize| json!({"key": shares[side][share], "nonce": begun[side]["nonce"]});
    let path = "sys/generate-root-token/update";
    step("one share", &both, "PUT", path, [&give(0, 1), &give(1, 1)]);
    let made = step("last share", &both, "PUT", path, [&give(0, 2), &give(1, 2)]);
    for (side, asked) in both.iter_mut().enumerate() {
        asked.token = read_base64(&people.gpg, made[side]["encoded_token"].as_str().unwrap());
        let me = asked.done("GET", "auth/token/lookup-self", &none);
        assert_eq!(me["policies"], json!(["root"]));
    }

    // The new shares open it, under another root key, too, and the backup can be forgotten.
    for (asked, shares) in both.iter().zip(&shares) {
        let (status, answer) = asked.ask("POST", "sys/rotate/root", &json!({}));
        assert_eq!((status, answer), (204, Value::Null));
        let nobody = Asked {
            address: asked.address,
            token: String::new(),
        };
        assert_eq!(nobody.ask("POST", "sys/rotate/root", &json!({})).0, 403);
        asked.done("DELETE", "sys/rotate/root/backup", &none);
        for path in [
            "sys/rotate/root/backup",
            "sys/rekey/backup",
            "sys/rekey/recovery-key-backup",
        ] {
            assert_eq!(asked.refused("GET", path, &none), "no backed-up keys found");
        }
        asked.done("PUT", "sys/seal", &json!({}));
        asked.unseal(&shares[..2]);
    }
}

#[test]
fn a_bad_key_changes_nothing() {
    let people = People::new();
    let gpg = &people.gpg;
    let server = Server::configured(CONFIGURATION);
    let mut asked = Asked {
        address: server.address(),
        token: String::new(),
    };
    let good = &people.keys[0];
    let export = |name: &str| STANDARD.encode(gpg.public(name));
    let past = ["--faked-system-time", "20200101T000000"];
    gpg.done(
        &[
            &past[..],
            &[
                "--quick-generate-key",
                "over@example.org",
                "future-default",
                "default",
                "1y",
            ],
        ]
        .concat(),
    );
    gpg.done(&[
        "--quick-generate-key",
        "signs@example.org",
        "ed25519",
        "cert,sign",
        "never",
    ]);
    let private = STANDARD.encode(gpg.done(&["--export-secret-keys", "ann@example.org"]));
    let bytes = STANDARD.decode(good).unwrap();
    let cut = STANDARD.encode(&bytes[..bytes.len() / 2]);
    let armoured = gpg.done(&["--armor", "--export", "ann@example.org"]);
    let bad = [
        (STANDARD.encode(b"garbage"), "not an OpenPGP public key"),
        ("%%%".to_owned(), "not base64"),
        (STANDARD.encode(&armoured), "not an OpenPGP public key"),
        (cut, "not an OpenPGP public key"),
        (export("over@example.org"), "expired"),
        (export("signs@example.org"), "meant for encryption"),
        (private.clone(), "private key"),
        ("A".repeat(400_000), "longer than"),
    ];
    let huge =
        json!({"secret_shares": 1, "secret_threshold": 1, "pgp_keys": ["A".repeat(10_000_000)]});
    assert_eq!(asked.ask("PUT", "sys/init", &huge).0, 413);
    for (key, why) in &bad {
        for body in [
            json!({"secret_shares": 2, "secret_threshold": 2, "pgp_keys": [good, key]}),
            json!({"secret_shares": 1, "secret_threshold": 1, "root_token_pgp_key": key}),
        ] {
            let said = asked.refused("PUT", "sys/init", &body);
            assert!(said.contains(why), "{why}: {said}");
            assert!(
                key.len() < 8 || !said.contains(&key[..8]),
                "nothing of a key is told: {said}"
            );
        }
    }
    let count = json!({"secret_shares": 3, "secret_threshold": 2, "pgp_keys": [good]});
    assert!(
        asked
            .refused("PUT", "sys/init", &count)
            .contains("count mismatch")
    );
    let other = json!({"secret_shares": 1, "secret_threshold": 1, "recovery_pgp_keys": [good]});
    assert!(
        asked
            .refused("PUT", "sys/init", &other)
            .contains("not applicable")
    );
    assert_eq!(
        asked.done("GET", "sys/init", &Value::Null)["initialized"],
        false
    );

    let made = asked.done(
        "PUT",
        "sys/init",
        &json!({"secret_shares": 1, "secret_threshold": 1}),
    );
    let share = made["keys"][0].as_str().unwrap().to_owned();
    asked.token = made["root_token"].as_str().unwrap().to_owned();
    asked.unseal(std::slice::from_ref(&share));
    for (key, why) in &bad {
        for (path, body) in [
            (
                "sys/rotate/root/init",
                json!({"secret_shares": 2, "secret_threshold": 2, "pgp_keys": [good, key]}),
            ),
            (
                "sys/rekey/init",
                json!({"secret_shares": 2, "secret_threshold": 2, "pgp_keys": [key, good]}),
            ),
            ("sys/generate-root/attempt", json!({"pgp_key": key})),
        ] {
            let said = asked.refused("PUT", path, &body);
            assert!(said.contains(why), "{path}: {said}");
            assert_eq!(asked.done("GET", path, &Value::Null)["started"], false);
        }
    }
    let backup = json!({"secret_shares": 1, "secret_threshold": 1, "backup": true});
    assert!(
        asked
            .refused("PUT", "sys/rekey/init", &backup)
            .contains("without providing PGP keys")
    );
    let both = json!({"pgp_key": good, "otp": "x".repeat(28)});
    assert!(
        asked
            .refused("PUT", "sys/generate-root/attempt", &both)
            .contains("exclude each other")
    );
    asked.done("PUT", "sys/seal", &json!({}));
    asked.unseal(&[share]);
    let said = server.said();
    assert!(
        !said.contains(&private[..40]) && !said.contains(&good[..40]),
        "the log has no keys"
    );
}

#[test]
fn new_shares_wait_for_verification_and_their_backup_with_them() {
    let people = People::new();
    let server = Server::configured(CONFIGURATION);
    let mut asked = Asked {
        address: server.address(),
        token: String::new(),
    };
    let made = asked.done(
        "PUT",
        "sys/init",
        &json!({"secret_shares": 1, "secret_threshold": 1}),
    );
    asked.token = made["root_token"].as_str().unwrap().to_owned();
    let share = made["keys"][0].as_str().unwrap().to_owned();
    asked.unseal(std::slice::from_ref(&share));
    let wanted = json!({
        "secret_shares": 2, "secret_threshold": 2, "pgp_keys": people.keys[..2],
        "backup": true, "require_verification": true,
    });
    let begun = asked.done("PUT", "sys/rekey/init", &wanted);
    let made = asked.done(
        "PUT",
        "sys/rekey/update",
        &json!({"key": share, "nonce": begun["nonce"]}),
    );
    let said = asked.refused("GET", "sys/rekey/backup", &Value::Null);
    assert_eq!(
        said, "no backed-up keys found",
        "the old shares are the ones in force"
    );
    let nonce = &made["verification_nonce"];
    for share in read(&people.gpg, &made["keys"]) {
        asked.done(
            "PUT",
            "sys/rekey/verify",
            &json!({"key": share, "nonce": nonce}),
        );
    }
    let kept = asked.done("GET", "sys/rekey/backup", &Value::Null);
    assert_eq!(
        kept["keys"][&people.fingerprints[1]],
        json!([made["keys"][1]])
    );
}
