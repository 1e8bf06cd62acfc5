//! `docker-credential-cofferdam`: where Docker keeps the passwords of registries, with the store
//! behind it.
//!
//! The protocol is docker/docker-credential-helpers': an action as the only argument, its input on
//! stdin, its answer **and its errors** on stdout, exit code 1 for a refusal. A registry that is
//! not known has to be answered with one sentence, which Docker compares.

use super::shelf::Shelf;
use super::terminal::read_stdin;
use super::{Context, Exit, Failure, Verb};
use clap::{Args, ValueEnum};
use cofferdam_api::Tree;
use cofferdam_secret::Secret;

/// Where entries are, unless `COFFERDAM_DOCKER_CREDENTIALS` names another path.
const PLACE: &str = "secret/docker/registries";

/// The sentence that means "none", and no failure.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// Longest input; tokens of cloud registries have a few KiB.
const MAX_INPUT: usize = 1 << 20;

/// Keeps passwords of registries for Docker.
#[derive(Args)]
pub(crate) struct DockerCredential {
    /// What Docker asks for
    #[arg(value_name = "ACTION")]
    action: Action,
}

#[derive(Clone, Copy, ValueEnum)]
enum Action {
    /// the credentials of the registry on stdin
    Get,
    /// keep what is on stdin
    Store,
    /// forget the registry on stdin
    Erase,
    /// all registries with their users
    List,
}

impl Verb for DockerCredential {
    const NAME: &'static str = "docker-credential";
    const ABOUT: &'static str = "keep passwords of registries for Docker";
    const EXAMPLE: &'static str = "ln -s /usr/local/bin/cofferdam /usr/local/bin/docker-credential-cofferdam\n\
         echo '{\"credsStore\": \"cofferdam\"}' > ~/.docker/config.json\ndocker login registry.example.com";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let Err(failure) = self.act(context).await else {
            return Ok(Exit::Success);
        };
        // Docker shows what stands on stdout.
        context.out(format!("{}\n", failure.sentence()).as_bytes())?;
        Ok(Exit::Local)
    }
}

impl DockerCredential {
    async fn act(&self, context: &Context) -> Result<(), Failure> {
        let named = context.environment("COFFERDAM_DOCKER_CREDENTIALS");
        let base = named.unwrap_or_else(|| PLACE.to_owned());
        match self.action {
            Action::Get => {
                let (server, key) = asked_server()?;
                let shelf = Shelf::open(context, &base).await?;
                let found = shelf.get(&key).await?;
                let answer = found.and_then(|entry| answer(entry, &server, &key));
                let answer = answer.ok_or_else(|| Failure::local(NOT_FOUND))?;
                let mut line = answer.to_json();
                line.expose_mut().push(b'\n');
                context.out(line.expose())
            }
            Action::Store => {
                let (key, entry) = given(&read_stdin(MAX_INPUT)?)?;
                Shelf::open(context, &base).await?.put(&key, entry).await
            }
            Action::Erase => {
                let (_, key) = asked_server()?;
                // Docker asks for one registry under three addresses, which are one here.
                Shelf::open(context, &base)
                    .await?
                    .remove(&key)
                    .await
                    .map(drop)
            }
            Action::List => {
                let shelf = Shelf::open(context, &base).await?;
                let mut all = Tree::map();
                for name in shelf.names().await? {
                    let Some(mut entry) = shelf.get(&name).await? else {
                        continue;
                    };
                    let server = entry.take("server");
                    if let Some(server) = server.as_ref().and_then(Tree::as_text) {
                        all.insert(server, entry.take("username").unwrap_or(Tree::Null));
                    }
                }
                let mut line = all.to_json();
                line.expose_mut().push(b'\n');
                context.out(line.expose())
            }
        }
    }
}

/// The registry on stdin, as it was written and as we call it.
fn asked_server() -> Result<(String, String), Failure> {
    let text = read_stdin(MAX_INPUT)?.into_text();
    let text = text.ok_or_else(|| Failure::local("the server URL is not UTF-8"))?;
    let server = text.expose().trim().to_owned();
    let key = key(&server)?;
    Ok((server, key))
}

