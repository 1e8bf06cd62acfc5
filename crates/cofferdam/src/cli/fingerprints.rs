//! `cofferdam fingerprints`: what scanners are given instead of values.

use super::exact::key_text;
use super::{Context, Exit, Failure, Verb};
use clap::{Args, Subcommand};
use cofferdam_api::{Request, Tree};
use cofferdam_secret::Secret;
use std::path::{Path, PathBuf};

/// Hands out fingerprints of stored values.
#[derive(Args)]
pub(crate) struct Fingerprints {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// write a pack for a place that has no way to this server, such as a CI
    Export(Export),
    /// say which key is in use and who signs packs
    Config,
    /// make fingerprints with another key from now on
    Rotate {
        /// Sign packs with another key, too
        #[arg(long)]
        signer: bool,
    },
}

#[derive(Args)]
struct Export {
    /// Where the pack goes
    #[arg(long, short = 'o', value_name = "FILE")]
    output: PathBuf,
    /// Where the key of the pack goes (default: FILE.key)
    #[arg(long, value_name = "FILE")]
    key_out: Option<PathBuf>,
    /// How long it counts
    #[arg(long, value_name = "DURATION", default_value = "168h")]
    ttl: String,
    /// Only secrets below this path, such as secret/myapp; may be repeated
    #[arg(long, value_name = "PREFIX")]
    app: Vec<String>,
}

impl Verb for Fingerprints {
    const NAME: &'static str = "fingerprints";
    const ABOUT: &'static str = "hand out what scanners need instead of values";
    const EXAMPLE: &'static str = "cofferdam fingerprints export -o shop.pack -app secret/shop\n\
        cofferdam scan -pack shop.pack -pack-signer KEY .";

    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::Export(export) => export.run(context).await,
            Action::Config => {
                let answer = context
                    .link()?
                    .send(Request::get("sys/fingerprints/config"))
                    .await?;
                show(context, answer.tree().as_ref())
            }
            Action::Rotate { signer } => {
                let body = Tree::map().with("signer", signer);
                let request = Request::post("sys/fingerprints/rotate", &body);
                let answer = context.link()?.send(request).await?;
                show(context, answer.tree().as_ref())
            }
        }
    }
}

fn show(context: &Context, data: Option<&Tree>) -> Result<Exit, Failure> {
    let data = data.ok_or_else(|| Failure::local("the server answered without data"))?;
    let generation = data.get("generation").and_then(Tree::as_u64).unwrap_or(0);
    let signer = data
        .get("signer")
        .and_then(Tree::as_text)
        .unwrap_or_default();
    context.print(data, || {
        Secret::new(format!(
            "generation    {generation}\nsigner        {signer}\n"
        ))
    })
}

impl Export {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let prefixes: Vec<Tree> = self
            .app
            .iter()
            .map(|app| Tree::from(app.as_str()))
            .collect();
        let ttl = super::context::go_duration(&self.ttl);
        let body = Tree::map().with("ttl", ttl).with("prefix", prefixes);
        let request = Request::post("sys/fingerprints/export", &body);
        let answer = context.link()?.send(request).await?;
        let data = answer
            .tree()
            .ok_or_else(|| Failure::local("the server answered without data"))?;
        let text = |name: &str| data.get(name).and_then(Tree::as_text).unwrap_or_default();
        let pack = super::exact::bytes_of(text("pack"))
            .ok_or_else(|| Failure::local("the server's pack is not understood"))?;
        let key_out = self.key_out.clone().unwrap_or_else(|| {
            let mut name = self.output.as_os_str().to_owned();
            name.push(".key");
            PathBuf::from(name)
        });
        // The key first: a pack whose key was lost is good for nothing.
        write(&key_out, key_text(text("key")).expose().as_bytes())?;
        write(&self.output, &pack)?;
        let taken = data.get("taken").and_then(Tree::as_u64).unwrap_or(0);
        context.say(&format!(
            "{taken} fingerprints in {}, key in {}, until {}",
            self.output.display(),
            key_out.display(),
            text("expires")
        ));
        context.say(&format!("signed by {}", text("signer")));
        let weak = data.get("weak").map(Tree::items).unwrap_or_default();
        for name in weak.iter().filter_map(Tree::as_text) {
            context.say(&format!(
                "not in it: {name} cannot be protected by fingerprint, please rotate"
            ));
        }
        Ok(Exit::Success)
    }
}

/// A file that only its owner reads. An old one is replaced, whatever its mode; a link is not followed.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    crate::files::replace(path, 0o600, bytes).map_err(|error| {
        Failure::local(format!("cannot write {}: {}", path.display(), error.kind()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_key_is_for_its_owner_alone_whatever_lay_in_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("open"), b"old").unwrap();
        std::fs::set_permissions(at("open"), PermissionsExt::from_mode(0o644)).unwrap();
        std::fs::write(at("other"), b"untouched").unwrap();
        symlink(at("other"), at("link")).unwrap();
        for name in ["open", "link", "new"] {
            write(&at(name), b"key").unwrap();
            let found = std::fs::symlink_metadata(at(name)).unwrap();
            assert!(found.is_file(), "{name}");
            assert_eq!(found.permissions().mode() & 0o777, 0o600, "{name}");
            assert_eq!(std::fs::read(at(name)).unwrap(), b"key");
        }
        assert_eq!(std::fs::read(at("other")).unwrap(), b"untouched");
    }
}
