//! Values in an answer that a container gets: its log is not to show them.
//!
//! Not all that is in an answer: of a KV secret its fields, of what another engine gives everything it
//! says, of a login the token. What a container has made itself (ciphertexts, what transit decrypts) is
//! no stored value.

use cofferdam_api::Tree;
use cofferdam_detect::Label;
use cofferdam_secret::Secret;

/// Values in one answer at most.
const MOST: usize = 64;

/// Tells every value of an answer. `path` is the one of the API, without `/v1/`; `read` says that it
/// is a secret that was read.
pub(super) fn each(
    path: &str,
    read: bool,
    answer: &Tree,
    tell: &mut dyn FnMut(Label, Secret<Vec<u8>>),
) {
    let mut tell = Teller { left: MOST, tell };
    for (part, name) in [("auth", "client_token"), ("wrap_info", "token")] {
        if let Some(token) = answer.get(part).and_then(|found| found.get(name)) {
            tell.all(path, None, name, token);
        }
    }
    let Some(data) = answer.get("data") else {
        return;
    };
    // A container's own token, which it has never seen: the socket puts it into the request.
    if path == "auth/token/lookup-self"
        && let Some(token) = data.get("id")
    {
        tell.all(path, None, "id", token);
    }
    if !read {
        return;
    }
    let version = data.get("metadata").and_then(|found| found.get("version"));
    let version = version.and_then(Tree::as_u64);
    match data.get("data").filter(|_| version.is_some()) {
        // KV 2, whose paths have `data` behind the mount. Which mount that is only the server knows; the
        // name is for people.
        Some(fields) => {
            let path = path.replacen("/data/", "/", 1);
            for (field, value) in fields.entries() {
                tell.all(&path, version, field, value);
            }
        }
        None => {
            for (field, value) in data.entries() {
                tell.all(path, None, field, value);
            }
        }
    }
}

struct Teller<'t> {
    left: usize,
    tell: &'t mut dyn FnMut(Label, Secret<Vec<u8>>),
}

impl Teller<'_> {
    /// A value, and every one inside of it: a program may print an object field by field.
    fn all(&mut self, path: &str, version: Option<u64>, field: &str, value: &Tree) {
        match value {
            Tree::Text(_) | Tree::Number(_) if self.left > 0 => {
                self.left -= 1;
                (self.tell)(Label::new(path, version, field), value.value());
            }
            Tree::List(items) => items
                .iter()
                .for_each(|item| self.all(path, version, field, item)),
            Tree::Map(_) => value
                .entries()
                .for_each(|(_, inner)| self.all(path, version, field, inner)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, read: bool, answer: &str) -> Vec<String> {
        let answer = Tree::parse(answer.as_bytes()).unwrap();
        let mut all = Vec::new();
        each(path, read, &answer, &mut |label, value| {
            all.push(format!(
                "{label}={}",
                String::from_utf8_lossy(value.expose())
            ));
        });
        all
    }

    #[test]
    fn fields_of_a_secret_are_told_and_not_its_metadata() {
        let answer = r#"{"request_id":"r","data":{"data":{"a":"one","b":{"c":["two",3]}},"metadata":{"version":7,"created_time":"2026"}}}"#;
        assert_eq!(
            told("secret/data/app/data/x", true, answer),
            [
                "secret/app/data/x@7#a=one",
                "secret/app/data/x@7#b=two",
                "secret/app/data/x@7#b=3"
            ]
        );
        assert_eq!(
            told("kv/a", true, r#"{"data":{"data":"one"}}"#),
            ["kv/a#data=one"]
        );
        assert_eq!(
            told(
                "db/creds/r",
                true,
                r#"{"data":{"username":"u","password":"p"}}"#
            ),
            ["db/creds/r#password=p", "db/creds/r#username=u"]
        );
    }

    #[test]
    fn tokens_are_told_and_answers_that_are_no_secret_are_not() {
        let login = r#"{"data":{"a":"one"},"auth":{"client_token":"hvs.x","accessor":"y"}}"#;
        assert_eq!(
            told("auth/approle/login", false, login),
            ["auth/approle/login#client_token=hvs.x"]
        );
        assert_eq!(
            told(
                "auth/token/lookup-self",
                false,
                r#"{"data":{"id":"hvs.x","path":"p"}}"#
            ),
            ["auth/token/lookup-self#id=hvs.x"]
        );
        assert!(told("sys/mounts", false, r#"{"data":{"a":"one"}}"#).is_empty());
        let many: Vec<String> = (0..500).map(|n| format!("\"k{n}\":\"v\"")).collect();
        let many = format!("{{\"data\":{{{}}}}}", many.join(","));
        assert_eq!(told("kv/a", true, &many).len(), MOST);
    }
}
