//! Our server as a process: `cofferdam up -foreground`, `cofferdam server -config` and `-dev`.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a server may take to be ready on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program under test, built once in the profile of the tests. `COFFERDAM_BIN` names another.
///
/// # Panics
/// When it cannot be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(named) = std::env::var_os("COFFERDAM_BIN") {
            return PathBuf::from(named);
        }
        let test = std::env::current_exe().expect("this test has a path");
        // target/PROFILE/deps/TEST
        let profile = test
            .parent()
            .and_then(Path::parent)
            .expect("tests are in target/PROFILE/deps");
        let name = profile
            .file_name()
            .expect("a profile")
            .to_str()
            .expect("a profile's name");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let profile_name = if name == "debug" { "dev" } else { name };
        let target = profile.parent().expect("a target directory");
        let built = Command::new(cargo)
            .args([
                "build",
                "--quiet",
                "--package",
                "cofferdam",
                "--profile",
                profile_name,
                "--target-dir",
            ])
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "cofferdam does not build"
        );
        profile.join("cofferdam")
    })
}

/// The program under test as it is shipped: linked statically, to be mounted into foreign images.
///
/// # Panics
/// When it cannot be built.
pub fn portable() -> &'static Path {
    static PORTABLE: OnceLock<PathBuf> = OnceLock::new();
    PORTABLE.get_or_init(|| {
        let binary = binary();
        if is_static(binary) {
            return binary.to_owned();
        }
        let profile = binary.parent().expect("a profile's directory");
        let name = profile.file_name().expect("a profile").to_string_lossy();
        let profile_name = if name == "debug" { "dev" } else { &*name };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        // Only the last step differs: the standard library's own links are chosen when it is linked.
        let built = Command::new(cargo)
            .args([
                "rustc",
                "--quiet",
                "--package",
                "cofferdam",
                "--bin",
                "cofferdam",
            ])
            .args(["--profile", profile_name, "--target-dir"])
            .arg(profile.parent().expect("a target directory"))
            .args(["--", "-C", "target-feature=+crt-static"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "cofferdam does not build statically"
        );
        // The next ordinary build takes the other's place.
        let kept = profile.join("cofferdam-static");
        std::fs::copy(binary, &kept).expect("room for a copy");
        kept
    })
}

/// Whether a program names no loader; its name is near the beginning of the file.
fn is_static(program: &Path) -> bool {
    let bytes = std::fs::read(program).expect("the program is there");
    let head = bytes.get(..4096).unwrap_or(&bytes);
    memchr::memmem::find(head, b"/ld-linux").is_none()
}

/// What a process said so far.
#[derive(Clone, Default)]
struct Words(Arc<(Mutex<String>, Condvar)>);

impl Words {
    fn listen(&self, stream: impl std::io::Read + Send + 'static) -> JoinHandle<()> {
        let (words, stream) = (self.clone(), BufReader::new(stream));
        std::thread::spawn(move || {
            for line in stream.lines().map_while(Result::ok) {
                let (said, spoken) = &*words.0;
                let mut said = said.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
                spoken.notify_all();
            }
        })
    }

    fn all(&self) -> String {
        self.0.0.lock().unwrap().clone()
    }

    /// Waits until `found` finds something in it.
    fn wait<T>(&self, what: &str, process: &mut Child, found: impl Fn(&str) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let (said, spoken) = &*self.0;
        let mut said = said.lock().unwrap();
        loop {
            if let Some(found) = found(&said) {
                return found;
            }
            let ended = process.try_wait().ok().flatten();
            assert!(
                ended.is_none() && Instant::now() < end,
                "not seen: {what}; process {ended:?} said:\n{said}"
            );
            said = spoken
                .wait_timeout(said, Duration::from_millis(50))
                .unwrap()
                .0;
        }
    }
}

/// A running server; killed on drop.
pub struct Server {
    process: Child,
    words: Words,
    /// Who listen to its two streams, until their ends.
    listening: Vec<JoinHandle<()>>,
    arguments: Vec<String>,
    environment: Vec<(String, PathBuf)>,
    directory: Arc<tempfile::TempDir>,
    address: String,
}

impl Server {
    /// `cofferdam up -foreground` on a free port, in a directory of its own.
    pub fn up() -> Self {
        Self::up_in(Arc::new(tempfile::tempdir().unwrap()), &[])
    }

    /// The same in a directory that exists, with more arguments.
    pub fn up_in(directory: Arc<tempfile::TempDir>, more: &[&str]) -> Self {
        let mut arguments: Vec<String> = ["up", "-foreground", "-no-docker", "-listen=127.0.0.1:0"]
            .map(str::to_owned)
            .to_vec();
        arguments.extend(Self::places(directory.path()));
        arguments.extend(more.iter().map(|more| (*more).to_owned()));
        Self::start(arguments, directory, "ready")
    }

    /// `-data`, `-socket` and `-seal-key` below a directory.
    pub fn places(directory: &Path) -> Vec<String> {
        let below = |name: &str| directory.join(name).display().to_string();
        vec![
            format!("-data={}", below("data")),
            format!("-socket={}", below("run/s.sock")),
            format!("-seal-key={}", below("etc/seal.key")),
        ]
    }

    /// `cofferdam server -config` with this text; `DIR` in it stands for the flow's directory. Its
    /// first listener has to be TCP.
    pub fn configured(text: &str) -> Self {
        Self::configured_with(text, &[])
    }

