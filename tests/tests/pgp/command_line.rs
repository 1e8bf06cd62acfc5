//! By the command lines, ours and OpenBao's.

use crate::{AUTOMATIC, CONFIGURATION, People, read, read_base64};
use flows::server::shown;
use flows::{Server, peers};
use serde_json::{Value, json};
use std::process::Command;

/// A file with somebody's key, in one of the forms that people have it in.
fn file(server: &Server, name: &str, content: &[u8]) -> String {
    let path = server.directory().path().join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

fn ours(server: &Server, token: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = flows::server::bare(server.directory().path())
        .args(arguments)
        .env("VAULT_ADDR", server.address())
        .env("VAULT_TOKEN", token)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn after<'a>(text: &'a str, start: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(start));
    line.unwrap_or_else(|| panic!("no line {start}: {text}"))
}

#[test]
fn the_command_line_takes_files_and_the_recovery_shares_go_to_people() {
    let people = People::new();
    let gpg = &people.gpg;
    let server = Server::configured(&format!("{CONFIGURATION}\n{AUTOMATIC}"));
    let files = [
        file(&server, "ann.gpg", &gpg.public("ann@example.org")),
        file(
            &server,
            "bob.asc",
            &gpg.done(&["--armor", "--export", "bob@example.org"]),
        ),
        file(&server, "eve.b64", people.keys[2].as_bytes()),
    ];
    let all = files.join(",");
    let ann = &files[0];
    let private = file(
        &server,
        "private.gpg",
        &gpg.done(&["--export-secret-keys", "ann@example.org"]),
    );

    for (value, why) in [
        (private.as_str(), "this is a private key"),
        ("keybase:somebody", "a key of Keybase is not fetched"),
        ("nowhere.gpg", "cannot read nowhere.gpg"),
    ] {
        let flag = format!("-recovery-pgp-keys={ann},{value}");
        let (code, _, said) = ours(
            &server,
            "",
            &["operator", "init", "-recovery-shares=2", &flag],
        );
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(why), "{said}");
    }
    let wrong = format!("-pgp-keys={all}");
    let (code, _, said) = ours(
        &server,
        "",
        &[
            "operator",
            "init",
            &wrong,
            "-key-shares=3",
            "-key-threshold=2",
        ],
    );
    assert!(
        code == Some(2) && said.contains("recovery_pgp_keys"),
        "{said}"
    );

    let arguments = [
        "operator",
        "init",
        "-recovery-shares=3",
        "-recovery-threshold=2",
        &format!("-recovery-pgp-keys={all}"),
        &format!("-root-token-pgp-key={ann}"),
    ];
    let (code, out, said) = ours(&server, "", &arguments);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("base64 -d | gpg --decrypt"), "{said}");
    let token = read_base64(gpg, after(&out, "Initial Root Token: "));
    let shares: Vec<_> = (1..=3)
        .map(|n| read_base64(gpg, after(&out, &format!("Recovery Key {n}: "))))
        .collect();

    // The recovery shares are new, with bao's own word for it.
    let begin = [
        "operator",
        "rotate-keys",
        "-target=recovery",
        "-init",
        "-n=3",
        "-t=2",
        &format!("-pgp-keys={all}"),
        "-backup",
    ];
    let (code, out, said) = ours(&server, &token, &begin);
    assert_eq!(code, Some(0), "{said}");
    assert!(out.contains(&people.fingerprints[1]), "{out}");
    let mut out = String::new();
    for share in &shares[1..] {
        let (code, text, said) = ours(
            &server,
            &token,
            &["operator", "rekey", "-target=recovery", share],
        );
        assert_eq!(code, Some(0), "{said}");
        out = text;
    }
    let shares: Vec<_> = (0..3)
        .map(|n| {
            let start = format!(
                "Key {} fingerprint: {}; value: ",
                n + 1,
                people.fingerprints[n]
            );
            read_base64(gpg, after(&out, &start))
        })
        .collect();
    let (code, out, said) = ours(
        &server,
        &token,
        &["operator", "rekey", "-target=recovery", "-backup-retrieve"],
    );
    assert_eq!(code, Some(0), "{said}");
    let message = out
        .lines()
        .find_map(|line| line.strip_prefix(&people.fingerprints[2]))
        .unwrap();
    assert_eq!(read_base64(gpg, message.trim()), shares[2]);
    let (code, ..) = ours(
        &server,
        &token,
        &["operator", "rekey", "-target=recovery", "-backup-delete"],
    );
    assert_eq!(code, Some(0));
    let (code, _, said) = ours(
        &server,
        &token,
        &["operator", "rekey", "-target=recovery", "-backup-retrieve"],
    );
    assert!(
        code == Some(2) && said.contains("no backed-up keys found"),
        "{said}"
    );

    // A token for the owner of a key.
    let flag = format!("-pgp-key={}", files[1]);
    let (code, out, said) = ours(
        &server,
        &token,
        &["operator", "generate-root", "-init", &flag],
    );
    assert_eq!(code, Some(0), "{said}");
    assert!(out.contains(&people.fingerprints[1]), "{out}");
    let mut said = String::new();
    for share in &shares[..2] {
        let (code, _, words) = ours(&server, &token, &["operator", "generate-root", share]);
        assert_eq!(code, Some(0), "{words}");
        said = words;
    }
    let made = read_base64(gpg, after(&said, "encoded token: "));
    let (code, out, said) = ours(&server, &made, &["token", "lookup", "-format=json"]);
    assert!(code == Some(0) && out.contains("\"root\""), "{said}");
}

