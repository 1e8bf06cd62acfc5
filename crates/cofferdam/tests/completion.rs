//! Completion in real shells: bash, zsh in a terminal of its own, and fish; with a real server that
//! has a mount and names. And what `-autocomplete-install` does to rc files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, reason = "another test of this module uses the rest")]
mod bao;

use bao::{Bao, run};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A home with our program in a directory of programs, under all its names.
struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let programs = directory.path().join("bin");
        std::fs::create_dir(&programs).unwrap();
        for name in ["cofferdam", "vault", "bao"] {
            let link = programs.join(name);
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cofferdam"), link).unwrap();
        }
        Self { directory }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.at("bin").display())
    }

    fn command(&self, program: &str, address: Option<&str>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.directory.path())
            .env("PATH", self.path())
            .env("TERM", "dumb")
            .env("LANG", "C.UTF-8")
            .current_dir(self.directory.path());
        if let Some(address) = address {
            command
                .env("VAULT_ADDR", address)
                .env("VAULT_TOKEN", "root");
        }
        command
    }

    /// What a shell prints.
    fn shell(&self, shell: &str, args: &[&str], address: Option<&str>) -> String {
        let mut command = self.command(shell, address);
        let output = command.args(args).stdin(Stdio::null()).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{shell} {args:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What bash would offer for a line, once the server has answered within the moment that it is given.
    fn bash_asks(&self, line: &str, address: Option<&str>) -> Vec<String> {
        offered(&Vec::new(), || self.bash(line, address))
    }

    /// The same of fish.
    fn fish_asks(&self, line: &str, address: Option<&str>) -> Vec<String> {
        offered(&Vec::new(), || self.fish(line, address))
    }

    /// The same of zsh.
    fn zsh_asks(&self, line: &str, address: Option<&str>) -> String {
        offered(&line.to_owned(), || self.zsh(line, address))
    }

    /// What bash would offer for a line: its own function, called as bash calls it.
    fn bash(&self, line: &str, address: Option<&str>) -> Vec<String> {
        let name = line.split(' ').next().unwrap();
        let script = format!(
            "eval \"$({name} completion bash)\"; COMP_LINE={line:?}; COMP_POINT=${{#COMP_LINE}}; \
             _{name}_complete {name}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let out = self.shell("bash", &["--norc", "-c", &script], address);
        out.lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// What fish offers for a line.
    fn fish(&self, line: &str, address: Option<&str>) -> Vec<String> {
        let name = line.split(' ').next().unwrap();
        let script = format!("{name} completion fish | source; complete -C {line:?}");
        let out = self.shell("fish", &["--no-config", "-c", &script], address);
        let words = out
            .lines()
            .map(|line| line.split('\t').next().unwrap().to_owned());
        let mut words: Vec<String> = words.collect();
        words.sort();
        words
    }

    /// What stands in the line after the Tab key, in a zsh in a terminal of its own.
    fn zsh(&self, line: &str, address: Option<&str>) -> String {
        let name = line.split(' ').next().unwrap();
        self.zsh_set_up(
            "",
            &format!("eval \"$({name} completion zsh)\""),
            line,
            address,
        )
    }

    /// The same, with what is done before and after the completion of zsh is there.
    fn zsh_set_up(&self, before: &str, after: &str, line: &str, address: Option<&str>) -> String {
        let rc = format!(
            "PS1='READY> '; unsetopt beep; {before}\n\
             autoload -Uz compinit && compinit -u\n\
             {after}\n\
             show() {{ print -r -- \"<<$BUFFER>>\"; exit 0 }}; zle -N show; bindkey '^X' show\n"
        );
        std::fs::write(self.at(".zshrc"), rc).unwrap();
        let driver = "zmodload zsh/zpty; zpty -b shell zsh -i; out=''\n\
             wait_for() { local piece; local -i tries=0; while [[ $out != *$~1* ]] && (( tries++ < 3000 )); do \
             if zpty -rt shell piece; then out+=$piece; else sleep 0.01; fi; done }\n\
             wait_for 'READY> '; zpty -wn shell \"$LINE_TYPED\"$'\\t'$'\\x18'; wait_for '<<*>>'; print -r -- $out";
        let mut command = self.command("zsh", address);
        let output = command
            .args(["-f", "-c", driver])
            .env("LINE_TYPED", line)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let (_, rest) = out
            .rsplit_once("<<")
            .unwrap_or_else(|| panic!("nothing shown: {out}"));
        rest.split(">>").next().unwrap().to_owned()
    }
}

/// Asks again where nothing is offered: a server that is slower than a person's patience costs no word.
fn offered<T: PartialEq>(nothing: &T, ask: impl Fn() -> T) -> T {
    let mut answers = std::iter::repeat_with(ask).take(20);
    let first = answers.find(|answer| answer != nothing);
    first.expect("the server's names are never offered")
}

fn write(bao: &Bao, name: &str) {
    let ours = Path::new(env!("CARGO_BIN_EXE_cofferdam"));
    let home = bao.home.path().display().to_string();
    let environment = [
        ("HOME", home.as_str()),
        ("VAULT_ADDR", &bao.address),
        ("VAULT_TOKEN", "root"),
    ];
    let done = run(
        ours,
        &["kv", "put", "-mount=secret", name, "value=hunter2"],
        "",
        &environment,
    );
    assert_eq!(done.code, 0, "{done:?}");
}

/// Our own server, with names that a shell must not obey among them.
fn server() -> Bao {
    let bao = Bao::start_own();
    for name in [
        "app/db",
        "app/mail",
        "apple",
        "b$(touch pwned)",
        "b;touch pwned",
        "b c",
    ] {
        write(&bao, name);
    }
    bao
}

#[test]
fn bash_completes_verbs_flags_and_names() {
    let (home, bao) = (Home::new(), server());
    let address = Some(bao.address.as_str());
    assert_eq!(home.bash("cofferdam unw", None), ["unwrap "]);
    assert_eq!(home.bash("vault operator ke", None), ["key-status "]);
    assert_eq!(home.bash("bao kv get -mou", None), ["-mount="]);
    assert_eq!(home.bash("bao kv get -format=j", None), ["json "]);
    assert_eq!(home.bash_asks("cofferdam kv get sec", address), ["secret/"]);
    assert_eq!(
        home.bash_asks("cofferdam kv get secret/app", address),
        ["secret/app/", "secret/apple "]
    );
    assert_eq!(
        home.bash_asks("cofferdam kv get secret/app/", address),
        ["secret/app/db ", "secret/app/mail "]
    );
    assert_eq!(
        home.bash_asks("cofferdam kv get -mount=secret app/m", address),
        ["app/mail "]
    );
    assert_eq!(
        home.bash_asks("cofferdam kv get -mount=sec", address),
        ["secret "]
    );
    assert_eq!(
        home.bash_asks("cofferdam read secret/data/app/d", address),
        ["secret/data/app/db "]
    );
    assert_eq!(
        home.bash_asks("bao scan secret/metadata/app/d", address),
        ["secret/metadata/app/db "]
    );
    assert_eq!(
        home.bash("cofferdam scan secret/metadata/app/d", address),
        Vec::<String>::new(),
        "ours is about files"
    );
    assert_eq!(
        home.bash_asks("cofferdam policy read def", address),
        ["default "]
    );
    assert_eq!(
        home.bash("cofferdam kv get -tls-server-name=sec", address),
        Vec::<String>::new(),
        "a flag of every verb is not about secrets"
    );
    // Names that a shell would obey are not offered.
    assert_eq!(
        home.bash("cofferdam kv get secret/b", address),
        Vec::<String>::new()
    );
    assert!(!home.at("pwned").exists());
}

#[test]
fn fish_completes_verbs_flags_and_names() {
    let (home, bao) = (Home::new(), server());
    let address = Some(bao.address.as_str());
    assert_eq!(home.fish("cofferdam unw", None), ["unwrap"]);
    assert_eq!(home.fish("vault lease re", None), ["renew", "revoke"]);
    assert_eq!(home.fish("cofferdam kv get -mou", None), ["-mount="]);
    assert_eq!(
        home.fish("cofferdam kv get -format=j", None),
        ["-format=json"]
    );
    assert_eq!(
        home.fish_asks("cofferdam kv get secret/app/", address),
        ["secret/app/db", "secret/app/mail"]
    );
    assert_eq!(
        home.fish("cofferdam kv get secret/b", address),
        Vec::<String>::new()
    );
    assert!(!home.at("pwned").exists());
}

#[test]
fn zsh_completes_verbs_flags_and_names() {
    let (home, bao) = (Home::new(), server());
    let address = Some(bao.address.as_str());
    assert_eq!(home.zsh("cofferdam unw", None), "cofferdam unwrap ");
    assert_eq!(home.zsh("bao kv get -mou", None), "bao kv get -mount=");
    assert_eq!(
        home.zsh("cofferdam kv get -format=j", None),
        "cofferdam kv get -format=json "
    );
    assert_eq!(
        home.zsh_asks("cofferdam kv get secret/app/m", address),
        "cofferdam kv get secret/app/mail "
    );
    assert_eq!(
        home.zsh("cofferdam kv get secret/b", address),
        "cofferdam kv get secret/b"
    );
    assert!(!home.at("pwned").exists());
}

/// At the first Tab, which is when zsh reads the file.
#[test]
fn zsh_finds_what_is_installed() {
    let home = Home::new();
    let root = format!("-root={}", home.at("root").display());
    let ours = Path::new(env!("CARGO_BIN_EXE_cofferdam"));
    let place = home.directory.path().display().to_string();
    let done = run(
        ours,
        &["install", "-no-systemd", &root],
        "",
        &[("HOME", &place)],
    );
    assert_eq!(done.code, 0, "{done:?}");
    let functions = home.at("root/usr/local/share/zsh/site-functions");
    let before = format!("fpath=({} $fpath)", functions.display());
    let shown = home.zsh_set_up(&before, "", "cofferdam unw", None);
    assert_eq!(shown, "cofferdam unwrap ");
}

#[test]
fn what_is_typed_is_an_argument_of_no_process() {
    let home = Home::new();
    let (asked, program) = (home.at("asked"), home.at("bin/cofferdam"));
    let ours = env!("CARGO_BIN_EXE_cofferdam");
    // A shell writes it: no thread of ours holds it open for writing while another one starts it.
    let script = format!(
        "rm {0} && printf '%s\\n' '#!/bin/sh' 'echo \"$*\" >>{1}' 'exec {ours} \"$@\"' >{0} && chmod 755 {0}",
        program.display(),
        asked.display()
    );
    home.shell("sh", &["-c", &script], None);
    let line = "cofferdam kv put secret/x password=hunter2 -ca";
    assert_eq!(
        home.bash(line, None),
        ["-ca-cert=", "-ca-path=", "-cas="],
        "all flags that fit"
    );
    assert_eq!(
        home.fish(line, None),
        ["-ca-cert=", "-ca-path=", "-cas="],
        "all flags that fit"
    );
    assert_eq!(home.zsh(&format!("{line}s"), None), format!("{line}s="));
    let asked = std::fs::read_to_string(asked).unwrap();
    for shell in ["bash", "fish", "zsh"] {
        let question = format!("completion words {shell}");
        assert!(asked.lines().any(|line| line == question), "{asked}");
    }
    assert!(!asked.contains("hunter2"), "{asked}");
}

#[test]
fn a_server_that_does_not_answer_costs_a_moment_and_no_word() {
    let home = Home::new();
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let since = Instant::now();
    let mut command = home.command("cofferdam", Some(&address));
    command
        .args(["completion", "words", "zsh"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut asked = command.spawn().unwrap();
    let typed = b"cofferdam\0kv\0get\0sec\0";
    asked.stdin.take().unwrap().write_all(typed).unwrap();
    let output = asked.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!((output.stdout, output.stderr), (Vec::new(), Vec::new()));
    assert!(
        since.elapsed() < Duration::from_secs(20),
        "{:?}",
        since.elapsed()
    );
}

#[test]
fn installing_twice_is_installing_once_and_uninstalling_leaves_what_was_there() {
    let home = Home::new();
    let bashrc: &[u8] = b"alias x=y\n\xff\xfe not text\nexport A=1";
    std::fs::create_dir(home.at("dotfiles")).unwrap();
    std::fs::write(home.at("dotfiles/bashrc"), bashrc).unwrap();
    std::os::unix::fs::symlink("dotfiles/bashrc", home.at(".bashrc")).unwrap();
    std::fs::create_dir_all(home.at(".config/fish")).unwrap();
    let call = |program: &str, flag: &str| {
        let output = home.command(program, None).arg(flag).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout, b"");
    };
    call("cofferdam", "-autocomplete-install");
    let once = std::fs::read(home.at(".bashrc")).unwrap();
    call("cofferdam", "-autocomplete-install");
    assert_eq!(std::fs::read(home.at(".bashrc")).unwrap(), once);
    assert!(once.starts_with(bashrc));
    assert!(home.at(".bashrc").is_symlink(), "a link stays a link");
    assert!(
        !home.at(".zshrc").exists(),
        "no file for a shell that is not used"
    );
    // The shells of the next login know it.
    let known = home.shell(
        "bash",
        &["-i", "-c", "complete -p cofferdam; alias x"],
        None,
    );
    assert!(
        known.contains("-F _cofferdam_complete cofferdam"),
        "{known}"
    );
    assert!(known.contains("alias x='y'"), "{known}");
    let fish = home.shell("fish", &["-c", "complete -C 'cofferdam unw'"], None);
    assert!(fish.starts_with("unwrap"), "{fish}");
    // Another name has a line of its own.
    call("vault", "-autocomplete-install");
    call("vault", "-autocomplete-uninstall");
    assert_eq!(std::fs::read(home.at(".bashrc")).unwrap(), once);
    call("cofferdam", "-autocomplete-uninstall");
    call("cofferdam", "-autocomplete-uninstall");
    let left = std::fs::read(home.at(".bashrc")).unwrap();
    assert_eq!(
        left,
        [bashrc, b"\n"].concat(),
        "but for the end of its last line"
    );
    assert!(!home.at(".config/fish/completions/cofferdam.fish").exists());
}

#[test]
fn a_file_that_somebody_else_made_stays() {
    let home = Home::new();
    std::fs::create_dir_all(home.at(".config/fish/completions")).unwrap();
    let path = home.at(".config/fish/completions/vault.fish");
    std::fs::write(&path, "complete -c vault\n").unwrap();
    let call = |flag: &str| home.command("vault", None).arg(flag).output().unwrap();
    let refused = call("-autocomplete-install");
    assert_eq!(refused.status.code(), Some(1));
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(words.starts_with("not made by this program: "), "{words}");
    assert!(call("-autocomplete-uninstall").status.success());
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "complete -c vault\n"
    );
}