    /// The same with variables in its environment, at this start and those that follow.
    pub fn configured_with(text: &str, environment: &[(&str, &Path)]) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let path = directory.path().join("server.hcl");
        std::fs::write(
            &path,
            text.replace("DIR", &directory.path().display().to_string()),
        )
        .unwrap();
        Self::start_in(
            vec!["server".to_owned(), format!("-config={}", path.display())],
            environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.to_path_buf()))
                .collect(),
            directory,
            "ready",
        )
    }

    /// `cofferdam server -dev` with this root token.
    pub fn dev(token: &str) -> Self {
        let arguments = [
            "server",
            "-dev",
            "-dev-listen-address=127.0.0.1:0",
            &format!("-dev-root-token-id={token}"),
        ];
        Self::start(
            arguments.map(str::to_owned).to_vec(),
            Arc::new(tempfile::tempdir().unwrap()),
            "Root Token:",
        )
    }

    fn start(arguments: Vec<String>, directory: Arc<tempfile::TempDir>, ready: &str) -> Self {
        Self::start_in(arguments, Vec::new(), directory, ready)
    }

    fn start_in(
        arguments: Vec<String>,
        environment: Vec<(String, PathBuf)>,
        directory: Arc<tempfile::TempDir>,
        ready: &str,
    ) -> Self {
        let mut process = bare(directory.path())
            .args(&arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let words = Words::default();
        let listening = vec![
            words.listen(process.stdout.take().unwrap()),
            words.listen(process.stderr.take().unwrap()),
        ];
        words.wait(ready, &mut process, |said| {
            said.lines()
                .any(|line| line.starts_with(ready))
                .then_some(())
        });
        let address = words.wait("an address", &mut process, |said| {
            said.split_whitespace()
                .find(|word| word.starts_with("https://127") || word.starts_with("http://127"))
                .map(|word| word.trim_end_matches(',').to_owned())
        });
        Self {
            process,
            words,
            listening,
            arguments,
            environment,
            directory,
            address,
        }
    }

    /// Everything it said so far, on both streams.
    pub fn said(&self) -> String {
        self.words.all()
    }

    /// Waits until it has said this, and gives everything that it said. The log has a thread and a stream
    /// of its own: a line of it may be seen later than an answer, or than a greeting.
    ///
    /// # Panics
    /// When it does not say it.
    pub fn says(&self, text: &str) -> String {
        self.says_often(text, 1)
    }

    /// The same, so many times at least.
    ///
    /// # Panics
    /// When it does not.
    pub fn says_often(&self, text: &str, times: usize) -> String {
        heard(|| self.said(), text, times)
    }

    /// Where its TCP listener is, as a URL.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The directory of the flow.
    pub fn directory(&self) -> &Arc<tempfile::TempDir> {
        &self.directory
    }

    /// The data directory of `up`.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The local socket of `up`.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("run/s.sock")
    }

    /// The CA that clients pin.
    pub fn ca(&self) -> PathBuf {
        self.data().join("tls/ca.pem")
    }

    /// A command of ours as admin on the local socket.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare(self.directory.path());
        command.args(arguments).env(
            "COFFERDAM_ADDR",
            format!("unix://{}", self.socket().display()),
        );
        command
    }

    /// Runs a command as admin and gives what it printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self
            .command(arguments)
            .output()
            .expect("the program starts");
        assert!(
            output.status.success(),
            "{arguments:?}: {}\nserver:\n{}",
            shown(&output),
            self.said()
        );
        String::from_utf8(output.stdout).expect("text")
    }

    /// Asks curl for a path below `/v1/` on the TCP listener; status and body.
    pub fn curl(&self, token: &str, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut command = Command::new("curl");
        command.args([
            "-sS",
            "--max-time",
            "30",
            "-w",
            "\n%{http_code}",
            "-X",
            method,
            "-H",
            &format!("X-Vault-Token: {token}"),
        ]);
        if self.address.starts_with("https://") {
            command.arg("--cacert").arg(self.ca());
        }
        if !body.is_empty() {
            command.args(["--data-binary", body]);
        }
        let output = command
            .arg(format!("{}/v1/{path}", self.address))
            .output()
            .expect("curl is installed");
        let text = String::from_utf8(output.stdout.clone()).expect("text");
        let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
        (
            status
                .parse()
                .unwrap_or_else(|_| panic!("no status: {}", shown(&output))),
            body.to_owned(),
        )
    }

    /// Sends SIGTERM and waits for the end; everything it said, and its exit code.
    pub fn stop(mut self) -> (Option<i32>, String) {
        let stopped = Command::new("kill")
            .args(["-TERM", &self.process.id().to_string()])
            .status();
        assert!(stopped.is_ok_and(|status| status.success()));
        let status = self.process.wait().unwrap();
        for listener in self.listening.drain(..) {
            listener.join().unwrap();
        }
        (status.code(), self.words.all())
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The same server again, after [`Self::kill`].
    #[must_use]
    pub fn again(&self) -> Self {
        Self::start_in(
            self.arguments.clone(),
            self.environment.clone(),
            Arc::clone(&self.directory),
            "ready",
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone after `stop` and `kill`.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Our program with nothing of the caller's environment that means something to it.
pub fn bare(home: &Path) -> Command {
    let mut command = Command::new(binary());
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir(home);
    command
}

/// Waits until a log holds this so many times at least, and gives all of it. What a log holds is written
/// by a thread that nobody waits for.
///
/// # Panics
/// When it does not.
pub fn heard(log: impl Fn() -> String, text: &str, times: usize) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let said = log();
        if said.matches(text).count() >= times {
            return said;
        }
        assert!(Instant::now() < end, "not said: {text}\n{said}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An output as text.
pub fn shown(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
