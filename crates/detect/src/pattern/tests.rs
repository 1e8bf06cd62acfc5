use super::rule::tests::written;
use super::*;
use cofferdam_secret::Secret;
use proptest::prelude::*;
use std::io::Read;

fn key() -> DigestKey {
    DigestKey::new(&Secret::new(b"test".to_vec()))
}

/// Rules and lines of what is found in a text.
fn found_in(scanner: &Scanner, location: &str, text: &[u8]) -> Vec<(String, Option<u64>)> {
    let key = key();
    let mut found = Vec::new();
    Windows::whole(scanner, text, |sighting| {
        let finding = Finding::new(scanner, &key, location, sighting);
        if finding.fits() {
            found.push((finding.rule.id.clone(), finding.line));
        }
    });
    found
}

#[test]
fn every_example_of_every_rule_is_found_and_nothing_else_is() {
    let scanner = Scanner::new();
    let mut wrong = Vec::new();
    for (_, rule) in written() {
        for seed in 1..=5 {
            for example in &rule.examples {
                let text = specimen(example, seed);
                for text in [
                    text.clone(),
                    format!("a\n  x: \"{text}\"\n").replace("\"\"", "\""),
                ] {
                    // In quotes only what has none itself.
                    if text.starts_with('a') && example.contains('"') {
                        continue;
                    }
                    let found = found_in(&scanner, "f.env", text.as_bytes());
                    if !found.iter().any(|(id, _)| *id == rule.id) {
                        wrong.push(format!(
                            "{}: not found: {example} in {text} but {found:?}",
                            rule.id
                        ));
                    }
                }
            }
            for other in &rule.others {
                let text = specimen(other, seed);
                let found = found_in(&scanner, "f.env", text.as_bytes());
                if found.iter().any(|(id, _)| *id == rule.id) {
                    wrong.push(format!("{}: found: {other}", rule.id));
                }
            }
        }
    }
    wrong.dedup();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn placeholders_references_and_checksums_are_no_findings() {
    let scanner = Scanner::new();
    let lines = [
        "PASSWORD=changeme",
        "DB_PASSWORD=${DB_PASSWORD}",
        "api_key: <your-api-key>",
        "token: {{ .Values.token }}",
        "password: \"example\"",
        "secret: $SECRET",
        "API_KEY=your_api_key_here",
        "password = os.environ['X']",
        "\"integrity\": \"sha512-{base64:86}==\"",
        "monkey = \"{base62:32}\"",
        "commit = \"{hex:40}\"",
        "checksum: {hex:64}",
        "id: {uuid}",
        "api_key_id: {base62:20}",
        "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE",
        "postgres://user:password@localhost/db",
        "postgres://$USER:$PASS@host/db",
        "https://user:{{pass}}@host/",
        "password_hash = \"{base62:32}\"",
        "secret_name: database-credentials",
        "token_url = \"https://a.example/{base62:32}\"",
        "password: \"Enter your password\"",
        "PASSWORD_FILE=/run/secrets/db",
        "token: ''",
        "password:",
        "key: value",
        "csrf_token: {base62:32}",
        "primary_key: customer_identifier_2",
        "public_key = \"{base64:44}\"",
        "if password == other_password1 {",
        "token = get_token(user, 12)",
        "\"password\": null",
        "password: true",
        "SECRET_KEY_FILE=/etc/x/key.pem",
        "password: ********",
        "auth_token: xxxxxxxxxxxxxxxxxxxxxxxx",
        "secretRef: my-app-secrets-2",
        "secretName: tls-cert-prod1",
        "\"type\": \"password\"",
        "tokenizer: bert-base-uncased-2019",
        "PASSWORD=op://vault/db/password",
        "keyboard = \"{base62:24}\"",
        "key: \"button.save.label2\"",
    ];
    let mut wrong = Vec::new();
    for line in lines {
        let text = specimen(line, 3);
        for location in ["a.env", "a.yaml", "a.py"] {
            let found = found_in(&scanner, location, text.as_bytes());
            if !found.is_empty() {
                wrong.push(format!("{location}: {line}: {found:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_lock_file_is_no_place_for_generic_findings() {
    let scanner = Scanner::new();
    let text = specimen("\"authToken\": \"{base62:40}\"", 1);
    assert_eq!(
        found_in(&scanner, "x/package-lock.json", text.as_bytes()),
        []
    );
    assert_eq!(
        found_in(&scanner, "x/config.json", text.as_bytes()).len(),
        1
    );
}

#[test]
fn manifests_of_kubernetes_are_read() {
    let scanner = Scanner::new();
    let plain = "kind: Secret\napiVersion: v1\nstringData:\n  password: q7Kx-92mnB\ndata:\n  token: {b64:c3RhZ2luZy1rZXktODg3}\n  user: {b64:alice}\n";
    let found = found_in(&scanner, "s.yaml", specimen(plain, 1).as_bytes());
    assert_eq!(
        found,
        [
            ("kubernetes-secret".to_owned(), Some(4)),
            ("kubernetes-secret".to_owned(), Some(6))
        ]
    );
    let environment =
        "env:\n- name: DB_PASSWORD\n  value: q7Kx-92mnB\n- name: DB_HOST\n  value: db\n";
    assert_eq!(
        found_in(&scanner, "d.yaml", environment.as_bytes()),
        [("generic-password".to_owned(), Some(3))]
    );
}

#[test]
fn a_token_in_base64_is_named_for_what_it_is() {
    use ::base64::Engine as _;
    let scanner = Scanner::new();
    let token = specimen("ghp_{base62:36}", 9);
    let encoded = ::base64::engine::general_purpose::STANDARD.encode(&token);
    let text = format!("kind: Secret\ndata:\n  any: {encoded}\n");
    assert_eq!(
        found_in(&scanner, "s.yaml", text.as_bytes()),
        [("github-ghp-token".to_owned(), Some(3))]
    );
}

#[test]
fn an_allow_comment_is_for_one_finding() {
    let scanner = Scanner::new();
    let one = specimen("token: ghp_{base62:36}", 1);
    let two = specimen("ghp_{base62:36}", 2);
    let count = |text: String| found_in(&scanner, "a.yaml", text.as_bytes()).len();
    assert_eq!(count(one.clone()), 1);
    assert_eq!(
        count(format!("{one} # cofferdam:allow github-ghp-token")),
        0
    );
    assert_eq!(count(format!("{one} # cofferdam:allow gitlab-glpat")), 1);
    assert_eq!(
        count(format!("{one} {two} # cofferdam:allow github-ghp-token")),
        1
    );
    assert_eq!(
        count(format!("{one} # cofferdam:allow github-ghp-token\n{two}\n")),
        1
    );
}

#[test]
fn text_in_utf_16_is_read() {
    let scanner = Scanner::new();
    let text = specimen("ghp_{base62:36}\r\n", 4);
    let mut wide = vec![0xff, 0xfe];
    wide.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(found_in(&scanner, "a.ps1", &wide).len(), 1);
}

#[test]
fn binary_files_give_tokens_and_no_guesses() {
    let scanner = Scanner::new();
    let mut bytes = b"SQLite format 3\0\0\x01".to_vec();
    bytes.extend(specimen("password=Kx7qLm2Zr9!\0ghp_{base62:36}\0", 4).into_bytes());
    assert_eq!(
        found_in(&scanner, "a.db", &bytes),
        [("github-ghp-token".to_owned(), None)]
    );
}

/// Gives its bytes in pieces of the sizes asked for, again and again.
struct Pieces<'t> {
    rest: &'t [u8],
    sizes: Vec<usize>,
    next: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let size = self.sizes[self.next % self.sizes.len()];
        self.next += 1;
        let count = size.min(out.len()).min(self.rest.len());
        out[..count].copy_from_slice(&self.rest[..count]);
        self.rest = &self.rest[count..];
        Ok(count)
    }
}

fn streamed(scanner: &Scanner, text: &[u8], sizes: Vec<usize>) -> Vec<(String, u64, u64, u64)> {
    let mut found = Vec::new();
    let mut source = Pieces {
        rest: text,
        sizes,
        next: 0,
    };
    let (length, end) = Windows::new().read(
        scanner,
        &mut source,
        |_| (),
        |sighting| {
            let id = sighting.found.rule.id.clone();
            found.push((id, sighting.offset, sighting.line, sighting.column));
        },
    );
    end.unwrap();
    assert_eq!(length, text.len() as u64);
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn pieces_never_change_what_is_found(
        gaps in prop::collection::vec(0_usize..200_000, 1..6),
        sizes in prop::collection::vec(1_usize..100_000, 1..4),
    ) {
        let scanner = Scanner::new();
        let mut text = Vec::new();
        for (number, gap) in gaps.iter().enumerate() {
            text.extend(b"lorem ipsum dolor\n".iter().cycle().take(*gap));
            let recipe = ["ghp_{base62:36}", "DB_PASSWORD=q7Kx-92mnB", "-----BEGIN RSA PRIVATE KEY-----\n{base64:64}\n{base64:64}\n-----END"][number % 3];
            text.extend(specimen(&format!("\n{recipe}\n"), number as u64).into_bytes());
        }
        let mut whole = Vec::new();
        Windows::whole(&scanner, &text, |sighting| {
            whole.push((sighting.found.rule.id.clone(), sighting.offset, sighting.line, sighting.column));
        });
        prop_assert_eq!(whole.len(), gaps.len());
        prop_assert_eq!(streamed(&scanner, &text, sizes), whole);
    }
}
