//! A Docker engine of a test's own, beside the one that is there: with its own file, data and
//! bridge, so that a test may reconfigure and hang it.

use crate::docker::{client, wait};
use crate::server::{bare, shown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

/// A dockerd that ends with the value.
pub struct Engine {
    process: Child,
    directory: tempfile::TempDir,
    bridge: String,
}

impl Engine {
    /// Starts one that reads this `daemon.json`.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(config: &str) -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        std::fs::write(at("daemon.json"), config).unwrap();
        // Never without a bridge of its own: dockerd would remove the other one's.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let bridge = format!("cf{}x{number}", std::process::id() % 100_000);
        let address = format!("172.31.{}.1/24", 200 + number);
        for arguments in [
            &["link", "add", "name", &bridge, "type", "bridge"][..],
            &["addr", "add", &address, "dev", &bridge],
            &["link", "set", &bridge, "up"],
        ] {
            let done = Command::new("ip").args(arguments).output();
            let done = done.expect("iproute2 is installed");
            assert!(done.status.success(), "{}", shown(&done));
        }
        let log = std::fs::File::create(at("dockerd.log")).unwrap();
        let process = Command::new("dockerd")
            .args(["--config-file", &at("daemon.json")])
            .args(["--data-root", &at("data"), "--exec-root", &at("exec")])
            .args(["-p", &at("docker.pid"), "-b", &bridge])
            .args(["-H", &format!("unix://{}", at("docker.sock"))])
            .args(["--iptables=false", "--ip-forward=false", "--ip-masq=false"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("dockerd is installed");
        let mut engine = Self {
            process,
            directory,
            bridge,
        };
        wait("the engine", || {
            let ended = engine.process.try_wait().ok().flatten();
            assert!(ended.is_none(), "dockerd ended: {}", engine.log());
            engine.docker(&["version"]).status.success().then_some(())
        });
        engine
    }

    /// Its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Its configuration file, as it is now.
    pub fn config(&self) -> String {
        std::fs::read_to_string(self.path("daemon.json")).unwrap()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("dockerd.log")).unwrap_or_default()
    }

    /// The address that clients take from `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    /// Runs the client.
    pub fn docker(&self, arguments: &[&str]) -> Output {
        self.client(arguments)
            .output()
            .expect("the Docker client is installed")
    }

    /// A command of the client that is still to be run.
    pub fn client(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(client());
        command
            .args(arguments)
            .env("DOCKER_HOST", self.host())
            .stdin(Stdio::null());
        command
    }

    /// Runs the client and gives what it printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.docker(arguments);
        assert!(
            output.status.success(),
            "docker {arguments:?}: {}",
            shown(&output)
        );
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// Our program, with this engine as the one to talk to.
    pub fn ours(&self, arguments: &[&str]) -> Output {
        bare(self.directory.path())
            .args(arguments)
            .env("DOCKER_HOST", self.host())
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .output()
            .expect("the program starts")
    }

    /// One raw request with a JSON body; status and answer.
    pub fn raw(&self, target: &str, body: &str, more: &[&str]) -> (u16, String) {
        let file = self.path("body.json");
        std::fs::write(&file, body).unwrap();
        let output = Command::new("curl")
            .args([
                "-sS",
                "--max-time",
                "30",
                "-w",
                "\n%{http_code}",
                "-X",
                "POST",
            ])
            .args(["-H", "Content-Type: application/json", "-H", "Expect:"])
            .arg("--unix-socket")
            .arg(self.path("docker.sock"))
            .args(["--data-binary", &format!("@{}", file.display())])
            .args(more)
            .arg(format!("http://docker{target}"))
            .output()
            .expect("curl is installed");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
        let status = status
            .parse()
            .unwrap_or_else(|_| panic!("{}", shown(&output)));
        (status, body.to_owned())
    }

    /// Busybox and nothing else, under this name.
    ///
    /// # Panics
    /// When it cannot be imported.
    pub fn import(&self, image: &str) {
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let busybox = ["/bin/busybox", "/usr/bin/busybox"];
        let busybox = busybox.into_iter().find(|path| Path::new(path).exists());
        let busybox = busybox.expect("a static busybox: apt-get install busybox-static");
        std::fs::copy(busybox, bin.join("busybox")).unwrap();
        for tool in ["sh", "sleep", "cat", "true", "env"] {
            std::os::unix::fs::symlink("busybox", bin.join(tool)).unwrap();
        }
        let script = format!(
            "tar -C '{}' -c . | {} import - {image}",
            root.path().display(),
            client()
        );
        let mut command = Command::new("sh");
        let imported = command
            .args(["-c", &script])
            .env("DOCKER_HOST", self.host());
        let imported = imported.output().unwrap();
        assert!(imported.status.success(), "{}", shown(&imported));
    }

    /// Tells it to read its file again.
    pub fn reload(&self) {
        let sent = Command::new("kill")
            .args(["-HUP", &self.process.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()));
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-TERM", &self.process.id().to_string()])
            .status();
        // It ends its containers and its containerd first.
        for _ in 0..200 {
            if self.process.try_wait().is_ok_and(|ended| ended.is_some()) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = Command::new("ip")
            .args(["link", "del", &self.bridge])
            .status();
        let below = self.directory.path().display().to_string();
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        for mount in mounts.lines().rev() {
            let place = mount.split(' ').nth(1).unwrap_or_default();
            if place.starts_with(&below) {
                let _ = Command::new("umount").args(["-l", place]).status();
            }
        }
    }
}
