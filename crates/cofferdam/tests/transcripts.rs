//! What people read in a refusal: each file below `transcripts/` is a session.
//!
//! A line begins with what it is: `$` a command, `<` its stdin, `1` its stdout, `2` its stderr,
//! `=` its exit code, `%` a variable of the environment, `+ FILE` a file whose lines follow with
//! `|`, `#` a remark. `{bao}` is the address of a real OpenBao that is started for the session,
//! `{engine}` the socket of something that answers like a Docker engine what the file `engine.json`
//! has for a path, `{dir}` the session's directory. `COFFERDAM_UPDATE=1` writes the files anew from what happens; read the
//! difference before it is committed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, reason = "another test of this module uses the rest")]
mod bao;

use bao::{Bao, Ran, run};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

#[derive(Default)]
struct Step {
    remarks: Vec<String>,
    files: Vec<(String, String)>,
    variables: Vec<(String, String)>,
    command: String,
    stdin: String,
    stdout: String,
    stderr: String,
    code: i32,
}

fn parse(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut next = Step::default();
    for line in text.lines() {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        let with_newline = format!("{rest}\n");
        match mark {
            "" => {}
            "#" => next.remarks.push(rest.to_owned()),
            "+" => next.files.push((rest.to_owned(), String::new())),
            "|" => next.files.last_mut().unwrap().1.push_str(&with_newline),
            "%" => {
                let (name, value) = rest.split_once('=').unwrap();
                next.variables.push((name.to_owned(), value.to_owned()));
            }
            "$" => steps.push(Step {
                command: rest.to_owned(),
                ..std::mem::take(&mut next)
            }),
            "<" => steps.last_mut().unwrap().stdin.push_str(&with_newline),
            "1" => steps.last_mut().unwrap().stdout.push_str(&with_newline),
            "2" => steps.last_mut().unwrap().stderr.push_str(&with_newline),
            "=" => steps.last_mut().unwrap().code = rest.parse().unwrap(),
            _ => panic!("not a line of a transcript: {line}"),
        }
    }
    steps
}

fn write(steps: &[Step]) -> String {
    let mut out = String::new();
    for step in steps {
        if !out.is_empty() {
            out.push('\n');
        }
        let mut lines = |mark: &str, text: &str| {
            for line in text.lines() {
                writeln!(out, "{}", format!("{mark} {line}").trim_end()).unwrap();
            }
        };
        step.remarks.iter().for_each(|remark| lines("#", remark));
        for (name, content) in &step.files {
            lines("+", name);
            lines("|", content);
        }
        step.variables
            .iter()
            .for_each(|(name, value)| lines("%", &format!("{name}={value}")));
        lines("$", &step.command);
        lines("<", &step.stdin);
        lines("1", &step.stdout);
        lines("2", &step.stderr);
        lines("=", &step.code.to_string());
    }
    out
}

/// Words of a command; single quotes keep blanks together.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in command.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

/// Answers `GET`s with what `engine.json` beside the socket has for their path.
fn engine(socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    let answers = socket.with_file_name("engine.json");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = BufReader::new(stream.unwrap());
            let answers = answers.clone();
            std::thread::spawn(move || answer(stream, &answers));
        }
    });
}

fn answer(mut stream: BufReader<UnixStream>, answers: &Path) {
    let mut line = String::new();
    // A keep-alive connection ends with an empty read.
    while stream.read_line(&mut line).is_ok_and(|read| read > 0) {
        let mut header = String::new();
        while stream.read_line(&mut header).is_ok_and(|read| read > 2) {
            header.clear();
        }
        let target = line.split(' ').nth(1).unwrap();
        let path = target.split('?').next().unwrap();
        let known = std::fs::read_to_string(answers).unwrap();
        let known: serde_json::Value = serde_json::from_str(&known).unwrap();
        let (status, body) = match known.get(path) {
            Some(body) => ("200 OK", body.to_string()),
            None => (
                "404 Not Found",
                format!("{{\"message\":\"no {path} here\"}}"),
            ),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if stream
            .get_mut()
            .write_all((head + &body).as_bytes())
            .is_err()
        {
            return;
        }
        line.clear();
    }
}

struct Session {
    directory: tempfile::TempDir,
    bao: Option<Bao>,
    environment: Vec<(String, String)>,
}

impl Session {
    fn start(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path().display().to_string();
        if text.contains("{engine}") {
            engine(&directory.path().join("engine.sock"));
        }
        let environment = ["HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME"]
            .map(|name| (name.to_owned(), here.clone()));
        Self {
            directory,
            bao: text.contains("{bao}").then(Bao::start),
            environment: environment.to_vec(),
        }
    }

    fn filled(&self, text: &str) -> String {
        let address = self.bao.as_ref().map_or("", |bao| bao.address.as_str());
        text.replace("{bao}", address)
            .replace("{engine}", &format!("{}/engine.sock", self.here()))
            .replace("{dir}", &self.here())
    }

    fn here(&self) -> String {
        self.directory.path().display().to_string()
    }

    fn emptied(&self, text: &str) -> String {
        let address = self
            .bao
            .as_ref()
            .map_or("{bao}", |bao| bao.address.as_str());
        text.replace(address, "{bao}")
            .replace(&self.here(), "{dir}")
    }

    fn run(&mut self, step: &Step) -> Ran {
        for (name, content) in &step.files {
            let path = self.directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, self.filled(content)).unwrap();
        }
        for (name, value) in &step.variables {
            let value = self.filled(value);
            self.environment.push((name.clone(), value));
        }
        let words = words(&self.filled(&step.command));
        assert_eq!(words[0], "cofferdam");
        let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let environment: Vec<(&str, &str)> = self
            .environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let program = Path::new(env!("CARGO_BIN_EXE_cofferdam"));
        let ran = run(program, &args, &step.stdin, &environment);
        let shown = |text: &str| {
            let text = self.emptied(text);
            // A transcript has lines: what ends without a newline looks like one that has it.
            let lines = text.lines().map(|line| format!("{}\n", line.trim_end()));
            lines.collect::<String>()
        };
        Ran {
            code: ran.code,
            stdout: shown(&ran.stdout),
            stderr: shown(&ran.stderr),
        }
    }
}

fn transcripts() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let files = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_transcript_is_what_happens() {
    let update = std::env::var_os("COFFERDAM_UPDATE").is_some();
    let mut different = String::new();
    for path in transcripts() {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut session = Session::start(&text);
        let mut steps = parse(&text);
        for step in &mut steps {
            let ran = session.run(step);
            let expected = Ran {
                code: step.code,
                stdout: step.stdout.clone(),
                stderr: step.stderr.clone(),
            };
            if ran != expected {
                writeln!(
                    different,
                    "{}\n$ {}\n--- written\n{expected:#?}\n--- happened\n{ran:#?}",
                    path.display(),
                    step.command
                )
                .unwrap();
            }
            (step.code, step.stdout, step.stderr) = (ran.code, ran.stdout, ran.stderr);
        }
        if update {
            std::fs::write(&path, write(&steps)).unwrap();
        }
    }
    assert!(update || different.is_empty(), "{different}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let program = env!("CARGO_BIN_EXE_cofferdam");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = std::process::Command::new(program)
        .arg("help")
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(output.status.success());
}
