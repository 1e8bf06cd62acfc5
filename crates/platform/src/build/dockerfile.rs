//! Which build secrets and agents a Dockerfile asks for, and what its cache depends on.
//!
//! Only as much of the format is read as that takes: comments, line continuation, the `escape`
//! directive, heredocs (skipped), `FROM`, `ARG` and the `--mount` flags of `RUN`, as BuildKit reads them
//! (docs.docker.com/reference/dockerfile, `frontend/dockerfile/parser` of moby/buildkit).

use std::collections::{BTreeMap, BTreeSet};

/// A mount that cannot be understood without running the build.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// `id=$X` depends on build arguments.
    #[error("line {line}: the id of a secret mount is a variable")]
    Variable {
        /// Where the instruction begins, from 1.
        line: usize,
    },
    /// Neither id nor target.
    #[error("line {line}: a secret mount has neither id nor target")]
    Nameless {
        /// Where the instruction begins, from 1.
        line: usize,
    },
}

/// What a Dockerfile says about secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asks {
    /// Every secret mount, in the order of the file.
    pub secrets: Vec<SecretMount>,
    /// The ids of all agents.
    pub ssh: BTreeSet<String>,
    /// Every name that some `ARG` of a stage declares.
    pub arguments: BTreeSet<String>,
}

/// One `RUN --mount=type=secret`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretMount {
    /// Its id.
    pub id: String,
    /// Where its instruction begins, from 1.
    pub line: usize,
    /// Whether a build without it is to fail.
    pub required: bool,
    /// Whether an argument that changes with the secret's version stands before it in its stage:
    /// without one a new version does not rerun the step.
    pub tied: bool,
}

/// The argument that changes with any secret of the build.
pub const ALL_VERSIONS: &str = "COFFERDAM_SECRETS_ID";

/// The argument that changes with one secret. What no argument's name can hold becomes `_`.
#[must_use]
pub fn version_argument(id: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!(
        "COFFERDAM_SECRET_ID_{}",
        id.chars().map(fits).collect::<String>()
    )
}