#[test]
fn up_without_a_terminal_sends_recovery_shares_to_people() {
    use std::sync::Arc;
    let people = People::new();
    let gpg = &people.gpg;
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let files = ["ann", "bob", "eve"].map(|name| {
        let path = directory.path().join(name);
        std::fs::write(&path, gpg.public(&format!("{name}@example.org"))).unwrap();
        path.display().to_string()
    });
    gpg.done(&[
        "--quick-generate-key",
        "signs@example.org",
        "ed25519",
        "cert,sign",
        "never",
    ]);
    let signs = directory.path().join("signs");
    std::fs::write(&signs, gpg.public("signs@example.org")).unwrap();
    let bad = flows::server::bare(directory.path())
        .args(["up", "-foreground", "-no-docker"])
        .args(Server::places(directory.path()))
        .arg(format!(
            "-recovery-pgp-keys={},{}",
            files[0],
            signs.display()
        ))
        .output()
        .unwrap();
    assert_eq!(bad.status.code(), Some(1), "{}", shown(&bad));
    assert!(
        shown(&bad).contains("meant for encryption"),
        "{}",
        shown(&bad)
    );
    assert!(!directory.path().join("data").exists(), "nothing was begun");

    let mut server = Server::up_in(
        directory,
        &[&format!("-recovery-pgp-keys={}", files.join(","))],
    );
    let said = server.said();
    let shares: Vec<_> = (0..3)
        .map(|n| {
            read_base64(
                gpg,
                after(&said, &format!("  {}: ", people.fingerprints[n])),
            )
        })
        .collect();
    // They are the shares, under another root key as well: enough of them make new ones.
    server.run(&["write", "-f", "sys/rotate/root"]);
    server.kill();
    let server = server.again();
    server.run(&[
        "operator",
        "rekey",
        "-target=recovery",
        "-init",
        "-n=1",
        "-t=1",
    ]);
    let mut out = String::new();
    for share in &shares[..2] {
        out = server.run(&["operator", "rekey", "-target=recovery", share]);
    }
    after(&out, "Key 1: ");
}

#[test]
fn the_real_client_of_openbao_sees_no_difference() {
    let people = People::new();
    let server = Server::configured(CONFIGURATION);
    let files: Vec<_> = ["ann", "bob", "eve"]
        .map(|name| {
            let key = people
                .gpg
                .done(&["--armor", "--export", &format!("{name}@example.org")]);
            file(&server, name, &key)
        })
        .to_vec();
    let bao = |token: &str, arguments: &[&str]| {
        let output = Command::new(peers::bao())
            .args(arguments)
            .env("BAO_ADDR", server.address())
            .env("BAO_TOKEN", token)
            .env("HOME", server.directory().path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", shown(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let keys = format!("-pgp-keys={}", files.join(","));
    let root = format!("-root-token-pgp-key={}", files[2]);
    let made = bao(
        "",
        &[
            "operator",
            "init",
            "-n=3",
            "-t=2",
            &keys,
            &root,
            "-format=json",
        ],
    );
    let made: Value = serde_json::from_str(&made).unwrap();
    let shares = read(&people.gpg, &made["unseal_keys_hex"]);
    let token = read_base64(&people.gpg, made["root_token"].as_str().unwrap());
    for share in &shares[..2] {
        bao("", &["operator", "unseal", share]);
    }
    let begun = bao(
        &token,
        &[
            "operator",
            "rotate-keys",
            "-init",
            "-n=3",
            "-t=2",
            &keys,
            "-backup",
            "-format=json",
        ],
    );
    let begun: Value = serde_json::from_str(&begun).unwrap();
    assert_eq!(begun["pgp_fingerprints"], json!(people.fingerprints));
    let nonce = format!("-nonce={}", begun["nonce"].as_str().unwrap());
    let mut out = String::new();
    for share in &shares[..2] {
        out = bao(&token, &["operator", "rotate-keys", &nonce, share]);
    }
    let start = format!("Key 1 fingerprint: {}; value: ", people.fingerprints[0]);
    let first = read_base64(&people.gpg, after(&out, &start));
    let kept = bao(
        &token,
        &[
            "operator",
            "rotate-keys",
            "-backup-retrieve",
            "-format=json",
        ],
    );
    let kept: Value = serde_json::from_str(&kept).unwrap();
    let message = kept["data"]["keys"][&people.fingerprints[0]].clone();
    assert_eq!(read(&people.gpg, &message), [first]);
    bao(&token, &["operator", "rotate-keys", "-backup-delete"]);
}
