//! What STS and IAM answer: XML, read by its exact form.
//!
//! STS can be made to answer in JSON, and with texts that a caller chose (CVE-2020-16250); a reader
//! that looks for an element somewhere in such an answer finds what the caller wrote. So: one document and
//! nothing beside it, no document type, the names and the namespace of the API, each element once, and
//! in it text alone.

use super::arn::{Principal, is_account};
use roxmltree::{Document, Node, ParsingOptions};

/// The namespaces of the two APIs, by their version.
const STS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const IAM: &str = "https://iam.amazonaws.com/doc/2010-05-08/";

/// Elements and texts of an answer at most; that of IAM for a role with many tags has some hundred.
const MOST_NODES: u32 = 2048;

/// Who signed a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// As AWS names them.
    pub arn: String,
    /// The same, read.
    pub principal: Principal,
    /// Theirs alone for ever: a user or role that is made again under its name has another one.
    pub unique_id: String,
}

/// Who an ARN is, as IAM says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// With the path.
    pub arn: String,
    /// The same, read.
    pub principal: Principal,
    /// See [`Caller::unique_id`].
    pub unique_id: String,
}

/// Reads the answer of `GetCallerIdentity`.
#[must_use]
pub fn caller(bytes: &[u8]) -> Option<Caller> {
    let document = document(bytes)?;
    let result = below(
        &document,
        STS,
        &["GetCallerIdentityResponse", "GetCallerIdentityResult"],
    )?;
    let arn = text(result, STS, "Arn")?;
    let principal = Principal::parse(arn)?;
    // Of a role that was taken on: `ROLEID:SESSION`.
    let unique_id = text(result, STS, "UserId")?.split(':').next()?;
    let account = text(result, STS, "Account")?;
    if account != principal.account || !is_account(account) || !is_unique_id(unique_id) {
        return None;
    }
    Some(Caller {
        arn: arn.to_owned(),
        unique_id: unique_id.to_owned(),
        principal,
    })
}

/// Reads the answer of `GetUser` or `GetRole`.
#[must_use]
pub fn resolved(bytes: &[u8], what: What) -> Option<Resolved> {
    let document = document(bytes)?;
    let (response, result, element, id) = match what {
        What::User => ("GetUserResponse", "GetUserResult", "User", "UserId"),
        What::Role => ("GetRoleResponse", "GetRoleResult", "Role", "RoleId"),
    };
    let found = below(&document, IAM, &[response, result, element])?;
    let arn = text(found, IAM, "Arn")?;
    let principal = Principal::parse(arn)?;
    let unique_id = text(found, IAM, id)?;
    (principal.path.is_some() && is_unique_id(unique_id)).then(|| Resolved {
        arn: arn.to_owned(),
        unique_id: unique_id.to_owned(),
        principal,
    })
}

/// What IAM was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// `GetUser`.
    User,
    /// `GetRole`.
    Role,
}

/// The sort of an error: a word of letters, which says more than a status. Nothing else of an answer
/// is repeated.
#[must_use]
pub fn problem(bytes: &[u8]) -> Option<String> {
    let document = document(bytes)?;
    let code = document
        .descendants()
        .find(|node| node.has_tag_name("Code") || node.tag_name().name() == "Code")?;
    let word = code.text()?.trim();
    let letters = word.bytes().all(|byte| byte.is_ascii_alphabetic());
    (letters && (1..=64).contains(&word.len())).then(|| word.to_owned())
}

/// `AROA…`, `AIDA…`: letters and digits.
fn is_unique_id(text: &str) -> bool {
    (8..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn document(bytes: &[u8]) -> Option<Document<'_>> {
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MOST_NODES,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(std::str::from_utf8(bytes).ok()?, options).ok()
}

/// The element at the end of a path of elements, each of which is there once.
fn below<'a>(document: &'a Document<'_>, space: &str, path: &[&str]) -> Option<Node<'a, 'a>> {
    let (first, rest) = path.split_first()?;
    let root = document.root_element();
    if !root.has_tag_name((space, *first)) {
        return None;
    }
    rest.iter()
        .try_fold(root, |node, name| once(node, space, name))
}

/// The child of this name, if there is exactly one.
fn once<'a>(node: Node<'a, 'a>, space: &str, name: &str) -> Option<Node<'a, 'a>> {
    // One of another namespace counts as a second one: somebody would read it.
    let mut same = node
        .children()
        .filter(|child| child.tag_name().name() == name);
    let found = same.next()?;
    (same.next().is_none() && found.has_tag_name((space, name))).then_some(found)
}

