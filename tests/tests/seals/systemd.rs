//! By a credential that the real systemd-creds encrypted and decrypts.

use super::{BASE, health, initialize, planted, restart, soon};
use flows::server::heard;
use flows::{Server, ports};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What systemd does for a unit with `LoadCredentialEncrypted=cofferdam-seal:FILE`: a directory in
/// memory, the decrypted file in it, for the unit's user alone.
struct Unit {
    credentials: tempfile::TempDir,
    kept: tempfile::TempDir,
}

impl Unit {
    fn new() -> Self {
        Self {
            credentials: tempfile::tempdir_in("/dev/shm").unwrap(),
            kept: tempfile::tempdir().unwrap(),
        }
    }

    /// `head -c 32 /dev/urandom | systemd-creds encrypt --name=cofferdam-seal - FILE`.
    fn make(&self, name: &str, key: &[u8]) -> PathBuf {
        let file = self.kept.path().join(name);
        let plain = self.credentials.path().join("plain");
        std::fs::write(&plain, key).unwrap();
        let made = Command::new("systemd-creds")
            .args(["encrypt", "--with-key=host", "--name=cofferdam-seal"])
            .args([&plain, &file])
            .output()
            .expect("systemd is installed: cargo xtask test installs it");
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(made.status.success(), "{said}");
        std::fs::remove_file(&plain).unwrap();
        let kept = std::fs::read(&file).unwrap();
        assert!(
            !kept.windows(key.len()).any(|window| window == key),
            "encrypted"
        );
        file
    }

    fn give(&self, file: &Path) {
        let place = self.place();
        let _ = std::fs::remove_file(&place);
        let opened = Command::new("systemd-creds")
            .args(["decrypt", "--name=cofferdam-seal"])
            .args([file, &place])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&opened.stderr).into_owned();
        assert!(opened.status.success(), "{said}");
        std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o400)).unwrap();
    }

    fn place(&self) -> PathBuf {
        self.credentials.path().join("cofferdam-seal")
    }
}

#[test]
fn a_credential_opens_and_no_other_one_does() {
    let unit = Unit::new();
    let ours = unit.make("ours", &[0x5a; 32]);
    unit.give(&ours);
    let text = format!("{BASE}\nseal \"systemd-creds\" {{}}\n");
    let set = [("CREDENTIALS_DIRECTORY", unit.credentials.path())];
    let mut server = Server::configured_with(&text, &set);
    let (shares, token) = initialize(&server);
    let still = planted(&server, &token);
    let (_, status) = server.curl("", "GET", "sys/seal-status", "");
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(
        (&status["type"], &status["recovery_seal"]),
        (&json!("systemd-creds"), &json!(true))
    );
    restart(&mut server);
    still(&server);
    // Another one of that name, and none at all: it stays shut and says why.
    unit.give(&unit.make("other", &[0xa5; 32]));
    restart(&mut server);
    assert_eq!(health(&server), 503);
    server.says("another credential closed it");
    std::fs::remove_file(unit.place()).unwrap();
    restart(&mut server);
    assert_eq!(health(&server), 503);
    server.says("systemd-creds encrypt --name=cofferdam-seal");
    for share in &shares[..2] {
        let body = json!({ "key": share }).to_string();
        assert_eq!(server.curl("", "PUT", "sys/unseal", &body).0, 200);
    }
    still(&server);
    unit.give(&ours);
    restart(&mut server);
    still(&server);
    // Readable by others, it is not taken.
    std::fs::set_permissions(unit.place(), std::fs::Permissions::from_mode(0o444)).unwrap();
    restart(&mut server);
    assert_eq!(health(&server), 503);
    server.says("nobody else can read or change");
}

/// A real systemd, as the first process of a world of its own, which starts our server with the
/// credential. Ends with the value, and takes its control groups along.
struct Systemd {
    outer: Child,
    inner: PathBuf,
}

/// Makes the world: a control group of its own, then processes, mounts and `/run`.
const OUTER: &str = r#"
mkdir -p DIR/cgroups && mount -t cgroup2 none DIR/cgroups
mkdir -p DIR/cgroups/NAME
sh -c 'echo $$ > DIR/cgroups/NAME/cgroup.procs; echo $$ > DIR/pid.new; mv DIR/pid.new DIR/pid
exec unshare --pid --mount --cgroup --fork --kill-child --propagation=shared sh DIR/inner.sh'
# Busy until the last process in it is gone.
for attempt in $(seq 200); do
    find DIR/cgroups/NAME -depth -type d -exec rmdir {} + 2>/dev/null
    [ -d DIR/cgroups/NAME ] || break
    sleep 0.05
