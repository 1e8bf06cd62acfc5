//! Mounts, methods, policies, audit devices, and the server itself.

use super::{Bao, compare, environment, program, run};
use std::path::Path;

#[test]
fn policies_mounts_and_audit_devices_print_the_same() {
    compare(&[
        (&["policy", "list"], ""),
        (&["policy", "list", "-format=json"], ""),
        (&["policy", "read", "default"], ""),
        (&["policy", "read", "nope"], ""),
        (
            &["policy", "write", "Demo", "-"],
            "\npath \"secret/*\" { capabilities = [\"read\"] }\n\n",
        ),
        (&["policy", "read", "demo"], ""),
        (&["policy", "read", "-format=json", "demo"], ""),
        (&["policy", "delete", "demo"], ""),
        (&["policy", "write", "bad", "-"], "path \"a\" {"),
        (&["secrets", "list"], ""),
        (
            &[
                "secrets",
                "enable",
                "-path=team/kv",
                "-description=for the team",
                "-version=2",
                "-max-lease-ttl=2h",
                "kv",
            ],
            "",
        ),
        (&["secrets", "enable", "kv-v2"], ""),
        (&["secrets", "enable", "nope"], ""),
        (&["secrets", "enable", "-path=secret", "kv"], ""),
        (
            &[
                "secrets",
                "tune",
                "-default-lease-ttl=1h",
                "-description=hm",
                "secret",
            ],
            "",
        ),
        (&["secrets", "list"], ""),
        (&["secrets", "list", "-detailed"], ""),
        (&["secrets", "list", "-format=json"], ""),
        (&["secrets", "disable", "team/kv"], ""),
        (&["secrets", "disable", "nowhere"], ""),
        (&["auth", "list"], ""),
        (&["auth", "enable", "approle"], ""),
        (
            &[
                "auth",
                "enable",
                "-path=robots",
                "-description=x",
                "-token-type=batch",
                "approle",
            ],
            "",
        ),
        (&["auth", "enable", "approle"], ""),
        (&["auth", "tune", "-default-lease-ttl=1h", "approle"], ""),
        (&["auth", "list"], ""),
        (&["auth", "list", "-detailed"], ""),
        (&["auth", "list", "-format=json"], ""),
        (&["auth", "disable", "approle"], ""),
        (&["audit", "list"], ""),
        (&["audit", "list", "-detailed"], ""),
        (&["audit", "list", "-format=json"], ""),
        (&["audit", "disable", "file"], ""),
    ]);
}

#[test]
fn lists_with_details_print_the_same() {
    compare(&[
        (&["kv", "put", "secret/a/b", "c=d"], ""),
        (&["kv", "put", "secret/z", "c=d"], ""),
        (&["kv", "put", "secret/y", "c=d"], ""),
        (&["list", "-detailed", "secret/metadata"], ""),
        (
            &[
                "list",
                "-detailed",
                "-format=json",
                "secret/detailed-metadata",
            ],
            "",
        ),
        (
            &[
                "list",
                "-detailed",
                "-format=yaml",
                "secret/detailed-metadata",
            ],
            "",
        ),
        (&["list", "-after=a/", "-limit=1", "secret/metadata"], ""),
        (&["list", "-limit=2", "secret/metadata"], ""),
        (&["delete", "-field=x", "secret/data/z"], ""),
        (&["kv", "delete", "-field=x", "secret/y"], ""),
        (&["status", "-field=sealed"], ""),
        (
            &["read", "-format=raw", "sys/internal/ui/mounts/secret"],
            "",
        ),
    ]);
}

