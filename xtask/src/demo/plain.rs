//! Without Docker: the same app as a plain process.

use super::own::Own;
use super::{step, verdict};
use crate::sh;
use anyhow::{Context as _, Result};
use std::process::{Child, Command, Stdio};

/// Says what the app would, and stays for the report.
const APP: &str = r#"for name in DB_PASSWORD API_KEY; do
  eval "file=\$${name}_FILE"
  echo "$name: $(wc -c < "$file") bytes from $file"
done
exec sleep 60"#;

/// A process; ended when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = sh::run(sh::command("kill", [self.0.id().to_string()]));
        let _ = self.0.wait();
    }
}

pub(super) fn run(own: &Own) -> Result<()> {
    step("the app as a process in a private mount namespace, its secrets as files on tmpfs");
    let mut right = own.command(&[
        "run",
        "-from",
        "secret/shop",
        "-private",
        "--",
        "sh",
        "-c",
        APP,
    ]);
    let mut right = Running(
        right
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start cofferdam run")?,
    );
    let output = right.0.stdout.take().context("no output")?;
    let said = std::io::BufRead::lines(std::io::BufReader::new(output))
        .take(2)
        .collect::<std::io::Result<Vec<_>>>()?;
    said.iter().for_each(|line| sh::say(line));
    let right_code = own.report(&["-title", "done right", "-no-docker"])?;
    drop(right);
    step("the same app with its secrets in the environment");
    let text = std::fs::read_to_string(sh::root().join("examples/shop/.env"))?;
    let mut wrong = Command::new("sleep");
    wrong.arg("60").stdin(Stdio::null());
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        wrong.env(name, value.trim_matches('"'));
    }
    let wrong = Running(wrong.spawn().context("cannot start sleep")?);
    let wrong_code = own.report(&["-title", "done wrong", "-no-docker"])?;
    drop(wrong);
    verdict(right_code, wrong_code)
}
