//! One piece of text against all rules.

use super::assignment::{self, Assignment};
use super::finding::Shape;
use super::gitleaks::Text;
use super::plausible::{self, Setting};
use super::rule::{Check, Owner, Rule, RuleInfo, Scanner};
use super::words::{self, Sense};
use super::{base64, cipher, kubernetes};
use regex_automata::{Anchored, Input};
use std::ops::Range;
use std::sync::Arc;

/// How far behind a literal anything is looked at. A text that is read in pieces keeps this much in hand.
pub(super) const AHEAD: usize = 16 << 10;

/// How far before a literal anything is looked at.
pub(super) const BEHIND: usize = 2 << 10;

/// Longest token, from its literal.
const LONGEST_TOKEN: usize = 8 << 10;

/// A value that was found, still in its text.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) rule: Arc<RuleInfo>,
    /// The value.
    pub(crate) secret: Range<usize>,
    /// The name it is given, where it has one.
    pub(crate) name: Option<Range<usize>>,
    /// Bytes at its beginning that everybody knows: `ghp_`.
    pub(crate) known: usize,
    pub(crate) shape: Shape,
    /// It is written as base64.
    pub(crate) encoded: bool,
    /// The literal that led here.
    pub(crate) anchor: usize,
    strength: u8,
}

impl Found {
    /// The same in a text where the bytes from `from` on stand at `to`.
    pub(super) fn moved(&self, from: usize, to: usize) -> Option<Self> {
        let place = |at: usize| (at + to).checked_sub(from);
        let range = |range: &Range<usize>| Some(place(range.start)?..place(range.end)?);
        Some(Self {
            rule: Arc::clone(&self.rule),
            secret: range(&self.secret)?,
            name: match &self.name {
                Some(name) => Some(range(name)?),
                None => None,
            },
            anchor: place(self.anchor)?,
            ..*self
        })
    }
}

/// Which finding stays where two are about the same bytes.
const TOKEN: u8 = 4;
const ASSIGNED: u8 = 3;
const IMPORTED: u8 = 2;
const GENERIC: u8 = 1;

struct Search<'s, 't> {
    scanner: &'s Scanner,
    text: &'t [u8],
    found: Vec<Found>,
    /// End of the last name that was looked at.
    named: usize,
    /// Whether names without a rule of their own count.
    generic: bool,
    kubernetes: usize,
    /// Where the literal stands that is being looked at.
    anchor: usize,
    /// Something was met that may lead beyond its line.
    far: bool,
}

impl Scanner {
    /// What begins in `from..to` of `text`. Bytes around that range are looked at and give no findings
    /// of their own. `binary` says that the text is none.
    pub(crate) fn scan(&self, text: &[u8], from: usize, to: usize, binary: bool) -> Vec<Found> {
        self.scan_noting(text, from, to, binary, &mut false)
    }

    /// The same; `far` is set where a literal may lead beyond its line.
    pub(super) fn scan_noting(
        &self,
        text: &[u8],
        from: usize,
        to: usize,
        binary: bool,
        far: &mut bool,
    ) -> Vec<Found> {
        let mut search = Search {
            scanner: self,
            text,
            found: Vec::new(),
            named: 0,
            generic: self.imported.wants_own() && !binary,
            kubernetes: 0,
            anchor: 0,
            far: false,
        };
        let mut wanted = vec![false; self.imported.len()];
        self.literals.each(text, from, to, |at, owner| {
            search.anchor = at;
            match self.owners.get(owner as usize) {
                Some(Owner::Token(rule)) => search.token(*rule, at),
                Some(Owner::Name) => search.name(at),
                Some(Owner::Kubernetes) => search.manifest(at),
                Some(Owner::Imported(rule)) => {
                    if let Some(wanted) = wanted.get_mut(*rule) {
                        *wanted = true;
                    }
                }
                None => {}
            }
        });
        search.imported(from, to, &wanted);
        *far |= search.far;
        let mut found = search.found;
        found.sort_by_key(|one| (one.secret.start, std::cmp::Reverse(one.strength)));
        settle(found)
    }
}

/// Of findings about the same bytes the strongest stays.
fn settle(found: Vec<Found>) -> Vec<Found> {
    let mut settled: Vec<Found> = Vec::with_capacity(found.len());
    for one in found {
        match settled.last_mut() {
            Some(last) if one.secret.start < last.secret.end => {
                if one.strength > last.strength {
                    *last = one;
                }
            }
            _ => settled.push(one),
        }
    }
    settled
}

