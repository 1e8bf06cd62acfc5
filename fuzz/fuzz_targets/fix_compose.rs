//! `cofferdam fix` on any Compose file and any `.env`: edits fit, values are masked, a second run of
//! the same options finds the new text readable.
#![no_main]

use cofferdam_detect::pattern::Scanner;
use cofferdam_platform::fix::{Image, Options, Style, diff, images, plan};
use libfuzzer_sys::fuzz_target;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

fuzz_target!(|data: &[u8]| {
    static SCANNER: OnceLock<Scanner> = OnceLock::new();
    let scanner = SCANNER.get_or_init(Scanner::new);
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (env, compose) = text.split_once('\u{1}').unwrap_or(("", text));
    let file = PathBuf::from("/p/compose.yml");
    let open = |path: &Path| {
        Ok(match path.to_str() {
            Some("/p/compose.yml") => Some(compose.to_owned()),
            Some("/p/.env" | "/p/a.env") => Some(env.to_owned()),
            _ => None,
        })
    };
    let directory = Path::new("/p");
    let files = [file];
    let Ok(services) = images(&files, directory, &open) else {
        return;
    };
    let image = Image { entrypoint: vec!["/e".to_owned()], ..Image::default() };
    let known: BTreeMap<_, _> = services.into_keys().map(|name| (name, Ok(image.clone()))).collect();
    let options = Options {
        place: "secret/p".to_owned(),
        driver: "cofferdam".to_owned(),
        program: Ok("/c".to_owned()),
        also: BTreeSet::from(["A".to_owned(), "PASSWORD".to_owned()]),
        not: BTreeSet::new(),
        style: Style::Volume,
    };
    let Ok(outcome) = plan(&files, directory, &open, &known, scanner, &options) else {
        return;
    };
    for change in &outcome.changes {
        let new = change.edits.apply(&change.text);
        assert!(new.is_some(), "edits fit their text");
        let shown = diff::unified("f", &change.text, &change.edits, &change.masks);
        for secret in &outcome.secrets {
            let value = secret.value.expose();
            // Only where the value itself stands in the file, and is long enough to be no accident.
            if value.len() >= 12 && change.text.contains(value.as_str()) {
                assert!(!shown.lines().any(|line| line.starts_with('-') && line.contains(value.as_str())));
            }
        }
    }
});
