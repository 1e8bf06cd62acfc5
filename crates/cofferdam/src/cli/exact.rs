//! What is searched for exactly, without values: fingerprints of a session or of a pack.

use super::{Context, Failure, terminal};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use cofferdam_api::{Client, Endpoint, Request, Tree};
use cofferdam_core::clock::{Clock as _, WallClock};
use cofferdam_detect::fingerprint::{Pack, PackError, PrintKey, Prints};
use cofferdam_detect::{Label, Matcher};
use cofferdam_secret::Secret;
use std::path::{Path, PathBuf};

/// Largest pack and key that are read.
const PACK: usize = 1 << 30;
const KEY: usize = 4096;

/// A pack instead of a server.
#[derive(Args, Default)]
pub(crate) struct PackFlags {
    /// Search for the values of this pack of fingerprints
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        help_heading = "Stored values"
    )]
    pub(crate) pack: Option<PathBuf>,
    /// File with the key of the pack (default: FILE.key, or COFFERDAM_PACK_KEY)
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        help_heading = "Stored values"
    )]
    pack_key: Option<PathBuf>,
    /// Who must have signed the pack (default: COFFERDAM_PACK_SIGNER)
    #[arg(
        long,
        value_name = "KEY",
        global = true,
        help_heading = "Stored values"
    )]
    pack_signer: Option<String>,
}

/// What is to be searched for.
pub(crate) struct Exact {
    pub(crate) prints: Prints,
    pub(crate) key: PrintKey,
    /// Secrets that were asked for and that the caller may have no fingerprints of.
    pub(crate) hidden: u64,
}

impl Exact {
    pub(crate) fn into_matcher(self) -> Matcher {
        Matcher::of_prints(self.prints, self.key)
    }
}

/// Which versions are wanted.
pub(crate) type Wanted<'w> = &'w dyn Fn(&Label, Option<u64>) -> bool;

/// Whether this server is asked over its own socket: a key never goes over a network.
pub(crate) fn is_local(client: &Client) -> bool {
    matches!(client.endpoint(), Endpoint::Socket(_))
}

/// All that the caller may search for, from the server on this host.
pub(crate) async fn session(
    client: &Client,
    prefixes: &[String],
    wanted: Wanted<'_>,
) -> Result<Exact, cofferdam_api::Error> {
    // A key that is rotated between two pages: once more from the beginning.
    for _ in 0..3 {
        if let Some(exact) = pages(client, prefixes, wanted).await? {
            return Ok(exact);
        }
    }
    Err(cofferdam_api::Error::Request(
        "the key of fingerprints changes all the time",
    ))
}

async fn pages(
    client: &Client,
    prefixes: &[String],
    wanted: Wanted<'_>,
) -> Result<Option<Exact>, cofferdam_api::Error> {
    let mut prints = Prints::new();
    let mut first = None;
    let (mut after, mut hidden) = (String::new(), 0);
    let key = loop {
        let mut request = Request::get("sys/fingerprints/session");
        if !prefixes.is_empty() {
            request = request.query("prefix", prefixes.join(","));
        }
        if !after.is_empty() {
            request = request.query("after", after.clone());
        }
        let answer = client.send(request).await?;
        let strange =
            || cofferdam_api::Error::Request("the server's fingerprints are not understood");
        let data = answer.tree().ok_or_else(strange)?;
        let generation = data.get("generation").and_then(Tree::as_u64);
        if first.is_some() && first != generation {
            return Ok(None);
        }
        first = generation;
        let text = |name: &str| data.get(name).and_then(Tree::as_text);
        let key = text("key").and_then(key_of).ok_or_else(strange)?;
        let bundle = text("prints").ok_or_else(strange)?;
        prints.add_bundle(bundle, wanted).map_err(|_| strange())?;
        hidden += data.get("hidden").and_then(Tree::as_u64).unwrap_or(0);
        match text("after") {
            Some(more) => more.clone_into(&mut after),
            None => break key,
        }
    };
    Ok(Some(Exact {
        prints,
        key: PrintKey::new(&key),
        hidden,
    }))
}