impl Search<'_, '_> {
    fn token(&mut self, number: usize, at: usize) {
        let scanner = self.scanner;
        let Some(rule) = scanner.tokens.get(number) else {
            return;
        };
        self.far |= rule.far;
        if let Some(secret) = token_at(rule, self.text, at) {
            let known = known(rule, self.text, &secret, at);
            self.keep(&rule.info, secret, None, known, TOKEN, true);
        }
    }

    fn keep(
        &mut self,
        rule: &Arc<RuleInfo>,
        secret: Range<usize>,
        name: Option<Range<usize>>,
        known: usize,
        strength: u8,
        quoted: bool,
    ) {
        self.found.push(Found {
            rule: Arc::clone(rule),
            secret,
            name,
            known,
            shape: Shape {
                generic: strength == GENERIC,
                quoted,
                half: 0,
            },
            encoded: false,
            anchor: self.anchor,
            strength,
        });
    }

    /// A telling piece of a name stands at `at`.
    fn name(&mut self, at: usize) {
        if at < self.named {
            return;
        }
        let name = assignment::name_around(self.text, at);
        self.named = name.end.max(at + 1);
        if let Some(assigned) = assignment::around(self.text, at) {
            self.assigned(&assigned);
        }
    }

    fn assigned(&mut self, assigned: &Assignment) {
        let value = self.text.get(assigned.value.clone()).unwrap_or_default();
        if value.len() < 5 {
            return;
        }
        let Some(name) = self
            .text
            .get(assigned.name.clone())
            .and_then(|name| std::str::from_utf8(name).ok())
        else {
            return;
        };
        let lower = name.to_ascii_lowercase();
        let scanner = self.scanner;
        for rule in scanner.assigned_to(&lower) {
            if let Some(secret) = value_of(rule, value) {
                let from = assigned.value.start;
                let secret = from + secret.start..from + secret.end;
                self.keep(
                    &rule.info,
                    secret,
                    Some(assigned.name.clone()),
                    0,
                    ASSIGNED,
                    true,
                );
                return;
            }
        }
        if !self.generic || assigned.listed {
            return;
        }
        if cipher::is_key(&lower, value) && cipher::near(self.text, assigned.value.clone()) {
            let rule = &scanner.named.cipher;
            let name = Some(assigned.name.clone());
            return self.keep(rule, assigned.value.clone(), name, 0, ASSIGNED, true);
        }
        let Some(sense) = words::sense(name) else {
            return;
        };
        self.encoded(assigned, value);
        let setting = Setting {
            quoted: assigned.quoted,
            capitals: !name.bytes().any(|byte| byte.is_ascii_lowercase())
                && self.text.get(assigned.name.end + 1) != Some(&b','),
        };
        // `PASS: name-of-a-test`, and words behind a colon in a sentence or a log.
        let told = assigned.prose || (name == "PASS" && !assigned.quoted);
        if told && sense == Sense::Password && !plausible::strong_password(value) {
            return;
        }
        if told && value.contains(&b'/') {
            return;
        }
        if plausible::fits(sense, value, setting) && !value.eq_ignore_ascii_case(name.as_bytes()) {
            let rule = match sense {
                Sense::Password => &scanner.named.password,
                _ => &scanner.named.secret,
            };
            self.keep(
                rule,
                assigned.value.clone(),
                Some(assigned.name.clone()),
                0,
                GENERIC,
                assigned.quoted,
            );
        }
    }

    /// A token inside base64.
    fn encoded(&mut self, assigned: &Assignment, value: &[u8]) {
        let decoded = (value.len() >= 16)
            .then(|| base64::decoded_text(value))
            .flatten();
        let Some(decoded) = decoded else {
            return;
        };
        if let Some(inner) = first_token(self.scanner, &decoded) {
            self.keep(
                &inner,
                assigned.value.clone(),
                Some(assigned.name.clone()),
                0,
                TOKEN,
                true,
            );
            if let Some(last) = self.found.last_mut() {
                last.encoded = true;
            }
        }
    }