/// Reads a Dockerfile.
///
/// # Errors
/// [`Unclear`].
pub fn read(text: &str) -> Result<Asks, Unclear> {
    let mut asks = Asks::default();
    let mut stages = Stages::default();
    for instruction in Instructions::new(text) {
        let (word, rest) = split_word(&instruction.text);
        match word.to_ascii_lowercase().as_str() {
            "from" => stages.begin(rest),
            "arg" if stages.begun => {
                let names = words(rest).into_iter();
                let names = names.map(|word| word.split('=').next().unwrap_or_default().to_owned());
                for name in names {
                    stages.current.insert(name.clone());
                    asks.arguments.insert(name);
                }
            }
            "run" => {
                for flag in flags(rest) {
                    if let Some(mount) = flag.strip_prefix("--mount=") {
                        asks.mount(mount, instruction.line, &stages.current)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(asks)
}

impl Asks {
    /// The ids of all secrets, in byte order.
    #[must_use]
    pub fn ids(&self) -> BTreeSet<String> {
        self.secrets.iter().map(|mount| mount.id.clone()).collect()
    }

    /// Adds what another file of the same build says.
    pub fn absorb(&mut self, other: Self) {
        self.secrets.extend(other.secrets);
        self.ssh.extend(other.ssh);
        self.arguments.extend(other.arguments);
    }

    fn mount(
        &mut self,
        mount: &str,
        line: usize,
        arguments: &BTreeSet<String>,
    ) -> Result<(), Unclear> {
        let mount = Mount::parse(mount);
        match mount.kind.as_str() {
            "secret" => {
                let id = mount.secret_id(line)?;
                self.secrets.push(SecretMount {
                    tied: arguments.contains(ALL_VERSIONS)
                        || arguments.contains(&version_argument(&id)),
                    required: mount.required,
                    line,
                    id,
                });
            }
            "ssh" => {
                let id = mount.id.filter(|id| !id.is_empty());
                self.ssh.insert(id.unwrap_or_else(|| "default".to_owned()));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Which arguments are in scope: those of the stage, and of the stage it builds on.
#[derive(Default)]
struct Stages {
    begun: bool,
    current: BTreeSet<String>,
    name: Option<String>,
    ended: BTreeMap<String, BTreeSet<String>>,
}

impl Stages {
    fn begin(&mut self, rest: &str) {
        let ended = std::mem::take(&mut self.current);
        if let Some(name) = self.name.take() {
            self.ended.insert(name, ended);
        }
        self.begun = true;
        let mut words = words(rest)
            .into_iter()
            .filter(|word| !word.starts_with("--"));
        let base = words.next().unwrap_or_default().to_ascii_lowercase();
        self.current = self.ended.get(&base).cloned().unwrap_or_default();
        let is_as = words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("as"));
        self.name = words
            .next()
            .filter(|_| is_as)
            .map(|name| name.to_ascii_lowercase());
    }
}

/// The fields of one `--mount` (BuildKit `frontend/dockerfile/instructions/commands_runmount.go`).
#[derive(Default)]
struct Mount {
    kind: String,
    id: Option<String>,
    source: Option<String>,
    target: Option<String>,
    required: bool,
}

impl Mount {
    fn parse(text: &str) -> Self {
        let mut mount = Self::default();
        for field in csv_fields(text) {
            let (key, value) = field.split_once('=').unwrap_or((&field, ""));
            match key.to_ascii_lowercase().as_str() {
                "type" => mount.kind = value.to_ascii_lowercase(),
                "id" => mount.id = Some(value.to_owned()),
                "source" | "src" => mount.source = Some(value.to_owned()),
                "target" | "dst" | "destination" => mount.target = Some(value.to_owned()),
                "env" if mount.target.is_none() => mount.target = Some(value.to_owned()),
                // Alone it means yes.
                "required" => mount.required = matches!(value, "" | "true" | "1" | "t" | "T"),
                _ => {}
            }
        }
        mount
    }

    fn secret_id(&self, line: usize) -> Result<String, Unclear> {
        let named = self.source.as_ref().or(self.id.as_ref());
        let named = named.filter(|name| !name.is_empty()).cloned();
        let last = |path: &String| path.rsplit('/').next().map(str::to_owned);
        let name = named.or_else(|| self.target.as_ref().and_then(last));
        match name.filter(|name| !name.is_empty()) {
            None => Err(Unclear::Nameless { line }),
            Some(name) if name.contains('$') => Err(Unclear::Variable { line }),
            Some(name) => Ok(name),
        }
    }
}

/// Splits as Go's csv package does for one line: `"` around a field, `""` for one quote.
pub(super) fn csv_fields(text: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields
}

/// The words with `--` that stand before the command of a `RUN`.
fn flags(rest: &str) -> impl Iterator<Item = String> {
    let words = words(rest).into_iter();
    words.take_while(|word| word.starts_with("--") && word != "--")
}

fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

/// Words as a shell splits them, quotes around a whole flag value taken away.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, c) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            (_, c) => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

struct Instruction {
    line: usize,
    text: String,
}

/// Logical lines: continued ones joined, comments and the bodies of heredocs left out.
struct Instructions<'a> {
    lines: std::iter::Enumerate<std::str::Lines<'a>>,
    escape: char,
}

impl<'a> Instructions<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            lines: text.trim_start_matches('\u{feff}').lines().enumerate(),
            escape: escape_directive(text),
        }
    }

    fn skip_heredocs(&mut self, instruction: &str) {
        for end in heredocs(instruction) {
            for (_, line) in self.lines.by_ref() {
                let line = if end.tabs {
                    line.trim_start_matches('\t')
                } else {
                    line
                };
                if line == end.word {
                    break;
                }
            }
        }
    }
}

impl Iterator for Instructions<'_> {
    type Item = Instruction;

    fn next(&mut self) -> Option<Instruction> {
        let mut begun: Option<Instruction> = None;
        for (number, line) in self.lines.by_ref() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            let continued = trimmed.strip_suffix(self.escape);
            let instruction = begun.get_or_insert_with(|| Instruction {
                line: number + 1,
                text: String::new(),
            });
            instruction.text.push_str(continued.unwrap_or(trimmed));
            if continued.is_none() {
                break;
            }
        }
        let instruction = begun?;
        self.skip_heredocs(&instruction.text);
        Some(instruction)
    }
}

/// `# escape=X` among the comments at the very top.
fn escape_directive(text: &str) -> char {
    let directives = text.lines().map_while(|line| line.trim().strip_prefix('#'));
    for directive in directives {
        if let Some((name, value)) = directive.split_once('=')
            && name.trim().eq_ignore_ascii_case("escape")
        {
            return value.trim().chars().next().unwrap_or('\\');
        }
    }
    '\\'
}

struct Heredoc {
    word: String,
    tabs: bool,
}

/// `<<WORD`, `<<-WORD`, `<<"WORD"` and `3<<WORD` as words of their own.
fn heredocs(instruction: &str) -> Vec<Heredoc> {
    let (keyword, rest) = split_word(instruction);
    let bodies = ["run", "copy", "add"];
    if !bodies.iter().any(|name| keyword.eq_ignore_ascii_case(name)) {
        return Vec::new();
    }
    let words = rest.split_whitespace();
    let marked = words.filter_map(|word| {
        let word = word.trim_start_matches(|c: char| c.is_ascii_digit());
        let word = word.strip_prefix("<<").filter(|word| !word.contains('<'))?;
        let (tabs, word) = match word.strip_prefix('-') {
            Some(word) => (true, word),
            None => (false, word),
        };
        let word = word.trim_matches(['"', '\'']).to_owned();
        (!word.is_empty()).then_some(Heredoc { word, tabs })
    });
    marked.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<String> {
        read(text).unwrap().ids().into_iter().collect()
    }

    #[test]
    fn ids_come_from_id_source_or_target() {
        for (mount, expected) in [
            ("--mount=type=secret,id=a", &["a"][..]),
            ("--mount=type=secret,src=a,id=b", &["a"]),
            ("--mount=type=secret,target=/run/x/c", &["c"]),
            ("--mount=type=secret,id=d,required", &["d"]),
            ("--mount=id=e,TYPE=Secret,mode=0400", &["e"]),
            ("--mount=type=secret,id=f,env=F", &["f"]),
            ("--mount='type=secret,id=g'", &["g"]),
            (
                "--network=none --mount=type=secret,id=i --mount=type=secret,id=j",
                &["i", "j"],
            ),
            ("--mount=type=cache,id=k", &[]),
            ("--mount=target=/x", &[]),
            ("echo --mount=type=secret,id=l", &[]),
        ] {
            assert_eq!(
                ids(&format!("FROM x\nRUN {mount} true\n")),
                expected,
                "{mount}"
            );
        }
    }

    #[test]
    fn continuation_comments_and_case_are_read_as_docker_does() {
        let text = "FROM x\nrun --mount=type=secret,\\\n# a comment\n\n  id=a \\\r\n  cat x\n\
                    # RUN --mount=type=secret,id=no true\nENV X=\"RUN --mount=type=secret,id=no\"\n\
                    ONBUILD RUN --mount=type=secret,id=no true\n";
        assert_eq!(ids(text), ["a"]);
        let windows = "# syntax=docker/dockerfile:1\n# escape=`\nFROM x\n\
                       RUN `\n --mount=type=secret,id=b dir C:\\\nRUN --mount=type=secret,id=c x\n";
        assert_eq!(ids(windows), ["b", "c"]);
    }

    #[test]
    fn bodies_of_heredocs_are_not_instructions() {
        let text = "FROM x\nRUN --mount=type=secret,id=a <<EOF\n\
                    RUN --mount=type=secret,id=no true\nEOF\n\
                    COPY <<-\"ONE\" <<TWO /x/\nRUN --mount=type=secret,id=no x\n\tONE\n\
                    RUN --mount=type=secret,id=no x\nTWO\n\
                    RUN cat <<<word\nRUN --mount=type=secret,id=b true\n";
        assert_eq!(ids(text), ["a", "b"]);
    }

    #[test]
    fn required_agents_and_arguments_are_read() {
        let text = "ARG COFFERDAM_SECRETS_ID\nFROM x AS one\n\
                    RUN --mount=type=secret,id=a,required --mount=type=ssh true\n\
                    ARG COFFERDAM_SECRET_ID_a=x OTHER\n\
                    RUN --mount=type=secret,id=a,required=true true\n\
                    RUN --mount=type=secret,id=b,required=false true\n\
                    FROM One\nRUN --mount=type=secret,id=a --mount=type=ssh,id=k true\n\
                    FROM x\nRUN --mount=type=secret,id=a true\n\
                    ARG COFFERDAM_SECRETS_ID\nRUN --mount=type=secret,id=a-1 true\n";
        let asks = read(text).unwrap();
        let seen: Vec<_> = asks
            .secrets
            .iter()
            .map(|mount| (mount.line, mount.id.as_str(), mount.required, mount.tied))
            .collect();
        let expected = [
            // What stands before the first FROM is no argument of a stage.
            (3, "a", true, false),
            (5, "a", true, true),
            (6, "b", false, false),
            // A stage that builds on another has its arguments.
            (8, "a", false, true),
            (10, "a", false, false),
            (12, "a-1", false, true),
        ];
        assert_eq!(seen, expected);
        assert_eq!(asks.ssh.into_iter().collect::<Vec<_>>(), ["default", "k"]);
        assert_eq!(version_argument("a-1"), "COFFERDAM_SECRET_ID_a_1");
        assert!(asks.arguments.contains("OTHER"));
    }

    #[test]
    fn what_only_the_build_knows_is_named_by_line() {
        let variable = read("FROM x\nARG N\nRUN --mount=type=secret,id=$N x\n");
        assert_eq!(variable, Err(Unclear::Variable { line: 3 }));
        let nameless = read("FROM x\n\nRUN --mount=type=secret x\n");
        assert_eq!(nameless, Err(Unclear::Nameless { line: 3 }));
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in "(?s).{0,400}") {
            let _ = read(&text);
        }
    }
}
