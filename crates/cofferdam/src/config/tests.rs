use super::*;
use cofferdam_barrier::seal::tpm::Pcrs;
use cofferdam_server::fronts::{Forwarded, Header, Listed};
use cofferdam_server::tls::{Clients, Oldest};
use cofferdam_server::{Fronts, Limits};
use std::time::Duration;

fn read(text: &str) -> Result<(Resolved, Vec<Warning>), ConfigError> {
    let mut raw = raw::Raw::default();
    raw.add(Path::new("server.hcl"), text)?;
    let warnings = std::mem::take(&mut raw.warnings);
    resolve::resolve(&raw, warnings)
}

fn refused(text: &str) -> String {
    read(text).expect_err("refused").to_string()
}

fn tcp(inside: &str) -> String {
    format!("storage \"inmem\" {{}}\nlistener \"tcp\" {{\n{inside}\n}}")
}

#[test]
fn a_usual_vault_configuration_is_understood() {
    let (resolved, warnings) = read(
        r#"
ui            = true
cluster_addr  = "https://127.0.0.1:8201"
api_addr      = "https://vault.example:8200"
disable_mlock = true
max_lease_ttl = "10h"
log_level     = "Debug"
storage "raft" {
  path    = "/nonexistent/vault/data"
  node_id = "node1"
}
listener "tcp" {
  address       = "127.0.0.1:8200"
  tls_cert_file = "/etc/tls/cert.pem"
  tls_key_file  = "/etc/tls/key.pem"
  max_request_size = 1048576
  http_idle_timeout = "1m"
}
"#,
    )
    .unwrap();
    assert_eq!(
        resolved.storage,
        Storage::Embedded {
            path: "/nonexistent/vault/data".into()
        }
    );
    assert_eq!(
        resolved.api_addr.as_deref(),
        Some("https://vault.example:8200")
    );
    assert!(!resolved.lock_memory);
    assert_eq!(resolved.max_lease_ttl, Some(Duration::from_secs(36_000)));
    assert_eq!(resolved.log.level.as_deref(), Some("debug"));
    let limits = Limits {
        body: 1 << 20,
        idle_time: Duration::from_secs(60),
        ..Limits::default()
    };
    let security = Security::Files {
        certificate: "/etc/tls/cert.pem".into(),
        key: "/etc/tls/key.pem".into(),
        oldest: Oldest::Tls12,
        clients: Clients::Asked,
    };
    assert_eq!(
        resolved.listeners,
        [Listener::Tcp {
            address: "127.0.0.1:8200".parse().unwrap(),
            security,
            fronts: Fronts::default(),
            limits
        }]
    );
    let texts: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert!(
        texts[0].starts_with("server.hcl:2: ui has no effect"),
        "{texts:?}"
    );
    assert!(
        texts
            .iter()
            .any(|text| text.contains("node_id has no effect")),
        "{texts:?}"
    );
    assert!(
        texts
            .iter()
            .any(|text| text.starts_with("server.hcl:8:") && text.contains("is not read")),
        "{texts:?}"
    );
}

#[test]
fn json_means_the_same_as_hcl() {
    let json = r#"{"backend": {"inmem": {}}, "listener": [{"tcp": {"address": "127.0.0.1:8200", "tls_disable": "true"}}],
        "default_lease_ttl": "1h", "disable_mlock": 1}"#;
    let hcl = "backend \"inmem\" {}\nlistener \"tcp\" { address = \"127.0.0.1:8200\" tls_disable = 1 }\ndefault_lease_ttl = 3600\ndisable_mlock = true";
    assert_eq!(read(json).unwrap().0, read(hcl).unwrap().0);
}

#[test]
fn unknown_keys_are_warned_about_with_their_place() {
    let (_, warnings) =
        read("storage \"inmem\" {\n  colour = \"red\"\n}\nstroage_path = \"x\"\n").unwrap();
    let texts: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert!(
        texts.contains(&"server.hcl:4: unknown key: stroage_path".to_owned()),
        "{texts:?}"
    );
    assert!(
        texts.contains(&"server.hcl:2: unknown key in storage: colour".to_owned()),
        "{texts:?}"
    );
    assert!(
        texts
            .iter()
            .any(|text| text.contains("gone when the server stops")),
        "{texts:?}"
    );
}