done
"#;

const INNER: &str = r#"
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /etc/systemd/system
mount -t tmpfs tmpfs /sys/fs/cgroup
mkdir /sys/fs/cgroup/unified
mount -t cgroup2 none /sys/fs/cgroup
cp DIR/sealed.service DIR/sealed.target /etc/systemd/system
container=test exec /lib/systemd/systemd --system --unit=sealed.target --log-target=console --show-status=no
"#;

const TARGET: &str = "[Unit]\nDefaultDependencies=no\nWants=sealed.service\n";

const SERVICE: &str = r#"
[Unit]
DefaultDependencies=no
[Service]
LoadCredentialEncrypted=cofferdam-seal:DIR/credential
ExecStart=BIN server -config=DIR/server.hcl
Environment=HOME=DIR
StandardOutput=append:DIR/said
StandardError=append:DIR/said
PrivateDevices=yes
PrivateTmp=no
NoNewPrivileges=yes
CapabilityBoundingSet=CAP_IPC_LOCK CAP_DAC_READ_SEARCH
"#;

impl Systemd {
    fn start(directory: &Path) -> Self {
        let inner = directory.join("pid");
        let _ = std::fs::remove_file(&inner);
        let outer = Command::new("unshare")
            .args(["--mount", "sh"])
            .arg(directory.join("outer.sh"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(directory.join("systemd.log")).unwrap())
            .spawn()
            .unwrap();
        soon("systemd", || inner.exists());
        Self { outer, inner }
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(&self.inner).unwrap_or_default();
        // Its death is that of all in its world.
        let _ = Command::new("kill").args(["-KILL", pid.trim()]).status();
        let _ = self.outer.wait();
    }
}

#[test]
fn a_real_systemd_gives_the_credential_at_each_start() {
    let unit = Unit::new();
    let home = tempfile::tempdir().unwrap();
    let directory = home.path();
    let port = ports::free();
    let name = format!("cofferdam-test-{port}");
    let config = format!(
        "storage \"embedded\" {{ path = \"DIR/data\" }}\nlistener \"tcp\" {{\n address = \"127.0.0.1:{port}\"\n \
         tls_disable = true\n}}\nseal \"systemd-creds\" {{}}\n"
    );
    let binary = flows::binary().canonicalize().unwrap();
    for (file, text) in [
        ("outer.sh", OUTER),
        ("inner.sh", INNER),
        ("sealed.target", TARGET),
        ("sealed.service", SERVICE),
        ("server.hcl", config.as_str()),
    ] {
        let text = text
            .replace("DIR", &directory.display().to_string())
            .replace("NAME", &name)
            .replace("BIN", &binary.display().to_string());
        std::fs::write(directory.join(file), text).unwrap();
    }
    let ask = |method: &str, path: &str, body: &str| {
        let output = Command::new("curl")
            .args([
                "-s",
                "--max-time",
                "30",
                "-w",
                "\n%{http_code}",
                "-X",
                method,
            ])
            .args(["--data-binary", body])
            .arg(format!("http://127.0.0.1:{port}/v1/{path}"))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse::<u16>().unwrap(), body.to_owned())
    };
    let said = || {
        let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap_or_default();
        read("said") + &read("systemd.log")
    };
    let becomes = |wanted: u16| {
        let end = Instant::now() + Duration::from_secs(60);
        while ask("GET", "sys/health", "").0 != wanted {
            assert!(Instant::now() < end, "not {wanted}:\n{}", said());
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    let credential = directory.join("credential");
    std::fs::copy(unit.make("ours", &[0x5a; 32]), &credential).unwrap();
    let systemd = Systemd::start(directory);
    becomes(501);
    let wanted = r#"{"recovery_shares":1,"recovery_threshold":1}"#;
    let (status, body) = ask("PUT", "sys/init", wanted);
    assert_eq!(status, 200, "{body}\n{}", said());
    becomes(200);
    drop(systemd);
    // The next start of the machine.
    let systemd = Systemd::start(directory);
    becomes(200);
    drop(systemd);
    // With the credential of another machine.
    std::fs::copy(unit.make("other", &[0xa5; 32]), &credential).unwrap();
    let _systemd = Systemd::start(directory);
    becomes(503);
    heard(said, "another credential closed it", 1);
}
