//! AWS as moto plays it, with its signature checks switched on.

use crate::{peers, ports};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A moto; it ends with this value.
pub struct Moto {
    process: Child,
    address: String,
}

impl Moto {
    /// Starts one that takes this many calls unseen, and judges signature and policies of each one after
    /// that.
    ///
    /// # Panics
    /// When moto is not installed, or does not come up.
    #[must_use]
    pub fn judging_after(calls: u32) -> Self {
        let port = ports::free();
        let process = Command::new(peers::python())
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p"])
            .arg(port.to_string())
            .env("INITIAL_NO_AUTH_ACTION_COUNT", calls.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto is installed: cargo xtask test installs it");
        let moto = Self {
            process,
            address: format!("127.0.0.1:{port}"),
        };
        let end = Instant::now() + Duration::from_mins(1);
        while TcpStream::connect(&moto.address).is_err() {
            assert!(Instant::now() < end, "moto does not come up");
            std::thread::sleep(Duration::from_millis(100));
        }
        moto
    }

    /// `http://…`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Runs a Python script with moto's address and more arguments; what it prints.
    ///
    /// # Panics
    /// When the script fails, with what it said.
    #[must_use]
    pub fn python(&self, script: &str, arguments: &[&str]) -> String {
        let output = Command::new(peers::python())
            .args(["-c", script, &self.url()])
            .args(arguments)
            .output()
            .expect("a Python with boto3");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
