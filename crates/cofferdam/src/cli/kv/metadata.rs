//! `kv metadata` and `kv enable-versioning`.

use super::super::context::go_duration;
use super::super::input::parse_pairs;
use super::super::output::envelope;
use super::super::{Context, Exit, Failure};
use super::{Place, show};
use clap::{Args, Subcommand};
use cofferdam_api::{Method, Request, Tree};
use cofferdam_secret::{Buffer, Secret};

/// What is known about a secret besides its data.
#[derive(Args)]
pub(super) struct Metadata {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// read settings and the list of versions
    Get(Get),
    /// write settings
    Put(Put),
    /// change some settings
    Patch(Patch),
    /// remove a secret with all its versions
    Delete(Delete),
}

impl Metadata {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::Get(verb) => verb.run(context).await,
            Action::Put(verb) => verb.run(context).await,
            Action::Patch(verb) => verb.run(context).await,
            Action::Delete(verb) => verb.run(context).await,
        }
    }
}

#[derive(Args)]
struct Get {
    #[command(flatten)]
    place: Place,
    /// Print this field only
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
}

impl Get {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let link = context.link()?;
        let at = self.place.locate(&link).await?;
        at.only_v2("metadata", Exit::Local)?;
        let path = at.api_path("metadata");
        let response = link.send(Request::get(path.clone())).await?;
        if self.field.is_some() || response.wrap_info.is_some() {
            return context.print_response(&response, self.field.as_deref());
        }
        context.warn(&response);
        let data = response.tree().unwrap_or(Tree::Null);
        context.print(&envelope(&response), || table(&path, data))
    }
}

fn table(path: &str, mut data: Tree) -> Secret<String> {
    let versions = data.take("versions").unwrap_or(Tree::Null);
    let mut out = Buffer::with_capacity(1024);
    show::path_heading("Metadata Path", path, &mut out);
    show::section("Metadata", &data, &mut out);
    let mut versions: Vec<_> = versions.entries().collect();
    versions.sort_by_key(|(number, _)| number.parse::<u64>().unwrap_or_default());
    for (number, version) in versions {
        out.push(b"\n");
        show::section(&format!("Version {number}"), version, &mut out);
    }
    show::finish(out)
}

/// Settings of one secret.
#[derive(Args)]
struct Settings {
    #[command(flatten)]
    place: Place,
    /// Versions to keep; 0: as the mount says
    #[arg(long, value_name = "NUMBER")]
    max_versions: Option<u64>,
    /// Whether each write must name the current version
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    cas_required: Option<bool>,
    /// Delete each version after this time: 30s, 3h25m
    #[arg(long, value_name = "DURATION")]
    delete_version_after: Option<String>,
    /// Note of the form KEY=VALUE; may be given more than once
    #[arg(long, value_name = "KEY=VALUE")]
    custom_metadata: Vec<String>,
}

impl Settings {
    fn body(&self) -> Result<Tree, Failure> {
        let mut body = Tree::map();
        if let Some(versions) = self.max_versions {
            body.insert("max_versions", versions);
        }
        if let Some(after) = &self.delete_version_after {
            body.insert("delete_version_after", go_duration(after));
        }
        if let Some(required) = self.cas_required {
            body.insert("cas_required", required);
        }
        if !self.custom_metadata.is_empty() {
            body.insert("custom_metadata", parse_pairs(&self.custom_metadata)?);
        }
        Ok(body)
    }

    async fn send(&self, context: &Context, method: Method, body: &Tree) -> Result<Exit, Failure> {
        let link = context.link()?;
        let at = self.place.locate(&link).await?;
        at.only_v2("metadata", Exit::Local)?;
        let path = at.api_path("metadata");
        let response = link
            .send(Request::new(method, path.clone()).tree(body))
            .await?;
        context.warn(&response);
        context.done(&format!("Data written to: {path}"))
    }
}

#[derive(Args)]
struct Put {
    #[command(flatten)]
    settings: Settings,
}

impl Put {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let body = self.settings.body()?;
        self.settings.send(context, Method::Put, &body).await
    }
}

#[derive(Args)]
struct Patch {
    #[command(flatten)]
    settings: Settings,
    /// Remove this note; may be given more than once
    #[arg(long, value_name = "KEY")]
    remove_custom_metadata: Vec<String>,
}

impl Patch {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut body = self.settings.body()?;
        if !self.remove_custom_metadata.is_empty() {
            let mut notes = body.take("custom_metadata").unwrap_or_else(Tree::map);
            for key in &self.remove_custom_metadata {
                notes.insert(key, Tree::Null);
            }
            body.insert("custom_metadata", notes);
        }
        self.settings.send(context, Method::Patch, &body).await
    }
}

#[derive(Args)]
struct Delete {
    #[command(flatten)]
    place: Place,
}

impl Delete {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let link = context.link()?;
        let at = self.place.locate(&link).await?;
        at.only_v2("metadata", Exit::Local)?;
        let path = at.api_path("metadata");
        link.send(Request::new(Method::Delete, path.clone()))
            .await?;
        context.done(&format!("Data deleted (if it existed) at: {path}"))
    }
}

/// Turns a version 1 mount into version 2.
#[derive(Args)]
pub(super) struct EnableVersioning {
    /// Mount
    #[arg(value_name = "MOUNT")]
    mount: String,
}

impl EnableVersioning {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mount = self.mount.trim_matches('/');
        let body = Tree::map().with("options", Tree::map().with("version", "2"));
        let link = context.link()?;
        link.send(Request::post(format!("sys/mounts/{mount}/tune"), &body))
            .await?;
        context.done(&format!("Tuned the secrets engine at: {mount}/"))
    }
}