#[test]
fn what_cannot_be_promised_is_refused_with_the_way_out() {
    let cases = [
        (
            "storage \"consul\" {}",
            "storage \"consul\" is not served here; supported are embedded",
        ),
        (
            "storage \"blob\" {}",
            "not a kind of storage; supported are embedded",
        ),
        ("storage \"file\" {}", "storage needs a path"),
        ("listener \"tcp\" {}", "add  storage \"embedded\""),
        (
            "storage \"inmem\" {}\nstorage \"inmem\" {}",
            "second storage block",
        ),
        (
            "storage \"inmem\" {}\nseal \"gcpckms\" {}",
            "supported are shamir, machine, static, transit, awskms, tpm and systemd-creds",
        ),
        (
            "storage \"inmem\" {}\nseal \"tpm\" { pcrs = \"24\" }",
            "no list of 0 to 23",
        ),
        (
            "storage \"inmem\" {}\nseal \"tpm\" { device = \"tpmrm0\" }",
            "by its whole path, such as /dev/tpmrm0",
        ),
        (
            "storage \"inmem\" {}\nseal \"systemd-creds\" { credential = \"../x\" }",
            "whose name is none",
        ),
        (
            "storage \"inmem\" {}\nseal \"awskms\" { region = \"eu/../x\" }",
            "has a region that is none",
        ),
        (
            "storage \"inmem\" {}\nseal \"transit\" { address = \"https://a\" }",
            "needs token (or BAO_TOKEN in the environment)",
        ),
        (
            "storage \"inmem\" {}\nseal \"static\" {\ncurrent_key_id = \"a\"\ncurrent_key = \"c2hvcnQ=\"\n}",
            "cannot read current_key: expected 32 bytes in base64 or hex",
        ),
        (
            "storage \"inmem\" {}\nseal \"transit\" { tls_skip_verify = true }",
            "could open nothing, and see everything",
        ),
        (
            "storage \"inmem\" {}\nseal \"machine\" {}",
            "outlives the server",
        ),
        (
            "storage \"inmem\" {}\nseal \"shamir\" {}\nseal \"shamir\" {}",
            "write disabled = \"true\" into the one it leaves",
        ),
        (
            "storage \"inmem\" {}\nseal \"shamir\" { disabled = \"true\" }",
            "cannot be disabled; leave it out",
        ),
        (
            "storage \"inmem\" {}\nseal \"static\" {\ndisabled = true\n}",
            "needs current_key",
        ),
        (
            "storage \"inmem\" {}\nraw_storage_endpoint = true",
            "sys/raw would hand out",
        ),
        (
            "storage \"inmem\" {}\nha_storage \"consul\" {}",
            "the store itself carries replicas",
        ),
        (
            "storage \"inmem\" {}\naudit \"file\" {}",
            "cofferdam audit enable",
        ),
        (
            "storage \"inmem\" {}\nlistener \"quic\" {}",
            "a listener is \"tcp\" or \"unix\"",
        ),
        (
            "storage \"inmem\" {}\nlistener \"unix\" {}",
            "needs an address",
        ),
        (
            "storage \"inmem\" {}\nlog_level = \"loud\"",
            "log_level is trace",
        ),
        (
            "storage \"inmem\" {}\ndefault_lease_ttl = \"2h\"\nmax_lease_ttl = \"1h\"",
            "longer than max_lease_ttl",
        ),
        (
            "storage \"inmem\" {}\ndefault_lease_ttl = \"soon\"",
            "server.hcl:2: expected a duration",
        ),
        ("storage \"inmem\" {", "server.hcl:1: "),
    ];
    for (text, expected) in cases {
        let said = refused(text);
        assert!(said.contains(expected), "{text}\n  said: {said}");
    }
    assert!(
        read("storage \"inmem\" {}\nraw_storage_endpoint = false\nintrospection_endpoint = \"\"")
            .is_ok()
    );
}

