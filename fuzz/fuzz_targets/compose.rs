//! Any Compose file: no panic, bounded time; what we write of it our own reader takes.
#![no_main]

use cofferdam_platform::compose::plan::{Defaults, Plan};
use cofferdam_platform::compose::{Flavour, lint, overlay, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let variables = |name: &str| name.starts_with('A').then(|| "$a:1".to_owned());
    let Ok(project) = read("compose.yml".as_ref(), text, &variables) else {
        return;
    };
    let _ = lint::lint(&project);
    let defaults = Defaults {
        prefix: None,
        driver: "cofferdam".to_owned(),
    };
    for flavour in [Flavour::V1, Flavour::V2, Flavour::Stack] {
        let Ok(plan) = Plan::make(&project, &defaults, flavour) else {
            continue;
        };
        if let Some(written) = overlay::write(&project, &plan, &defaults, flavour) {
            let again = read("overlay.yml".as_ref(), &written, &|_| None);
            assert!(again.is_ok(), "{written}");
        }
    }
});