/// The text of a child that holds nothing else.
fn text<'a>(node: Node<'a, 'a>, space: &str, name: &str) -> Option<&'a str> {
    let found = once(node, space, name)?;
    let mut inside = found.children();
    let only = inside.next().filter(Node::is_text)?;
    match inside.next() {
        None => only.text(),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sts(result: &str) -> String {
        format!(
            "<GetCallerIdentityResponse xmlns=\"{STS}\"><GetCallerIdentityResult>{result}</GetCallerIdentityResult>\
             <ResponseMetadata><RequestId>x</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
        )
    }

    const GOOD: &str = "<Arn>arn:aws:iam::123456789012:user/ada</Arn><UserId>AIDAABCDEFGH</UserId>\
                        <Account>123456789012</Account>";

    #[test]
    fn an_answer_says_who_signed() {
        let found = caller(sts(GOOD).as_bytes()).unwrap();
        assert_eq!(found.unique_id, "AIDAABCDEFGH");
        assert_eq!(found.principal.name, "ada");
        let head = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{}\n",
            sts(GOOD)
        );
        assert_eq!(caller(head.as_bytes()), Some(found));
        let session = "<Arn>arn:aws:sts::123456789012:assumed-role/web/i-1</Arn>\
                       <UserId>AROAABCDEFGH:i-1</UserId><Account>123456789012</Account>";
        assert_eq!(
            caller(sts(session).as_bytes()).unwrap().unique_id,
            "AROAABCDEFGH"
        );
    }

    /// What an attacker got out of STS in 2020: JSON with XML in a text.
    #[test]
    fn xml_inside_of_something_else_is_no_answer() {
        let inner = sts(GOOD);
        let json = format!(
            "{{\"AssumeRoleWithWebIdentityResponse\":{{\"SubjectFromWebIdentityToken\":\"{inner}\"}}}}"
        );
        let wrapped = format!(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"{STS}\">{inner}</AssumeRoleWithWebIdentityResponse>"
        );
        let twice = format!("{inner}{inner}");
        let before = format!("x{inner}");
        let behind = format!("{inner}x");
        let entity = format!("<!DOCTYPE a [<!ENTITY e \"x\">]>{inner}");
        let bomb = format!("<!DOCTYPE a [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]>{inner}");
        for bad in [
            json,
            wrapped,
            twice,
            before,
            behind,
            entity,
            bomb,
            String::new(),
        ] {
            assert_eq!(caller(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(caller(b"\xff\xfe<"), None);
        let deep = format!("{}{}", "<a>".repeat(60_000), "</a>".repeat(60_000));
        assert_eq!(caller(deep.as_bytes()), None);
    }

    #[test]
    fn what_has_another_form_is_no_answer() {
        let other_space = sts(GOOD).replace(STS, "https://sts.evil.example/");
        let none = sts(GOOD).replace(&format!(" xmlns=\"{STS}\""), "");
        for bad in [other_space, none] {
            assert_eq!(caller(bad.as_bytes()), None, "{bad}");
        }
        let second = format!("{GOOD}<Arn>arn:aws:iam::123456789012:user/eve</Arn>");
        let foreign =
            format!("{GOOD}<e:Arn xmlns:e=\"x\">arn:aws:iam::123456789012:user/eve</e:Arn>");
        let split = GOOD.replace("user/ada", "user/<!-- -->ada");
        let nested = GOOD.replace("<Arn>", "<Arn><b/>");
        let account = GOOD.replace("<Account>1", "<Account>9");
        let id = GOOD.replace("AIDAABCDEFGH", "*");
        let empty = GOOD.replace("AIDAABCDEFGH", "");
        let missing = GOOD.replace("<Account>123456789012</Account>", "");
        let root = GOOD.replace("user/ada", "root");
        for bad in [
            second, foreign, split, nested, account, id, empty, missing, root,
        ] {
            assert_eq!(caller(sts(&bad).as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn iam_says_the_path_and_the_id() {
        let answer = format!(
            "<GetRoleResponse xmlns=\"{IAM}\"><GetRoleResult><Role><Path>/x/</Path>\
             <Arn>arn:aws:iam::123456789012:role/x/web</Arn><RoleName>web</RoleName><RoleId>AROAABCDEFGH</RoleId>\
             </Role></GetRoleResult></GetRoleResponse>"
        );
        let found = resolved(answer.as_bytes(), What::Role).unwrap();
        assert_eq!(found.arn, "arn:aws:iam::123456789012:role/x/web");
        assert_eq!(resolved(answer.as_bytes(), What::User), None);
    }

    #[test]
    fn of_an_error_one_word_is_repeated() {
        let error = |code: &str| {
            format!(
                "<ErrorResponse xmlns=\"{STS}\"><Error><Code>{code}</Code><Message>canary</Message></Error></ErrorResponse>"
            )
        };
        assert_eq!(
            problem(error("SignatureDoesNotMatch").as_bytes()).as_deref(),
            Some("SignatureDoesNotMatch")
        );
        assert_eq!(problem(error("a b\n").as_bytes()), None);
        assert_eq!(problem(b"canary"), None);
    }
}