#[test]
fn listeners_are_refused_rather_than_weakened() {
    let cases = [
        ("tls_cert_file = \"a.pem\"", "belong together"),
        (
            "tls_min_version = \"tls10\"",
            "older versions are not spoken",
        ),
        (
            "tls_require_and_verify_client_cert = true",
            "needs tls_client_ca_file",
        ),
        (
            "tls_require_and_verify_client_cert = true\ntls_client_ca_file = \"ca.pem\"",
            "need tls_cert_file",
        ),
        (
            "proxy_protocol_behavior = \"sometimes\"",
            "use_always, allow_authorized or deny_unauthorized",
        ),
        (
            "proxy_protocol_behavior = \"allow_authorized\"",
            "needs proxy_protocol_authorized_addrs",
        ),
        (
            "proxy_protocol_behavior = \"deny_unauthorized\"\nproxy_protocol_authorized_addrs = []",
            "needs proxy_protocol_authorized_addrs",
        ),
        (
            "proxy_protocol_behavior = \"deny_unauthorized\"\nproxy_protocol_authorized_addrs = \"10.0.0.1,proxy.example\"",
            "names are not looked up",
        ),
        (
            "x_forwarded_for_authorized_addrs = [\"10.0.0.0/33\"]",
            "names are not looked up",
        ),
        (
            "x_forwarded_for_authorized_addrs = \"10.0.0.1\"\nx_forwarded_for_hop_skips = -1",
            "is from 0 to 64",
        ),
        (
            "x_forwarded_for_client_cert_header = \"Client-Cert\"",
            "no header stands for a client's certificate",
        ),
        (
            "x_forwarded_for_client_cert_keep_unauthorized = true",
            "see x_forwarded_for_client_cert_header",
        ),
        ("require_request_header = true", "not enforced"),
        (
            "address = \"vault.example:8200\"",
            "names and templates are not resolved",
        ),
        (
            "address = \"{{ GetPrivateIP }}:8200\"",
            "names and templates are not resolved",
        ),
        ("max_request_size = 0", "no limit at all is not served here"),
        (
            "max_request_size = -1",
            "no limit at all is not served here",
        ),
        (
            "http_idle_timeout = \"0s\"",
            "no limit at all is not served here",
        ),
    ];
    for (text, expected) in cases {
        let said = refused(&tcp(text));
        assert!(said.contains(expected), "{text}\n  said: {said}");
    }
}

#[test]
fn addresses_are_read_as_they_are_usually_written() {
    for (text, expected) in [
        ("127.0.0.1:8300", "127.0.0.1:8300"),
        ("[::]:8200", "[::]:8200"),
        (":8201", "0.0.0.0:8201"),
        ("localhost:1", "127.0.0.1:1"),
        ("10.0.0.1", "10.0.0.1:8200"),
        ("::1", "[::1]:8200"),
    ] {
        let (resolved, _) = read(&tcp(&format!("address = \"{text}\""))).unwrap();
        let [Listener::Tcp { address, .. }] = resolved.listeners.as_slice() else {
            panic!("{text}")
        };
        assert_eq!(address.to_string(), expected);
    }
}

#[test]
fn without_a_listener_there_is_loopback_with_tls() {
    let (resolved, _) = read("storage \"inmem\" {}").unwrap();
    let [
        Listener::Tcp {
            address,
            security: Security::Own { .. },
            ..
        },
    ] = resolved.listeners.as_slice()
    else {
        panic!()
    };
    assert_eq!(address.to_string(), "127.0.0.1:8200");
}

#[test]
fn socket_modes_are_octal() {
    let mode = |text: &str| {
        let (resolved, _) = read(&format!(
            "storage \"inmem\" {{}}\nlistener \"unix\" {{ address = \"/run/x.sock\" {text} }}"
        ))?;
        let [Listener::Unix { mode, .. }] = resolved.listeners.as_slice() else {
            panic!()
        };
        Ok::<_, ConfigError>(*mode)
    };
    assert_eq!(mode("").unwrap(), 0o600);
    assert_eq!(mode("socket_mode = \"660\"").unwrap(), 0o660);
    assert_eq!(mode("socket_mode = \"0666\"").unwrap(), 0o666);
    assert_eq!(mode("socket_mode = 0660").unwrap(), 0o660);
    assert!(mode("socket_mode = \"rw\"").is_err());
    assert!(mode("socket_mode = \"7777\"").is_err());
}

#[test]
fn a_directory_with_foreign_data_is_refused_and_one_of_ours_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let config = format!(
        "storage \"file\" {{ path = \"{}\" }}",
        directory.path().display()
    );
    std::fs::create_dir(directory.path().join("tls")).unwrap();
    assert!(read(&config).is_ok());
    std::fs::create_dir(directory.path().join("core")).unwrap();
    let said = refused(&config);
    assert!(said.contains("holds something else (core)"), "{said}");
    std::fs::write(directory.path().join(cofferdam_store::embedded::FILE), "").unwrap();
    assert!(read(&config).is_ok());
}

#[test]
fn files_add_up_and_a_directory_stands_for_its_files() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    std::fs::write(
        place("10.hcl"),
        "storage \"inmem\" {}\nlog_level = \"warn\"\nlistener \"tcp\" { address = \":1\" }",
    )
    .unwrap();
    std::fs::write(
        place("20.json"),
        r#"{"log_level": "error", "listener": {"tcp": {"address": ":2"}}}"#,
    )
    .unwrap();
    std::fs::write(place("30.hcl~"), "nonsense {{{").unwrap();
    let (resolved, _) = load(&[directory.path().to_owned()]).unwrap();
    assert_eq!(resolved.log.level.as_deref(), Some("error"));
    assert_eq!(resolved.listeners.len(), 2);
    assert!(
        load(&[place("absent.hcl")])
            .unwrap_err()
            .to_string()
            .contains("cannot read")
    );
}

