//! A real Docker engine, and our plugin on it.
//!
//! An engine that answers is used; where none does, one is started and stays for the next test.
//! Everything a test makes carries the test's own prefix and is removed at its end.

use crate::server::{Server, bare, heard, shown};
use crate::stand_in::StandIn;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How long Docker may take for anything on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// The image all tests run: busybox and nothing else.
pub const IMAGE: &str = "cofferdam-flows:base";

/// The engine, with one test's prefix.
pub struct Docker {
    prefix: String,
}

impl Docker {
    /// The engine, for a test of this name. Needs root.
    ///
    /// # Panics
    /// When there is no engine and none can be started.
    pub fn start(test: &str) -> Self {
        static READY: OnceLock<()> = OnceLock::new();
        READY.get_or_init(|| {
            start_engine();
            stand_in_for_all();
            start_swarm();
            import_image();
        });
        Self {
            prefix: format!("cf{}-{test}", std::process::id()),
        }
    }

    /// A name of this test's own, for anything in Docker.
    pub fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.prefix)
    }

    /// Runs the client and gives what it printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(
            output.status.success(),
            "docker {arguments:?}: {}",
            shown(&output)
        );
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// Runs the client.
    pub fn output(&self, arguments: &[&str]) -> Output {
        docker(arguments)
    }

    /// The container of a service's running task, other than `before`.
    ///
    /// # Panics
    /// When there is none in time.
    pub fn task(&self, service: &str, before: Option<&str>) -> String {
        let filter = format!("label=com.docker.swarm.service.name={service}");
        wait("a running task", || {
            let list = self.run(&["ps", "-q", "--no-trunc", "--filter", &filter]);
            let mut ids = list.lines().filter(|id| Some(*id) != before);
            ids.next().map(str::to_owned)
        })
    }

    /// The containers of a service's running tasks, as many as that.
    ///
    /// # Panics
    /// When they are not there in time.
    pub fn running(&self, service: &str, count: usize) -> Vec<String> {
        let filter = format!("label=com.docker.swarm.service.name={service}");
        wait("all running tasks", || {
            let list = self.run(&["ps", "-q", "--no-trunc", "--filter", &filter]);
            let ids: Vec<String> = list.lines().map(str::to_owned).collect();
            (ids.len() == count).then_some(ids)
        })
    }

    /// What Swarm says about the tasks of a service, newest first.
    pub fn tasks(&self, service: &str) -> String {
        let format = "{{.CurrentState}} {{.Error}}";
        self.run(&["service", "ps", "--no-trunc", "--format", format, service])
    }

    fn remove(&self, list: &[&str], remove: &[&str]) {
        // With the dash: without it a test `rot` would remove what `rotbad` works with.
        let filter = format!("name={}", self.name(""));
        let listed = docker(&[list, &["-q", "--filter", &filter]].concat());
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        for id in text.lines() {
            // Swarm takes a moment until it lets go of a removed service's secrets.
            let end = Instant::now() + Duration::from_secs(20);
            while !docker(&[remove, &[id]].concat()).status.success() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

impl Docker {
    /// Removes everything with this test's prefix.
    fn clean(&self) {
        self.remove(&["service", "ls"], &["service", "rm"]);
        self.remove(&["ps", "-a"], &["rm", "-f"]);
        self.remove(&["secret", "ls"], &["secret", "rm"]);
        self.remove(&["config", "ls"], &["config", "rm"]);
        self.remove(&["volume", "ls"], &["volume", "rm", "-f"]);
        self.remove(&["network", "ls"], &["network", "rm"]);
        let images = docker(&["images", "-q", &format!("{}*", self.name(""))]);
        for id in String::from_utf8_lossy(&images.stdout).lines() {
            docker(&["rmi", "-f", id]);
        }
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let cleaned = CLEANED.lock().unwrap_or_else(PoisonError::into_inner);
        if cleaned.contains(&self.prefix) {
            return;
        }
        drop(cleaned);
        self.clean();
    }
}

/// Tries until there is something.
///
/// # Panics
/// When there is nothing in time.
pub fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not seen in time: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The client with BuildKit in it, where there is one.
pub fn client() -> &'static str {
    let packaged = "/usr/bin/docker";
    if Path::new(packaged).exists() {
        packaged
    } else {
        "docker"
    }
}

fn docker(arguments: &[&str]) -> Output {
    let mut command = Command::new(client());
    command.args(arguments).stdin(Stdio::null());
    command.output().expect("the Docker client is installed")
}

fn start_engine() {
    if docker(&["info"]).status.success() {
        return;
    }
    let log =
        std::fs::File::create(std::env::temp_dir().join("cofferdam-flows-dockerd.log")).unwrap();
    // It stays for the next test: a shell that goes away at once takes no part in its life.
    let started = Command::new("sh")
        .args(["-c", "command -v dockerd && exec setsid -f dockerd"])
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .status();
    assert!(
        started.is_ok_and(|status| status.success()),
        "no Docker engine answers and none is installed: apt-get install docker.io"
    );
    wait("the Docker engine", || {
        docker(&["info"]).status.success().then_some(())
    });
}

fn start_swarm() {
    let state = docker(&["info", "--format", "{{.Swarm.LocalNodeState}}"]);
    if String::from_utf8_lossy(&state.stdout).trim() != "active" {
        let made = docker(&["swarm", "init", "--advertise-addr", "127.0.0.1"]);
        assert!(made.status.success(), "{}", shown(&made));
    }
}

fn import_image() {
    let tool = docker(&[
        "run",
        "--rm",
        "--pull=never",
        IMAGE,
        "sha256sum",
        "/bin/busybox",
    ]);
    if tool.status.success() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let bin = directory.path().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::create_dir_all(directory.path().join("run")).unwrap();
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    let busybox = busybox.expect("a static busybox: apt-get install busybox-static");
    std::fs::copy(busybox, bin.join("busybox")).unwrap();
    for tool in [
        "sh",
        "cat",
        "sha256sum",
        "grep",
        "id",
        "ls",
        "sleep",
        "stat",
        "touch",
        "wc",
    ] {
        std::os::unix::fs::symlink("busybox", bin.join(tool)).unwrap();
    }
    let script = format!(
        "tar -C '{}' -c . | {} import - {IMAGE}",
        directory.path().display(),
        client()
    );
    let imported = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(imported.status.success(), "{}", shown(&imported));
}

/// Prefixes of tests whose plugin has removed everything already: without it Docker takes 15 seconds
/// to look for volumes.
static CLEANED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Names of drivers that are taken in this process.
static NAMES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Who answers for those drivers that Docker knows and nobody serves now.
static STANDING: Mutex<BTreeMap<String, StandIn>> = Mutex::new(BTreeMap::new());

/// How many tests of one program have a driver at once, generously.
const DRIVERS: usize = 8;

fn driver(number: usize) -> String {
    format!("cofferdam-flows-{number}")
}

fn socket_of(name: &str) -> PathBuf {
    PathBuf::from(format!("/run/docker/plugins/{name}.sock"))
}

/// Answers for the drivers that tests before this program have left behind.
fn stand_in_for_all() {
    (0..DRIVERS).map(driver).for_each(stand_in_for);
    let known = docker(&["info", "--format", "{{json .Plugins.Volume}}"]);
    let own = format!("\"{OWN_DRIVER}\"");
    // An engine that was started anew finds the socket that an earlier one's tests have left.
    if String::from_utf8_lossy(&known.stdout).contains(&own) || socket_of(OWN_DRIVER).exists() {
        stand_in_for(OWN_DRIVER.to_owned());
    }
}

fn stand_in_for(name: String) {
    if let Some(taken) = StandIn::take(&socket_of(&name)) {
        let mut standing = STANDING.lock().unwrap_or_else(PoisonError::into_inner);
        standing.insert(name, taken);
    }
}

/// The name that the driver has where nobody gives it another.
pub const OWN_DRIVER: &str = "cofferdam";

/// Room for [`OWN_DRIVER`], for one test that starts it as people do: until this is dropped, nobody
/// else answers for it.
pub struct OwnDriver(());

impl OwnDriver {
    /// Makes room.
    pub fn room(_: &Docker) -> Self {
        let mut standing = STANDING.lock().unwrap_or_else(PoisonError::into_inner);
        standing.remove(OWN_DRIVER);
        Self(())
    }
}

impl Drop for OwnDriver {
    fn drop(&mut self) {
        stand_in_for(OWN_DRIVER.to_owned());
    }
}

/// A name for a driver. Few names for all tests: Docker never forgets one, and [`StandIn`] has to
/// answer for each that is gone.
fn free_name() -> String {
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let mut standing = STANDING.lock().unwrap_or_else(PoisonError::into_inner);
    let free = |name: &String| {
        !names.contains(name)
            && (standing.remove(name).is_some() || UnixStream::connect(socket_of(name)).is_err())
    };
    let name = (0..).map(driver).find(free).expect("a number");
    names.insert(name.clone());
    name
}

/// `cofferdam plugin` on a socket of its own, for one server.
pub struct Plugin {
    process: Child,
    prefix: String,
    name: String,
    directory: PathBuf,
    address: String,
}

impl Plugin {
    /// Starts it, under the first name that nobody has.
    pub fn start(docker: &Docker, server: &Server) -> Self {
        let address = format!("unix://{}", server.socket().display());
        Self::launch(
            docker.prefix.clone(),
            free_name(),
            server.directory().path().to_owned(),
            address,
        )
    }

    fn launch(prefix: String, name: String, directory: PathBuf, address: String) -> Self {
        let socket = format!("/run/docker/plugins/{name}.sock");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(directory.join("plugin.log"));
        let mut process = bare(&directory)
            .args(["plugin", "-socket", &socket])
            .arg("-data")
            .arg(directory.join("plugin"))
            .arg("-runtime")
            .arg(directory.join("plugin-run"))
            .env("COFFERDAM_ADDR", &address)
            .stdin(Stdio::null())
            .stderr(log.unwrap())
            .spawn()
            .expect("the program starts");
        wait("the plugin's socket", || {
            let ended = process.try_wait().ok().flatten();
            assert!(ended.is_none(), "the plugin ended: {ended:?}");
            std::os::unix::net::UnixStream::connect(&socket).ok()
        });
        Self {
            process,
            prefix,
            name,
            directory,
            address,
        }
    }

    /// What Docker calls the driver.
    pub fn driver(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("plugin.log")).unwrap()
    }

    /// Waits until it has logged this, and gives everything that it logged.
    ///
    /// # Panics
    /// When it does not.
    pub fn says(&self, text: &str) -> String {
        self.says_often(text, 1)
    }

    /// The same, so many times at least.
    ///
    /// # Panics
    /// When it does not.
    pub fn says_often(&self, text: &str, times: usize) -> String {
        heard(|| self.log(), text, times)
    }

    /// Directory of what it remembers.
    pub fn data(&self) -> PathBuf {
        self.directory.join("plugin")
    }

    /// How many tmpfs of its volumes are mounted on the host.
    pub fn mounts(&self) -> usize {
        let below = self.directory.join("plugin-run/volumes");
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        table
            .lines()
            .filter(|line| line.contains(below.to_str().unwrap()))
            .count()
    }

    /// The directory that containers mount to ask for themselves.
    pub fn workload(&self) -> PathBuf {
        self.directory.join("plugin-run/workload")
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Ends it as an administrator would.
    ///
    /// # Panics
    /// When it does not end well.
    pub fn stop(&mut self) {
        let id = self.process.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status();
        assert!(told.is_ok_and(|status| status.success()));
        assert!(self.process.wait().unwrap().success());
    }

    /// The same one again, after [`Self::kill`].
    #[must_use]
    pub fn again(&self) -> Self {
        Self::launch(
            self.prefix.clone(),
            self.name.clone(),
            self.directory.clone(),
            self.address.clone(),
        )
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            // While it answers: Docker removes no volume without its driver.
            let prefix = self.prefix.clone();
            let own = Docker { prefix };
            own.clean();
            let mut cleaned = CLEANED.lock().unwrap_or_else(PoisonError::into_inner);
            cleaned.insert(own.prefix.clone());
            drop(cleaned);
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = StandIn::take(&socket_of(&self.name)) {
            let mut standing = STANDING.lock().unwrap_or_else(PoisonError::into_inner);
            standing.insert(self.name.clone(), taken);
        }
        names.remove(&self.name);
        drop(names);
        let volumes = self.directory.join("plugin-run/volumes");
        for volume in std::fs::read_dir(volumes).into_iter().flatten().flatten() {
            let _ = Command::new("umount")
                .arg(volume.path())
                .stderr(Stdio::null())
                .status();
        }
    }
}