    fn manifest(&mut self, at: usize) {
        self.far = true;
        if at < self.kubernetes {
            return;
        }
        let document = kubernetes::document(self.text, at, BEHIND, AHEAD);
        self.kubernetes = document.end;
        for entry in kubernetes::entries(self.text, document) {
            let value = self.text.get(entry.value.clone()).unwrap_or_default();
            let plain = if entry.encoded {
                base64::decoded(value)
            } else {
                Some(value.to_vec())
            };
            let Some(plain) =
                plain.filter(|plain| plain.len() >= 5 && !plausible::is_placeholder(plain))
            else {
                continue;
            };
            let specific = first_token(self.scanner, &plain);
            let telling = self
                .text
                .get(entry.name.clone())
                .and_then(|name| std::str::from_utf8(name).ok());
            let telling =
                telling.is_some_and(|name| words::sense(name).is_some() || name.starts_with('.'));
            // A Secret also holds user names and host names: those are not one.
            if specific.is_none() && !telling && plausible::entropy(&plain) < 3.2 {
                continue;
            }
            let rule = specific.unwrap_or_else(|| Arc::clone(&self.scanner.named.kubernetes));
            self.keep(&rule, entry.value, Some(entry.name), 0, TOKEN, true);
            if let Some(last) = self.found.last_mut() {
                last.encoded = entry.encoded;
            }
        }
    }

    fn imported(&mut self, from: usize, to: usize, wanted: &[bool]) {
        let scanner = self.scanner;
        let until = to.saturating_add(AHEAD).min(self.text.len());
        let start = from.saturating_sub(BEHIND);
        let Some(window) = self.text.get(start..until) else {
            return;
        };
        for (number, rule) in scanner.imported.rules().enumerate() {
            if rule.has_keywords() && !wanted.get(number).copied().unwrap_or(false) {
                continue;
            }
            rule.find(window, |secret, whole| {
                let place = start + secret.start..start + secret.end;
                if !(from..to).contains(&place.start) {
                    return;
                }
                let text = Text {
                    secret: window.get(secret.clone()).unwrap_or_default(),
                    whole: window.get(whole).unwrap_or_default(),
                    line: line_around(window, secret.start),
                };
                if !scanner.imported.allows(rule, &text) {
                    let half = scanner.imported.half(rule, &text);
                    self.keep(&rule.info, place, None, 0, IMPORTED, true);
                    if let Some(last) = self.found.last_mut() {
                        last.shape.half = half;
                    }
                }
            });
        }
    }
}

/// The line of a position, without its end.
pub(super) fn line_around(text: &[u8], at: usize) -> &[u8] {
    let before = text.get(at.saturating_sub(BEHIND)..at).unwrap_or_default();
    let start = memchr::memrchr(b'\n', before)
        .map_or(at - before.len(), |found| at - before.len() + found + 1);
    let behind = text
        .get(at..(at + BEHIND).min(text.len()))
        .unwrap_or_default();
    let end = memchr::memchr(b'\n', behind).map_or(at + behind.len(), |found| at + found);
    text.get(start..end).unwrap_or_default()
}

