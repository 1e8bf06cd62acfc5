use super::*;
use std::ffi::OsString;

fn normal(words: &[&str]) -> Vec<String> {
    let command = usage::command(names::Name::Own, VERBS);
    let arguments = words.iter().map(OsString::from).collect();
    let normal = arguments::normalise(&command, arguments);
    normal
        .into_iter()
        .map(|word| word.into_string().unwrap())
        .collect()
}

#[test]
fn the_table_of_verbs_is_a_valid_command_line() {
    for name in [names::Name::Own, names::Name::Vault, names::Name::Bao] {
        usage::command(name, VERBS).debug_assert();
    }
}

#[test]
fn single_dashes_are_long_flags_until_the_double_dash() {
    assert_eq!(
        normal(&[
            "c",
            "x",
            "-format=json",
            "-tls-skip-verify=true",
            "-allow-agent=false",
            "-",
            "a=-b",
            "-h",
            "--",
            "-la"
        ]),
        [
            "c",
            "x",
            "--format=json",
            "--tls-skip-verify",
            "-",
            "a=-b",
            "-h",
            "--",
            "-la"
        ]
    );
}