/// The name of a registry's entry: its address without scheme, slashes replaced.
///
/// Docker names one registry with `https://`, with `http://` and with neither.
fn key(server: &str) -> Result<String, Failure> {
    if server.is_empty() {
        return Err(Failure::usage("no credentials server URL"));
    }
    let bare = match server.split_once("://") {
        Some(("https" | "http", rest)) => rest,
        Some(_) => return Err(Failure::usage("not the address of a registry")),
        None => server,
    };
    let bare = bare.trim_matches('/');
    let legal =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/' | '[' | ']');
    if bare.is_empty() || bare.starts_with('.') || !bare.chars().all(legal) {
        return Err(Failure::usage("not the address of a registry"));
    }
    Ok(bare.replace('/', "_").to_ascii_lowercase())
}

/// Docker's three fields as ours, with the entry's name.
fn given(input: &Secret<Vec<u8>>) -> Result<(String, Tree), Failure> {
    let mut input = Tree::parse(input.expose())
        .map_err(|_| Failure::usage("not the JSON of credentials on stdin"))?;
    let server = input.take("ServerURL");
    let server = server.as_ref().and_then(Tree::as_text).unwrap_or_default();
    let key = key(server.trim())?;
    let username = input
        .take("Username")
        .filter(|name| name.as_text().is_some_and(|name| !name.is_empty()));
    let username = username.ok_or_else(|| Failure::usage("no credentials username"))?;
    let password = input
        .take("Secret")
        .filter(|secret| secret.as_text().is_some_and(|secret| !secret.is_empty()));
    let password = password.ok_or_else(|| Failure::usage("no credentials secret"))?;
    let entry = Tree::map()
        .with("server", server.trim())
        .with("username", username)
        .with("password", password);
    Ok((key, entry))
}

/// Our fields as Docker's three; nothing for an entry of another registry or of another kind.
fn answer(mut entry: Tree, server: &str, name: &str) -> Option<Tree> {
    let stored = entry.get("server").and_then(Tree::as_text)?;
    if key(stored).ok()? != name {
        return None;
    }
    Some(
        Tree::map()
            .with("ServerURL", server)
            .with("Username", entry.take("username")?)
            .with("Secret", entry.take("password")?),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_registry_has_one_name_however_it_is_written() {
        for (server, name) in [
            ("https://index.docker.io/v1/", "index.docker.io_v1"),
            ("index.docker.io/v1/", "index.docker.io_v1"),
            ("http://localhost:5000", "localhost:5000"),
            ("LOCALHOST:5000", "localhost:5000"),
            ("[::1]:5000", "[::1]:5000"),
        ] {
            assert_eq!(key(server).unwrap(), name, "{server}");
        }
        for bad in [
            "", "https://", "ftp://x", "a b", "../x", "a\nb", "a?b", "a#b", "a@b",
        ] {
            assert!(key(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_docker_gave_is_what_it_gets() {
        let input = br#"{"ServerURL":"https://r.example","Username":"u","Secret":"p\"$\n"}"#;
        let (name, entry) = given(&Secret::new(input.to_vec())).unwrap();
        assert_eq!(name, "r.example");
        let out = answer(entry, "r.example", &name).unwrap().to_json();
        let out = String::from_utf8(out.expose().clone()).unwrap();
        assert_eq!(
            out,
            r#"{"ServerURL":"r.example","Username":"u","Secret":"p\"$\n"}"#
        );
    }

    #[test]
    fn half_of_the_credentials_are_refused_without_repeating_them() {
        for bad in [
            &br#"{"ServerURL":"r","Username":"u"}"#[..],
            br#"{"ServerURL":"r","Secret":"hunter2"}"#,
            br#"{"Username":"u","Secret":"hunter2"}"#,
            br#"{"ServerURL":"r","Username":"u","Secret":7}"#,
            b"hunter2",
            b"",
        ] {
            let failure = given(&Secret::new(bad.to_vec())).map(|_| ()).unwrap_err();
            assert!(!format!("{failure:?}").contains("hunter2"));
        }
    }
}
