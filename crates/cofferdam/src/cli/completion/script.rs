//! The scripts. Each asks the program that is about to be called, under the name that was typed.
//! What is typed goes through a pipe from a builtin: it is no argument of any process.

use super::super::names::Name;
use super::Shell;
use std::path::PathBuf;

/// The scripts for our own name where shells look for those of programs, below a prefix.
pub(in super::super) fn installed() -> Vec<(PathBuf, String)> {
    let zsh = format!("{}{LOADED}", of(Shell::Zsh, Name::Own));
    vec![
        (
            "share/bash-completion/completions/cofferdam".into(),
            of(Shell::Bash, Name::Own),
        ),
        (
            "share/zsh/site-functions/_cofferdam".into(),
            zsh.replace("NAME", Name::Own.word()),
        ),
        (
            "share/fish/vendor_completions.d/cofferdam.fish".into(),
            of(Shell::Fish, Name::Own),
        ),
    ]
}

/// zsh reads such a file as a function at the first Tab, which has to be answered then.
const LOADED: &str = "[[ ${funcstack[1]} == _NAME ]] && _NAME_complete\n";

/// A script of a shell for a name.
pub(super) fn of(shell: Shell, name: Name) -> String {
    let text = match shell {
        Shell::Bash => BASH,
        Shell::Zsh => ZSH,
        Shell::Fish => FISH,
    };
    text.replace("NAME", name.word())
}

/// Blanks behind whole words come from the answer: bash knows only all or none.
const BASH: &str = r#"# bash completion for NAME
_NAME_complete() {
    local IFS=$'\n'
    COMPREPLY=($(builtin printf %s "${COMP_LINE:0:COMP_POINT}" | "$1" completion words bash 2>/dev/null))
}
complete -o nospace -F _NAME_complete NAME
"#;

const ZSH: &str = r#"#compdef NAME
# zsh completion for NAME
_NAME_complete() {
    local line word about
    local -a whole wholeabout open openabout
    for line in "${(@f)$(builtin printf '%s\0' "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" | "${(Q)words[1]}" completion words zsh 2>/dev/null)}"; do
        [[ -n $line ]] || continue
        word=${line%%$'\t'*}
        about=$word
        [[ $line == *$'\t'* ]] && about="$word  -- ${line#*$'\t'}"
        if [[ $word == *[/=] ]]; then
            open+=("$word")
            openabout+=("$about")
        else
            whole+=("$word")
            wholeabout+=("$about")
        fi
    done
    (( $#whole )) && compadd -l -d wholeabout -- "${whole[@]}"
    (( $#open )) && compadd -l -S '' -d openabout -- "${open[@]}"
    return 0
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
compdef _NAME_complete NAME
"#;

const FISH: &str = r#"# fish completion for NAME
function __NAME_complete
    set -l words (commandline -opc)
    string join0 -- $words (commandline -ct) | $words[1] completion words fish 2>/dev/null
end
complete -c NAME -e
complete -c NAME -f -a '(__NAME_complete)'
"#;
