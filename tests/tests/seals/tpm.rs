//! By a real TPM in software.

use super::swtpm::Swtpm;
use super::{configured, health, initialize, planted, reconfigure, restart, soon};
use flows::Server;
use serde_json::{Value, json};

fn seal(tpm: &Swtpm, pcrs: &str) -> String {
    format!(
        "seal \"tpm\" {{\n device = \"{}\"\n pcrs = \"{pcrs}\"\n}}",
        tpm.socket().display()
    )
}

fn recover(server: &Server, shares: &[String]) {
    for share in &shares[..2] {
        let body = json!({ "key": share }).to_string();
        assert_eq!(server.curl("", "PUT", "sys/unseal", &body).0, 200);
    }
}

#[test]
fn a_tpm_opens_and_nobody_elses_does() {
    let mut tpm = Swtpm::start();
    let mut server = configured(&seal(&tpm, ""));
    let (shares, token) = initialize(&server);
    assert_eq!(health(&server), 200);
    let still = planted(&server, &token);
    let (_, status) = server.curl("", "GET", "sys/seal-status", "");
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(
        (&status["type"], &status["recovery_seal"], &status["n"]),
        (&json!("tpm"), &json!(true), &json!(3))
    );
    let shown = server
        .command(&["status"])
        .env("COFFERDAM_ADDR", server.address())
        .env("VAULT_CACERT", server.ca())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("tpm"), "{shown}");
    // Killed at any moment, over and over: what is left in the TPM never stands in the way.
    for _ in 0..5 {
        restart(&mut server);
        still(&server);
    }
    tpm.power();
    restart(&mut server);
    still(&server);
    assert_eq!(tpm.left(), "", "nothing is left in it");
    // The machine is another one: the disk was carried away.
    let other = Swtpm::start();
    reconfigure(&server, &seal(&other, ""));
    restart(&mut server);
    assert_eq!(health(&server), 503);
    server.says("not the one that closed the store");
    recover(&server, &shares);
    still(&server);
    // New shares close it anew, with the TPM that is there now.
    rekey(&server, &token, &shares);
    restart(&mut server);
    still(&server);
}

/// One share instead of three, and a new root key; what is closed is closed by the seal of now.
fn rekey(server: &Server, token: &str, shares: &[String]) {
    let ask = |method: &str, path: &str, body: Value| {
        let (status, answer) = server.curl(token, method, path, &body.to_string());
        assert_eq!(status, 200, "{path}: {answer}");
        serde_json::from_str::<Value>(&answer).unwrap()
    };
    let wanted = json!({"secret_shares": 1, "secret_threshold": 1});
    let begun = ask("PUT", "sys/rekey-recovery-key/init", wanted);
    let nonce = begun["nonce"].as_str().or(begun["data"]["nonce"].as_str());
    let nonce = nonce.unwrap().to_owned();
    for share in &shares[..2] {
        let body = json!({"key": share, "nonce": nonce});
        ask("PUT", "sys/rekey-recovery-key/update", body);
    }
}

#[test]
fn a_start_that_was_changed_is_told_and_bound_anew() {
    let mut tpm = Swtpm::start();
    let mut server = configured(&seal(&tpm, "7"));
    let (shares, token) = initialize(&server);
    let still = planted(&server, &token);
    restart(&mut server);
    still(&server);
    // An update of the firmware.
    tpm.extend(7);
    restart(&mut server);
    assert_eq!(health(&server), 503);
    server.says("registers 7 are not what they were");
    recover(&server, &shares);
    still(&server);
    // The machine starts as it did: that opens by itself, again.
    tpm.power();
    restart(&mut server);
    still(&server);
    // Or the new start is to be the right one.
    tpm.extend(7);
    restart(&mut server);
    assert_eq!(health(&server), 503);
    recover(&server, &shares);
    rekey(&server, &token, &shares);
    restart(&mut server);
    still(&server);
}

#[test]
fn a_tpm_that_comes_late_is_waited_for() {
    let tpm = Swtpm::start();
    let place = tpm.directory().join("link");
    std::os::unix::fs::symlink(tpm.socket(), &place).unwrap();
    let text = format!("seal \"tpm\" {{\n device = \"{}\"\n}}", place.display());
    let mut server = configured(&text);
    let (_, token) = initialize(&server);
    let still = planted(&server, &token);
    std::fs::remove_file(&place).unwrap();
    restart(&mut server);
    assert_eq!(health(&server), 503);
    server.says("it cannot be reached");
    std::os::unix::fs::symlink(tpm.socket(), &place).unwrap();
    soon("open", || health(&server) == 200);
    still(&server);
}

/// What somebody reads whose machine has no TPM there.
#[test]
fn where_no_tpm_is_initialization_says_so_and_changes_nothing() {
    let tpm = Swtpm::start();
    let place = tpm.directory().join("none");
    let text = format!("seal \"tpm\" {{\n device = \"{}\"\n}}", place.display());
    let server = configured(&text);
    let output = server
        .command(&["operator", "init"])
        .env("COFFERDAM_ADDR", server.address())
        .env("VAULT_CACERT", server.ca())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert_eq!(
        said,
        "the server refused to write sys/init (500)\n  the seal failed; the request was not carried out, and \
         the server's log says why\n"
    );
    server.says("it cannot be reached");
    server.says("ls /dev/tpm*");
    std::os::unix::fs::symlink(tpm.socket(), &place).unwrap();
    initialize(&server);
    assert_eq!(health(&server), 200);
}