#[test]
fn errors_and_warnings_never_hold_a_value() {
    let canary = "canary-7f3a91c2";
    for text in [
        format!("storage \"inmem\" {{}}\nmax_lease_ttl = \"{canary}\""),
        format!("storage \"inmem\" {{}}\ndisable_mlock = \"{canary}\""),
        format!("storage \"inmem\" {{}}\nlog_level = \"{canary}\""),
        format!("storage \"inmem\" {{}}\nhsm = \"{canary}\""),
        format!("storage \"inmem\" {{}}\nunheard_of = \"{canary}\""),
        format!("storage \"inmem\" {{}}\nseal \"transit\" {{ token = \"{canary}\" }}"),
        tcp(&format!("address = \"{canary}\"")),
        tcp(&format!("max_request_size = \"{canary}\"")),
    ] {
        match read(&text) {
            Ok((_, warnings)) => assert!(
                warnings
                    .iter()
                    .all(|warning| !warning.to_string().contains(canary)),
                "{text}"
            ),
            Err(error) => assert!(!error.to_string().contains(canary), "{error}"),
        }
    }
}

#[test]
fn no_key_stands_twice_in_the_table() {
    let mut seen = std::collections::HashSet::new();
    for key in keys::all() {
        assert!(
            seen.insert((key.block.title(), key.name)),
            "{} {}",
            key.block.title(),
            key.name
        );
        assert!(
            !keys::is_budget(key.block, key.name),
            "{} is a budget",
            key.name
        );
    }
}

#[test]
fn the_book_says_what_the_table_says() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/book/server-configuration.md");
    let page = book::page();
    if std::env::var_os("COFFERDAM_WRITE_BOOK").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/book/server-configuration.md is not what the table says: run the tests with COFFERDAM_WRITE_BOOK=1"
    );
}

#[test]
fn seals_of_the_machine_take_the_file_then_the_environment_then_the_usual() {
    let of = |text: &str, set: &[(&str, &str)]| {
        let mut raw = raw::Raw::default();
        raw.add(Path::new("a.hcl"), text).unwrap();
        let environment = |name: &str| {
            let found = set.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        seal::seals(&raw, &Storage::Memory, &environment).unwrap().0
    };
    let device = ("COFFERDAM_TPM_SEAL_DEVICE", "/dev/tpmrm1");
    let pcrs = ("COFFERDAM_TPM_SEAL_PCRS", "0,7");
    let tpm = |device: &str, pcrs: &str| SealKind::Tpm {
        device: device.into(),
        pcrs: Pcrs::parse(pcrs).unwrap(),
    };
    assert_eq!(of("seal \"tpm\" {}", &[]), tpm("/dev/tpmrm0", ""));
    assert_eq!(
        of("seal \"tpm\" {}", &[device, pcrs]),
        tpm("/dev/tpmrm1", "0,7")
    );
    let written = "seal \"tpm\" {\ndevice = \"/run/tpm\"\npcrs = \"4\"\n}";
    assert_eq!(of(written, &[device, pcrs]), tpm("/run/tpm", "4"));
    let creds = |directory: Option<&str>, credential: &str| SealKind::SystemdCreds {
        directory: directory.map(Into::into),
        credential: credential.to_owned(),
    };
    let given = ("CREDENTIALS_DIRECTORY", "/run/credentials/a");
    let name = ("COFFERDAM_SYSTEMD_CREDS_SEAL_CREDENTIAL", "mine");
    let block = "seal \"systemd-creds\" {}";
    assert_eq!(of(block, &[]), creds(None, "cofferdam-seal"));
    assert_eq!(
        of(block, &[given, name]),
        creds(Some("/run/credentials/a"), "mine")
    );
}

#[test]
fn a_key_in_a_file_is_read_as_far_as_a_key_goes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let read_it = |from: &str| {
        read(&format!(
            "storage \"inmem\" {{}}\nseal \"static\" {{\ncurrent_key_id = \"a\"\ncurrent_key = \"file://{from}\"\n}}"
        ))
    };
    for good in [vec![7; 32], format!("{}\n", "7".repeat(64)).into_bytes()] {
        std::fs::write(&path, &good).unwrap();
        assert!(read_it(path.to_str().unwrap()).is_ok());
    }
    // A mounted secret is a link.
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(read_it(link.to_str().unwrap()).is_ok());
    std::fs::write(&path, "7".repeat(4097)).unwrap();
    for large in [path.to_str().unwrap(), "/dev/zero"] {
        let error = read_it(large).unwrap_err().to_string();
        assert!(error.contains("too large to be a key"), "{error}");
    }
}