/// The secret part of a token that begins at `at`.
fn token_at(rule: &Rule, text: &[u8], at: usize) -> Option<Range<usize>> {
    let at = at.checked_sub(rule.written.back)?;
    if !rule.written.glued && !begins_word(text, at) {
        return None;
    }
    let end = (at + LONGEST_TOKEN).min(text.len());
    let input = Input::new(text).range(at..end).anchored(Anchored::Yes);
    let regex = rule.regex()?;
    // Most literals stand in ordinary text: the cheaper question first.
    if !regex.is_match(input.clone()) {
        return None;
    }
    let mut captures = regex.create_captures();
    regex.search_captures(&input, &mut captures);
    let whole = captures.get_match()?.range();
    if !rule.written.glued
        && text
            .get(whole.end)
            .is_some_and(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
    {
        return None;
    }
    let secret = captures
        .get_group_by_name("secret")
        .map_or(whole, |span| span.range());
    if rule.written.check == Some(Check::AddressPassword) && documented(text, &secret) {
        return None;
    }
    if !rule.written.glued && in_block(text, &secret) {
        return None;
    }
    accepted(rule, text.get(secret.clone())?).then_some(secret)
}

/// Hosts that stand in documentation only (RFC 2606, RFC 6761): a weak password there is one of theirs.
const RESERVED: &[&[u8]] = &[
    b"example",
    b"test",
    b"invalid",
    b"host",
    b"server",
    b"hostname",
    b"domain",
    b"proxy",
];

fn documented(text: &[u8], secret: &Range<usize>) -> bool {
    let password = text.get(secret.clone()).unwrap_or_default();
    if plausible::strong_password(password) || (password.len() >= 12 && !plausible::wordy(password))
    {
        return false;
    }
    let host = text.get(secret.end + 1..).unwrap_or_default();
    let length = host
        .iter()
        .take(200)
        .take_while(|byte| byte.is_ascii_alphanumeric() || b".-\\".contains(byte))
        .count();
    let host = host.get(..length).unwrap_or_default();
    let mut labels = host
        .rsplit(|byte| *byte == b'.')
        .map(|label| label.strip_suffix(b"\\").unwrap_or(label));
    let (last, second) = (labels.next().unwrap_or_default(), labels.next());
    RESERVED.contains(&last) || second.is_some_and(|label| label == b"example")
}

/// Whether a match stands inside lines of base64, as in PEM: letters that happen to look like a token.
fn in_block(text: &[u8], secret: &Range<usize>) -> bool {
    let of_block = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let line = line_around(text, secret.start).trim_ascii();
    if !(60..=80).contains(&line.len()) || !line.iter().all(of_block) {
        return false;
    }
    let from = (line.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let beside = |at: Option<usize>| {
        let line = at.map(|at| line_around(text, at).trim_ascii());
        line.is_some_and(|line| line.len() >= 24 && line.iter().all(of_block))
    };
    let behind = from + line.len() + 2;
    beside(from.checked_sub(2)) || beside((behind < text.len()).then_some(behind))
}

/// The secret part of a value, which must match from end to end.
fn value_of(rule: &Rule, value: &[u8]) -> Option<Range<usize>> {
    let regex = rule.regex()?;
    let mut captures = regex.create_captures();
    regex.search_captures(&Input::new(value).anchored(Anchored::Yes), &mut captures);
    let whole = captures.get_match()?.range();
    if whole.end != value.len() {
        return None;
    }
    let secret = captures
        .get_group_by_name("secret")
        .map_or(whole, |span| span.range());
    accepted(rule, value.get(secret.clone())?).then_some(secret)
}

fn accepted(rule: &Rule, secret: &[u8]) -> bool {
    let written = &rule.written;
    if written.entropy > 0.0 && plausible::entropy(secret) < written.entropy {
        return false;
    }
    if !written.literal && plausible::is_placeholder(secret) {
        return false;
    }
    match written.check {
        None => true,
        Some(Check::BasicAuth) => base64::decoded_text(secret).is_some_and(|plain| {
            let mut parts = plain.splitn(2, |&byte| byte == b':');
            let user = parts.next().unwrap_or_default();
            let password = parts.next().unwrap_or_default();
            !user.is_empty() && password.len() >= 5 && !plausible::is_placeholder(password)
        }),
        Some(Check::AddressPassword) => !secret.iter().all(u8::is_ascii_digit) || secret.len() >= 8,
    }
}

/// Whether a token may begin here: no letter, digit or underscore before it, unless that is the end of
/// an escape (`\n`, `%3D`).
fn begins_word(text: &[u8], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).and_then(|at| text.get(at)).copied();
    match before(1) {
        Some(byte) if byte.is_ascii_alphanumeric() || byte == b'_' => {
            let escape = before(2) == Some(b'\\') && matches!(byte, b'n' | b't' | b'r');
            let percent = before(3) == Some(b'%')
                && byte.is_ascii_hexdigit()
                && before(2).is_some_and(|byte| byte.is_ascii_hexdigit());
            escape || percent
        }
        _ => true,
    }
}

/// How much of the secret is the literal that everybody knows.
fn known(rule: &Rule, text: &[u8], secret: &Range<usize>, at: usize) -> usize {
    if secret.start != at {
        return 0;
    }
    let here = text.get(secret.clone()).unwrap_or_default();
    let starts = rule.written.starts.iter();
    let literal = starts
        .filter(|start| here.starts_with(start.as_bytes()))
        .map(String::len)
        .max();
    literal.unwrap_or(0).min(8)
}

/// The rule of the first token in a decoded text.
fn first_token(scanner: &Scanner, text: &[u8]) -> Option<Arc<RuleInfo>> {
    let mut first = None;
    scanner.literals.each(text, 0, text.len(), |at, owner| {
        if let (None, Some(Owner::Token(number))) = (&first, scanner.owners.get(owner as usize))
            && let Some(rule) = scanner.tokens.get(*number)
            && token_at(rule, text, at).is_some()
        {
            first = Some(Arc::clone(&rule.info));
        }
    });
    first
}