#[test]
fn the_operators_commands_print_the_same() {
    compare(&[
        (&["status"], ""),
        (&["status", "-format=json"], ""),
        (&["status", "-format=yaml"], ""),
        (&["operator", "init", "-status"], ""),
        (&["operator", "init"], ""),
        (&["operator", "rotate"], ""),
        (&["operator", "seal"], ""),
        (&["status"], ""),
        (&["status", "-format=json"], ""),
        (&["kv", "get", "secret/app"], ""),
        (&["operator", "unseal", "-reset"], ""),
        (&["operator", "unseal", "AAAA"], ""),
        (&["operator", "seal"], ""),
    ]);
}

/// What scripts read of it: the exit code, and the status in JSON.
#[test]
fn configurations_are_judged_the_same() {
    let theirs = Bao::start();
    let place = |name: &str| theirs.home.path().join(name).display().to_string();
    // What each program has no word against.
    let listener =
        |more: &str| format!("listener \"tcp\" {{ address = \"127.0.0.1:8200\"\n{more} }}\n");
    for (kind, more) in [("embedded", ""), ("inmem", "tls_disable = true")] {
        let good = format!("storage \"{kind}\" {{ path = \"/x\" }}\n{}", listener(more));
        std::fs::write(place(&format!("{kind}-good.hcl")), &good).unwrap();
        let odd = format!("{good}colour = \"green\"\n");
        std::fs::write(place(&format!("{kind}-odd.hcl")), odd).unwrap();
        std::fs::write(place(&format!("{kind}-bad.hcl")), "storage \"file\" {").unwrap();
    }
    let ours = Path::new(env!("CARGO_BIN_EXE_cofferdam"));
    let home = theirs.home.path().display().to_string();
    for (name, code, status) in [
        ("good.hcl", 0, "ok"),
        ("odd.hcl", 2, "warn"),
        ("bad.hcl", 1, "fail"),
        ("none.hcl", 1, "fail"),
    ] {
        for (program, kind) in [(program().as_path(), "inmem"), (ours, "embedded")] {
            let config = format!("-config={}", place(&format!("{kind}-{name}")));
            let words = ["operator", "validate-config", &config, "-format=json"];
            let ran = run(program, &words, "", &[("HOME", &home)]);
            assert_eq!(ran.code, code, "{name}: {ran:?}");
            let said = format!("\"status\": \"{status}\"");
            assert!(ran.stdout.contains(&said), "{name}: {ran:?}");
        }
    }
    compare(&[(&["operator", "validate-config"], "")]);
}

#[test]
fn keys_are_imported_with_the_same_words() {
    const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
    compare(&[
        (&["secrets", "enable", "transit"], ""),
        (&["transit", "import", "transit/keys/a", KEY], ""),
        (&["transit", "import-version", "transit/keys/a", KEY], ""),
        (&["read", "-field=latest_version", "transit/keys/a"], ""),
        (&["transit", "import", "transit/keys/a", KEY], ""),
        (&["transit", "import", "transit/a", KEY], ""),
        (&["transit", "import", "transit/keys/a"], ""),
        (&["transit", "import", "transit/keys/b", "???"], ""),
        (&["transit", "import", "nowhere/keys/b", KEY], ""),
        (
            &[
                "transit",
                "import",
                "transit/keys/c",
                KEY,
                "type=aes128-gcm96",
            ],
            "",
        ),
        (&["transit"], ""),
    ]);
}

#[test]
fn a_server_is_unsealed_by_what_it_printed() {
    let bao = Bao::start();
    let environment = environment(&bao);
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let ours = Path::new(env!("CARGO_BIN_EXE_cofferdam"));
    assert_eq!(run(ours, &["operator", "seal"], "", &environment).code, 0);
    assert_eq!(run(ours, &["status"], "", &environment).code, 2);
    let key = format!("{}\n", bao.unseal_key());
    let unsealed = run(ours, &["operator", "unseal"], &key, &environment);
    assert_eq!(unsealed.code, 0, "{unsealed:?}");
    assert!(
        unsealed.stdout.contains("Sealed          false"),
        "{unsealed:?}"
    );
    assert_eq!(run(ours, &["status"], "", &environment).code, 0);
}