#[test]
fn a_disabled_seal_is_the_one_that_the_store_leaves() {
    let block = |id: &str, more: &str| {
        format!(
            "seal \"static\" {{\ncurrent_key_id = \"{id}\"\ncurrent_key = \"{}\"\n{more}\n}}\n",
            "7".repeat(64)
        )
    };
    let id = |seal: &SealKind| match seal {
        SealKind::Static { current, .. } => current.id.clone(),
        other => panic!("{}", other.name()),
    };
    for text in ["disabled = \"true\"", "disabled = true"] {
        let text = format!(
            "storage \"inmem\" {{}}\n{}{}",
            block("old", text),
            block("new", "")
        );
        let (resolved, _) = read(&text).unwrap();
        assert_eq!(id(&resolved.seal), "new");
        assert_eq!(
            resolved.former_seal.as_ref().map(id).as_deref(),
            Some("old")
        );
    }
    let alone = format!(
        "storage \"inmem\" {{}}\n{}",
        block("old", "disabled = \"true\"")
    );
    let (resolved, _) = read(&alone).unwrap();
    assert_eq!(resolved.seal, SealKind::Shamir);
    assert!(resolved.former_seal.is_some());
    let not = format!(
        "storage \"inmem\" {{}}\n{}",
        block("old", "disabled = \"false\"")
    );
    assert_eq!(id(&read(&not).unwrap().0.seal), "old");
    let two = format!("{alone}{}", block("more", "disabled = \"true\""));
    let refused = read(&two).unwrap_err().to_string();
    assert!(refused.contains("second disabled seal block"), "{refused}");
}

#[test]
fn proxies_in_front_are_read_as_vault_writes_them() {
    let of = |inside: &str| {
        let (resolved, warnings) = read(&tcp(inside)).unwrap();
        let [Listener::Tcp { fronts, .. }] = resolved.listeners.as_slice() else {
            panic!("{inside}")
        };
        let texts: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        (fronts.clone(), texts)
    };
    let listed = |entries: &[&str]| {
        Listed::new(
            entries
                .iter()
                .map(|text| Listed::entry(text).unwrap())
                .collect(),
        )
    };
    let (fronts, warnings) = of(
        "proxy_protocol_behavior = \"allow_authorized\"\nproxy_protocol_authorized_addrs = \"10.0.0.1, 192.0.2.0/24\"",
    );
    assert_eq!(
        fronts.header,
        Some(Header::ListedOnes(listed(&["10.0.0.1", "192.0.2.0/24"])))
    );
    assert_eq!(fronts.forwarded, None);
    assert!(
        !warnings.iter().any(|text| text.contains("proxy_")),
        "{warnings:?}"
    );
    let (fronts, _) = of(
        "proxy_protocol_behavior = \"deny_unauthorized\"\nproxy_protocol_authorized_addrs = [\"::1\"]\nx_forwarded_for_authorized_addrs = [\"127.0.0.1/8\"]\nx_forwarded_for_hop_skips = \"1\"\nx_forwarded_for_reject_not_present = \"false\"",
    );
    let forwarded = Forwarded {
        listed: listed(&["127.0.0.1/8"]),
        hop_skips: 1,
        reject_not_authorized: true,
        reject_not_present: false,
    };
    let header = Some(Header::ListedOnly(listed(&["::1"])));
    assert_eq!(
        fronts,
        Fronts {
            header,
            forwarded: Some(forwarded)
        }
    );
    let (fronts, warnings) = of(
        "proxy_protocol_authorized_addrs = \"10.0.0.1\"\nx_forwarded_for_reject_not_present = true",
    );
    assert_eq!(fronts, Fronts::default());
    assert!(
        warnings
            .iter()
            .any(|text| text.contains("without proxy_protocol_behavior"))
            && warnings
                .iter()
                .any(|text| text.contains("without x_forwarded_for_authorized_addrs")),
        "{warnings:?}"
    );
    let (fronts, warnings) = of(
        "proxy_protocol_behavior = \"use_always\"\nproxy_protocol_authorized_addrs = \"10.0.0.1\"",
    );
    assert_eq!(fronts.header, Some(Header::DangerouslyAnybodys));
    assert!(
        warnings
            .iter()
            .any(|text| text.contains("everybody is believed")),
        "{warnings:?}"
    );
}
