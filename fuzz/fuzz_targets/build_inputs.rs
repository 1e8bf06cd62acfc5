//! What a build shows us: Dockerfiles, command lines, plans, messages to the ssh agent, keys.
#![no_main]

use cofferdam_platform::build::many::Target;
use cofferdam_platform::build::ssh::{Key, Request};
use cofferdam_platform::build::{Additions, Command, dockerfile, storage};
use cofferdam_secret::Secret;
use libfuzzer_sys::fuzz_target;
use std::ffi::OsString;

fuzz_target!(|bytes: &[u8]| {
    let _ = Request::parse(bytes);
    let _ = storage::containers(bytes);
    let _ = Key::parse(&Secret::new(bytes.to_vec()), "fuzz");
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(asks) = dockerfile::read(text) {
        assert!(asks.secrets.iter().all(|mount| !mount.id.is_empty()));
    }
    let words: Vec<OsString> = text.split(' ').map(OsString::from).collect();
    if let Ok(Command::Build(build)) = Command::parse(&words) {
        assert_eq!(build.with(&Additions::default()), words);
    }
    for tool in ["docker compose build", "docker buildx bake"] {
        let words: Vec<OsString> = tool.split(' ').map(OsString::from).collect();
        if let Ok(Command::Many(many)) = Command::parse(&words) {
            let _: Result<Vec<Target>, _> = many.targets(bytes);
        }
    }
});
