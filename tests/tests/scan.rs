//! `cofferdam scan` as people use it: on an image of a real engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

use cofferdam_detect::pattern::specimen;
use flows::docker::{Docker, IMAGE, client};
use flows::server::{bare, shown};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn scan(home: &Path, arguments: &[&str]) -> Output {
    bare(home).arg("scan").args(arguments).output().unwrap()
}

/// Places and rules of what was found.
fn places(output: &Output) -> Vec<(String, String, Option<u64>)> {
    let document: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", shown(output)));
    let findings = document["findings"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = |finding: &Value| {
        (
            text(&finding["location"]),
            text(&finding["rule"]),
            finding["line"].as_u64(),
        )
    };
    findings.iter().map(one).collect()
}

#[test]
fn an_image_of_the_engine_is_searched_as_it_is() {
    let docker = Docker::start("scan");
    let home = tempfile::tempdir().unwrap();
    let token = |number: u64| specimen("ghp_{base62:36}", number);
    let context = home.path().join("context");
    std::fs::create_dir(&context).unwrap();
    std::fs::write(
        context.join("copied.env"),
        format!("A=1\nTOKEN={}\n", token(1)),
    )
    .unwrap();
    let lines = [
        format!("FROM {IMAGE}"),
        format!("ENV API_TOKEN={}", token(2)),
        format!("LABEL org.example.token={}", token(3)),
        "ARG BUILD_TOKEN".to_owned(),
        "COPY copied.env /srv/copied.env".to_owned(),
        "RUN rm /srv/copied.env".to_owned(),
        format!("RUN echo {} >/dev/null", token(5)),
    ];
    std::fs::write(context.join("Dockerfile"), lines.join("\n")).unwrap();
    let tag = docker.name("image");
    let built = Command::new(client())
        .args([
            "build",
            "-q",
            "-t",
            &tag,
            "--build-arg",
            &format!("BUILD_TOKEN={}", token(4)),
        ])
        .arg(&context)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", shown(&built));
    let saved = home.path().join("image.tar").to_string_lossy().into_owned();
    docker.run(&["save", "-o", &saved, &tag]);
    for name in [tag.as_str(), saved.as_str()] {
        let output = scan(home.path(), &["image", "-format=json", name]);
        assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
        let all = String::from_utf8_lossy(&output.stdout).into_owned();
        for number in 1..=5 {
            assert!(!all.contains(&token(number)), "{number} is shown");
        }
        let places = places(&output);
        let at = |part: &str| {
            places
                .iter()
                .any(|(place, rule, _)| place.contains(part) && rule == "github-ghp-token")
        };
        for part in [
            "srv/copied.env",
            "/config/Env/",
            "/config/Labels/",
            "/history/",
        ] {
            assert!(at(part), "{name}: {part}: {places:#?}");
        }
        assert!(all.contains("deleted in layer "), "{all}");
    }
    let output = scan(home.path(), &["image", IMAGE]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    let output = scan(home.path(), &["image", "no-such-image:1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        shown(&output).contains("hint: docker pull no-such-image:1"),
        "{}",
        shown(&output)
    );
}
