use super::*;
use crate::pattern::{DigestKey, Scanner, Windows};
use cofferdam_secret::Secret;

fn refused(text: &str) -> Refused {
    Imported::parse(text, &|_| Err("no such file".to_owned())).unwrap_err()
}

fn found(config: &str, location: &str, text: &str) -> Vec<String> {
    let open = |path: &str| match path {
        "base.toml" => Ok("[[rules]]\nid = \"base\"\nregex = '''BASE-[0-9]{6}'''\n".to_owned()),
        _ => Err("no such file".to_owned()),
    };
    let scanner = Scanner::with(Imported::parse(config, &open).unwrap());
    let key = DigestKey::new(&Secret::new(b"test".to_vec()));
    let mut found = Vec::new();
    Windows::whole(&scanner, text.as_bytes(), |sighting| {
        found.push(Finding::new(&scanner, &key, location, sighting));
    });
    found.retain(|finding| scanner.imported().keeps(finding));
    found.iter().map(Finding::fingerprint).collect()
}

const RULE: &str = "[[rules]]\nid = \"acme\"\ndescription = \"ACME\"\nregex = '''(?i)acme_key = \"(ACME-[0-9a-f]{8})\"'''\nkeywords = [\"acme\"]\n";

#[test]
fn rules_find_what_they_describe_and_only_they_do() {
    let text = format!(
        "x\nacme_key = \"ACME-{}\"\npassword = \"Tr0ub4dor&3\"\n",
        "0f1e2d3c"
    );
    assert_eq!(found(RULE, "a.txt", &text), ["a.txt:acme:2"]);
    let both = format!("[extend]\nuseDefault = true\n{RULE}");
    assert_eq!(
        found(&both, "a.txt", &text),
        ["a.txt:acme:2", "a.txt:generic-password:3"]
    );
    let less = format!("[extend]\nuseDefault = true\ndisabledRules = [\"acme\"]\n{RULE}");
    assert_eq!(found(&less, "a.txt", &text), ["a.txt:generic-password:3"]);
}

#[test]
fn an_extended_file_adds_its_rules() {
    let config = format!("[extend]\npath = \"base.toml\"\n{RULE}");
    assert_eq!(found(&config, "a", "BASE-123456"), ["a:base:1"]);
}

#[test]
fn allowlists_are_about_text_path_and_commit() {
    let text = "acme_key = \"ACME-0f1e2d3c\"\n";
    for (allow, left) in [
        ("[[rules.allowlists]]\nregexes = ['''0f1e''']\n", 0),
        ("[[rules.allowlists]]\nstopwords = [\"2d3c\"]\n", 0),
        (
            "[[rules.allowlists]]\nregexTarget = \"line\"\nregexes = ['''acme_key''']\n",
            0,
        ),
        ("[[rules.allowlists]]\npaths = ['''\\.txt$''']\n", 0),
        ("[[rules.allowlists]]\npaths = ['''\\.md$''']\n", 1),
        (
            "[[allowlists]]\ntargetRules = [\"other\"]\npaths = ['''\\.txt$''']\n",
            1,
        ),
        ("[[allowlists]]\npaths = ['''\\.txt$''']\n", 0),
        ("[allowlist]\npaths = ['''\\.txt$''']\n", 0),
        (
            "[[rules.allowlists]]\ncondition = \"AND\"\npaths = ['''\\.txt$''']\ncommits = [\"abc\"]\n",
            1,
        ),
        (
            "[[rules.allowlists]]\ncondition = \"AND\"\npaths = ['''\\.txt$''']\nregexes = ['''0f1e''']\n",
            0,
        ),
        (
            "[[rules.allowlists]]\ncondition = \"AND\"\npaths = ['''\\.md$''']\nregexes = ['''0f1e''']\n",
            1,
        ),
        (
            "[[rules.allowlists]]\ncondition = \"AND\"\npaths = ['''\\.txt$''']\nregexes = ['''ffff''']\n",
            1,
        ),
        (
            "[[allowlists]]\ncondition = \"AND\"\nstopwords = [\"2d3c\"]\nregexes = ['''0f1e''']\n",
            0,
        ),
        (
            "[[allowlists]]\ncondition = \"AND\"\nstopwords = [\"nowhere\"]\nregexes = ['''0f1e''']\n",
            1,
        ),
        (
            "[[rules.allowlists]]\nregexTarget = \"match\"\nregexes = ['''acme_key = ''']\n",
            0,
        ),
        ("[[rules.allowlists]]\nregexes = ['''acme_key = ''']\n", 1),
    ] {
        assert_eq!(
            found(&format!("{RULE}{allow}"), "a.txt", text).len(),
            left,
            "{allow}"
        );
    }
}

#[test]
fn what_is_too_random_too_little_or_elsewhere_is_left_out() {
    let rule = "[[rules]]\nid = \"r\"\nregex = '''K-([a-z0-9]{8})'''\nentropy = 2.5\npath = '''\\.env$'''\n";
    assert_eq!(found(rule, "x.env", "K-abcdefgh K-aaaaaaaa").len(), 1);
    assert_eq!(found(rule, "x.txt", "K-abcdefgh").len(), 0);
}

#[test]
fn what_needs_backtracking_is_refused_with_its_line() {
    for pattern in ["(?=x)y", "(a)\\\\1", "(?<!a)b"] {
        let refused = refused(&format!(
            "title = \"t\"\n[[rules]]\nid = \"bad\"\nregex = \"{pattern}\"\n"
        ));
        assert_eq!(refused.line, 4, "{refused}");
        assert!(refused.reason.starts_with("bad: "), "{refused}");
    }
    assert_eq!(
        refused("[[rules]]\nid = \"huge\"\nregex = '''((a{999}){999}){999}'''\n").line,
        3
    );
}

#[test]
fn what_cannot_be_honoured_is_refused() {
    assert_eq!(refused("\n[[rules]]\nid = \"empty\"\n").line, 3);
    assert_eq!(refused("[[rules]]\nid = 3\n").line, 2);
    assert!(
        refused("[extend]\npath = \"none.toml\"\n")
            .reason
            .contains("no such file")
    );
    assert!(
        refused("[[rules]]\nid = \"g\"\nregex = '''x'''\nsecretGroup = 2\n")
            .reason
            .contains("no group 2")
    );
    let looping = Imported::parse("[extend]\npath = \"self\"\n", &|_| {
        Ok("[extend]\npath = \"self\"\n".to_owned())
    });
    assert!(looping.unwrap_err().reason.contains("too deep"));
}

#[test]
fn catastrophic_patterns_take_linear_time() {
    // SCAN-2: (a+)+$ against aaaa…b needs 2^n steps where one goes back.
    let rule = "[[rules]]\nid = \"r\"\nregex = '''(a+)+$'''\n";
    let text = "a".repeat(200_000) + "b";
    assert_eq!(found(rule, "x", &text).len(), 0);
}

#[test]
fn known_findings_are_left_out_by_their_fingerprint() {
    let list = IgnoreList::parse("# remark\n\na.txt:acme:2\n");
    let scanner = Scanner::with(Imported::parse(RULE, &|_| Err(String::new())).unwrap());
    let key = DigestKey::new(&Secret::new(b"test".to_vec()));
    let mut seen = Vec::new();
    Windows::whole(
        &scanner,
        b"\nacme_key = \"ACME-0f1e2d3c\"\n\nacme_key = \"ACME-0f1e2d3d\"\n",
        |sighting| {
            seen.push(list.contains(&Finding::new(&scanner, &key, "a.txt", sighting)));
        },
    );
    assert_eq!(seen, [true, false]);
}
