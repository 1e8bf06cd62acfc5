//! The scripts that git starts: plain `sh`, no program but ours.

use super::Name;
use std::path::Path;

/// The second line of every script of ours.
pub(super) const MARK: &str =
    "# Made by cofferdam hook install; cofferdam hook uninstall takes it away.";

/// Behind the name of a hook that was there before.
pub(super) const KEPT: &str = ".before-cofferdam";

/// The script of a hook; `program` is ours, by its path, and `arguments` are more words for it.
pub(super) fn script(name: Name, program: &Path, arguments: &[String]) -> String {
    let word = name.word();
    let program = quoted(&program.to_string_lossy());
    let more: String = arguments
        .iter()
        .map(|word| format!(" {}", quoted(word)))
        .collect();
    let by_pass = match name {
        Name::PreCommit => "git commit --no-verify",
        Name::PrePush => "git push --no-verify",
        Name::PreReceive => "cofferdam hook uninstall",
    };
    // The one that was there first: what it stages is judged, too.
    let rest = match name {
        Name::PreCommit => format!(
            "if [ -x \"$kept\" ]; then \"$kept\" \"$@\" || exit; fi\n\
             exec \"$cofferdam\" hook run{more} pre-commit\n"
        ),
        // Both read what git says on stdin.
        Name::PrePush | Name::PreReceive => format!(
            "said=$(while IFS= read -r line; do printf '%s\\n' \"$line\"; done)\n\
             if [ -x \"$kept\" ]; then\n\
             \tif [ -n \"$said\" ]; then printf '%s\\n' \"$said\"; fi | \"$kept\" \"$@\" || exit\n\
             fi\n\
             if [ -n \"$said\" ]; then printf '%s\\n' \"$said\"; fi | \"$cofferdam\" hook run{more} {word} \"$@\"\n"
        ),
    };
    format!(
        "#!/bin/sh\n{MARK}\n\
         cofferdam={program}\n\
         kept=$0{KEPT}\n\
         if [ ! -x \"$cofferdam\" ]; then cofferdam=$(command -v cofferdam); fi\n\
         if [ -z \"$cofferdam\" ]; then\n\
         \techo 'cofferdam is gone, so nobody looks for secrets here' >&2\n\
         \techo 'hint: install it, or this once: {by_pass}' >&2\n\
         \texit 2\n\
         fi\n\
         {rest}"
    )
}

/// A word for `sh` that is only itself.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Whether a hook is one of ours.
pub(super) fn is_ours(script: &[u8]) -> bool {
    script.split(|&byte| byte == b'\n').nth(1) == Some(MARK.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_quote_stays_one_word() {
        let script = script(
            Name::PreCommit,
            Path::new("/opt/it's here/$(x)/cofferdam"),
            &["-config=a b".to_owned()],
        );
        assert!(
            script.contains("cofferdam='/opt/it'\\''s here/$(x)/cofferdam'\n"),
            "{script}"
        );
        assert!(
            script.ends_with("hook run '-config=a b' pre-commit\n"),
            "{script}"
        );
        assert!(is_ours(script.as_bytes()));
        assert!(!is_ours(b"#!/bin/sh\necho\n"));
        assert!(!is_ours(b""));
    }
}