/// A key as base64.
fn key_of(text: &str) -> Option<Secret<[u8; 32]>> {
    let bytes = Secret::new(STANDARD.decode(text.trim()).ok()?);
    bytes.expose().as_slice().try_into().ok().map(Secret::new)
}

impl PackFlags {
    /// The pack that was named, opened and checked.
    pub(crate) fn open(
        &self,
        context: &Context,
        file: &Path,
        wanted: Wanted<'_>,
    ) -> Result<Exact, Failure> {
        let shown = file.display();
        let bytes = std::fs::File::open(file)
            .and_then(|opened| terminal::read_all(opened, PACK))
            .map_err(|error| unreadable(file, &error))?;
        let signer = self
            .pack_signer
            .clone()
            .or_else(|| context.environment("COFFERDAM_PACK_SIGNER"));
        let signer = signer.ok_or_else(|| {
            Failure::local(format!("whose pack is {shown}?")).hint(
                "name who must have signed it: -pack-signer=KEY, as printed by: cofferdam fingerprints config",
            )
        })?;
        let trusted = STANDARD.decode(signer.trim()).ok();
        let trusted: Option<[u8; 32]> = trusted.and_then(|bytes| bytes.try_into().ok());
        let trusted = trusted.ok_or_else(|| {
            Failure::local("-pack-signer is not the key of a signer")
                .hint("print it with: cofferdam fingerprints config")
        })?;
        let key = self.key(context, file)?;
        let now = i64::try_from(WallClock.now().seconds()).unwrap_or(i64::MAX);
        let opened = Pack::open(bytes.expose(), &trusted, &key, now, wanted)
            .map_err(|error| refused(file, error))?;
        Ok(Exact {
            prints: opened.prints,
            key: opened.key,
            hidden: 0,
        })
    }

    fn key(&self, context: &Context, file: &Path) -> Result<Secret<[u8; 32]>, Failure> {
        let from_environment = context.environment("COFFERDAM_PACK_KEY");
        let text = match (&self.pack_key, from_environment) {
            (None, Some(text)) => Secret::new(text),
            (named, _) => {
                let beside = || {
                    let mut name = file.as_os_str().to_owned();
                    name.push(".key");
                    PathBuf::from(name)
                };
                let path = named.clone().unwrap_or_else(beside);
                let read = std::fs::File::open(&path)
                    .and_then(|opened| terminal::read_all(opened, KEY))
                    .map_err(|error| unreadable(&path, &error))?;
                read.into_text()
                    .ok_or_else(|| refused(file, PackError::WrongKey))?
            }
        };
        key_of(text.expose()).ok_or_else(|| refused(file, PackError::WrongKey))
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        kind => kind.to_string(),
    };
    Failure::local(format!("cannot read {}: {reason}", path.display()))
}

fn refused(file: &Path, error: PackError) -> Failure {
    let failure = Failure::local(format!("{}: {error}", file.display()));
    failure.hint(match error {
        PackError::Expired => "make a new one where the server is: cofferdam fingerprints export -o FILE",
        PackError::Foreign => {
            "-pack-signer names another server; print the right one there with: cofferdam fingerprints config"
        }
        PackError::Tampered | PackError::NoPack => {
            "do not use it; make a new one: cofferdam fingerprints export -o FILE"
        }
        PackError::WrongKey => "the key was written beside the pack: -pack-key=FILE",
        PackError::Early => "set the clock of this machine, or of the server",
        PackError::Unmade => "this is a defect of cofferdam",
    })
}

/// Bytes of base64.
pub(crate) fn bytes_of(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// A key as a file holds it.
pub(crate) fn key_text(text: &str) -> Secret<String> {
    Secret::new(format!("{text}\n"))
}
