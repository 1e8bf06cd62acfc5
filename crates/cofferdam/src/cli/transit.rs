//! `cofferdam transit`: takes a key that is elsewhere into the transit engine, wrapped on this machine
//! so that nobody on the way reads it.

use super::input::{parse_data, read_file_or_stdin};
use super::output::Format;
use super::terminal::{self, say};
use super::{Context, Exit, Failure, Verb};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use cofferdam_api::{Request, Tree};
use cofferdam_engines::secrets::transit::envelope;
use cofferdam_secret::{Buffer, Secret};

/// How Vault's command ends where the server refuses.
const REMOTE: Exit = Exit::Code(3);

/// Takes keys into the transit engine.
#[derive(Args)]
pub(crate) struct Transit {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// take in a key under a new name
    Import(Import),
    /// take in a new version of a key that was imported
    ImportVersion(Import),
}

#[derive(Args)]
struct Import {
    /// Name of the key: MOUNT/keys/NAME
    #[arg(value_name = "PATH")]
    path: String,
    /// The key in base64: @FILE, - for stdin, or itself; of key pairs the private half in PKCS #8
    #[arg(value_name = "KEY")]
    key: String,
    /// More about it, of the form KEY=VALUE: type=ed25519, exportable=true
    #[arg(value_name = "DATA")]
    data: Vec<String>,
}

impl Verb for Transit {
    const NAME: &'static str = "transit";
    const ABOUT: &'static str = "take keys into the transit engine";
    const EXAMPLE: &'static str = "openssl pkcs8 -topk8 -nocrypt -in key.pem -outform DER | base64 -w0 |\n  \
         cofferdam transit import transit/keys/web - type=rsa-2048";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::Import(import) => import.run(context, "import").await,
            Action::ImportVersion(import) => import.run(context, "import_version").await,
        }
    }
}

impl Import {
    async fn run(self, context: &Context, operation: &str) -> Result<Exit, Failure> {
        let (mount, name) = place(&self.path)?;
        let key = self.material()?;
        let mut body = parse_data(&self.data)?;
        let hash = body.get("hash_function").and_then(Tree::as_text);
        let hash = hash.unwrap_or_default().to_owned();
        let step = |text: &str| match context.format() {
            Format::Table => context.out(text.as_bytes()),
            _ => Ok(()),
        };
        let link = context.link()?;
        step("Retrieving wrapping key.\n")?;
        let answer = link
            .send(Request::get(format!("{mount}/wrapping_key")))
            .await;
        let answer = answer.map_err(|failure| failure.with_exit(REMOTE))?;
        let public = answer.tree().and_then(|data| {
            let text = data.get("public_key").and_then(Tree::as_text)?;
            Some(text.to_owned())
        });
        let public = public.ok_or_else(|| {
            Failure::server(format!("no wrapping key at {mount}/wrapping_key")).with_exit(REMOTE)
        })?;
        step("Wrapping source key with ephemeral key.\n")?;
        let wrapped = envelope(&public, &hash, key.expose());
        let wrapped =
            wrapped.map_err(|why| Failure::usage(format!("cannot wrap the key: {why}")))?;
        step("Encrypting ephemeral key with wrapping key.\n")?;
        body.insert("ciphertext", STANDARD.encode(wrapped));
        step("Submitting wrapped key.\n")?;
        let target = format!("{mount}/keys/{name}/{operation}");
        let sent = link.send(Request::put(target, &body)).await;
        let sent = sent.map_err(|failure| failure.with_exit(REMOTE))?;
        context.warn(&sent);
        step("Success!\n")?;
        Ok(Exit::Success)
    }

    /// The bytes of the key.
    fn material(&self) -> Result<Secret<Vec<u8>>, Failure> {
        let text = match self.key.strip_prefix('@') {
            Some(file) => read_file_or_stdin(file)?,
            None if self.key == "-" => read_file_or_stdin("-")?,
            None => {
                if terminal::stderr_is_terminal() {
                    say(
                        "note: a key on the command line stays in the shell's history; @FILE reads it from a file, - from stdin",
                    );
                }
                Secret::new(self.key.clone().into_bytes())
            }
        };
        // As Go reads base64: lines may be broken.
        let mut dense = Buffer::with_capacity(text.expose().len());
        for line in text.expose().split(|byte| matches!(byte, b'\n' | b'\r')) {
            dense.push(line);
        }
        let key = STANDARD.decode(dense.as_slice()).map(Secret::new);
        let key = key.map_err(|_| {
            Failure::usage("the key is not base64")
                .hint("openssl pkcs8 -topk8 -nocrypt -in key.pem -outform DER | base64 -w0")
        })?;
        match key.is_empty() {
            true => {
                Err(Failure::usage("the key is empty")
                    .hint("@FILE reads it from a file, - from stdin"))
            }
            false => Ok(key),
        }
    }
}

/// Mount and name of a key.
fn place(path: &str) -> Result<(&str, &str), Failure> {
    let found = path.trim_start_matches('/').rsplit_once("/keys/");
    found
        .filter(|(mount, name)| !mount.is_empty() && !name.is_empty() && !name.contains('/'))
        .ok_or_else(|| {
            Failure::usage(format!("not the path of a key: {path}"))
                .hint("cofferdam transit import transit/keys/NAME @FILE")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_a_mount_and_a_name() {
        assert_eq!(place("transit/keys/a").unwrap(), ("transit", "a"));
        assert_eq!(place("/team/t/keys/a").unwrap(), ("team/t", "a"));
        assert_eq!(place("a/keys/keys/b").unwrap(), ("a/keys", "b"));
        for path in [
            "transit/a",
            "keys/a",
            "transit/keys/",
            "transit/keys/a/b",
            "",
        ] {
            assert!(place(path).is_err(), "{path}");
        }
    }
}
