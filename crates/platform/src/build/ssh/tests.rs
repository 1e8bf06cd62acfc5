use super::*;
use cofferdam_secret::Secret;
use std::process::{Command, Stdio};

/// A key made by OpenSSH itself.
fn made(directory: &Path, kind: &str, bits: &str, passphrase: &str) -> PathBuf {
    let file = directory.join(format!("{kind}{bits}{passphrase}"));
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-N", passphrase, "-C", "of a test", "-f"]);
    command.arg(&file);
    if !bits.is_empty() {
        command.args(["-b", bits]);
    }
    let status = command.status().expect("apt-get install openssh-client");
    assert!(status.success());
    file
}

fn key(file: &Path) -> Result<Key, KeyError> {
    Key::parse(&Secret::new(std::fs::read(file).unwrap()), "x")
}

#[test]
fn openssh_takes_our_list_and_our_signatures() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for (kind, bits) in [
        ("ed25519", ""),
        ("ecdsa", "256"),
        ("ecdsa", "384"),
        ("ecdsa", "521"),
        ("rsa", "2048"),
        ("rsa", "3072"),
    ] {
        let file = made(directory.path(), kind, bits, "");
        let socket = at(&format!("{kind}{bits}.sock"));
        let agent = Agent::start(&socket, vec![key(&file).unwrap()]).unwrap();
        std::fs::remove_file(&file).unwrap();
        let public = file.with_extension("pub");
        let asked = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.args(arguments).env("SSH_AUTH_SOCK", agent.socket());
            command.stdin(Stdio::null()).output().unwrap()
        };
        let listed = asked("ssh-add", &["-L"]);
        let line = std::fs::read_to_string(&public).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&listed.stdout),
            line,
            "{kind}{bits}"
        );

        let message = at("message");
        std::fs::write(&message, "something to sign").unwrap();
        let _ = std::fs::remove_file(at("message.sig"));
        let public = public.to_str().unwrap();
        let message = message.to_str().unwrap();
        let signed = asked(
            "ssh-keygen",
            &["-Y", "sign", "-n", "file", "-f", public, message],
        );
        assert!(signed.status.success(), "{kind}{bits}: {signed:?}");
        std::fs::write(at("allowed"), format!("me {line}")).unwrap();
        let verify = format!(
            "ssh-keygen -Y verify -f {} -I me -n file -s {message}.sig < {message}",
            at("allowed").display()
        );
        let verified = asked("sh", &["-c", &verify]);
        assert!(verified.status.success(), "{kind}{bits}: {verified:?}");

        for refused in [&["-D"][..], &["-x"], &["-d", public]] {
            assert!(!asked("ssh-add", refused).status.success(), "{refused:?}");
        }
        assert!(asked("ssh-add", &["-l"]).status.success(), "still there");
        drop(agent);
        assert!(!socket.exists());
    }
}

#[test]
fn keys_that_cannot_serve_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let locked = made(directory.path(), "ed25519", "", "secret");
    assert_eq!(key(&locked).err(), Some(KeyError::Encrypted));
    let short = made(directory.path(), "rsa", "1024", "");
    assert_eq!(key(&short).err(), Some(KeyError::Kind));
    std::fs::write(&short, "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n").unwrap();
    assert_eq!(key(&short).err(), Some(KeyError::Form));
    for error in [KeyError::Encrypted, KeyError::Kind, KeyError::Form] {
        assert!(error.hint().contains("ssh-keygen"));
    }
}

/// OpenSSH writes a number without the zeros before it, so its length varies with the key.
#[test]
fn ecdsa_keys_of_every_length_are_read() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..12 {
        let below = directory.path().join(number.to_string());
        std::fs::create_dir(&below).unwrap();
        let file = made(&below, "ecdsa", "521", "");
        assert!(key(&file).unwrap().sign(b"x", 0).is_some());
    }
}

#[test]
fn a_key_file_that_was_touched_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let whole = std::fs::read(made(directory.path(), "ed25519", "", "")).unwrap();
    for at in (0..whole.len()).filter(|at| whole[*at] != b'\n') {
        let mut touched = whole.clone();
        touched[at] = if touched[at] == b'A' { b'B' } else { b'A' };
        // A comment may be any text; everything else has to fit together.
        if let Ok(key) = Key::parse(&Secret::new(touched), "x") {
            assert_ne!(key.comment(), "of a test", "byte {at}");
        }
    }
}

#[test]
fn sha_1_and_unknown_keys_get_no_signature() {
    let directory = tempfile::tempdir().unwrap();
    let rsa = key(&made(directory.path(), "rsa", "2048", "")).unwrap();
    assert!(rsa.sign(b"x", 0).is_none());
    assert!(rsa.sign(b"x", 2).is_some());
    let mut unknown = vec![13];
    for part in [&b"no key"[..], b"data"] {
        wire::push(&mut unknown, part);
    }
    unknown.extend([0; 4]);
    assert_eq!(answer(&[rsa], &unknown), wire::failure());
}

#[test]
fn only_descendants_belong_to_a_build() {
    let pid = |number| Pid::from_raw(number).unwrap();
    let family = |process: Pid| match process.as_raw_nonzero().get() {
        30 => Some(pid(20)),
        20 => Some(pid(10)),
        // A ring, as only a reused number could make it.
        50 => Some(pid(60)),
        60 => Some(pid(50)),
        _ => None,
    };
    assert!(descends(pid(30), pid(10), &family));
    assert!(descends(pid(10), pid(10), &family));
    assert!(!descends(pid(10), pid(30), &family));
    assert!(!descends(pid(40), pid(10), &family));
    assert!(!descends(pid(50), pid(10), &family));
    assert_eq!(parent(getpid()), rustix::process::getppid());
}

#[test]
fn a_process_from_elsewhere_is_not_answered() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s.sock");
    let file = made(directory.path(), "ed25519", "", "");
    let _agent = Agent::start(&socket, vec![key(&file).unwrap()]).unwrap();
    // Its parent ends, so it becomes a child of somebody else.
    let out = directory.path().join("out");
    let script = format!(
        "(sleep 0.3; SSH_AUTH_SOCK={} ssh-add -l > {} 2>&1; echo done >> {}) &",
        socket.display(),
        out.display(),
        out.display()
    );
    let status = Command::new("setsid")
        .args(["-f", "sh", "-c", &script])
        .status();
    assert!(status.unwrap().success());
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let said = loop {
        let said = std::fs::read_to_string(&out).unwrap_or_default();
        if said.contains("done") || std::time::Instant::now() > end {
            break said;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    assert!(
        said.contains("done") && !said.contains("of a test"),
        "{said}"
    );
}

proptest::proptest! {
    #[test]
    fn no_message_is_too_strange(message: Vec<u8>) {
        let _ = Request::parse(&message);
        if message.first() != Some(&11) || message.len() != 1 {
            proptest::prop_assert_eq!(answer(&[], &message), wire::failure());
        }
    }
}
