//! What was found goes into the store, before any file changes.

use crate::cli::link::Link;
use crate::cli::{Context, Failure};
use cofferdam_api::{Error, KvMount, KvVersion, Method, Reference, Request, Tree};
use cofferdam_platform::fix::Found;
use cofferdam_secret::constant_time_eq;

/// Longest note in a secret's metadata.
const LONGEST_NOTE: usize = 500;

/// Stores all of them, or none where one of them would cover another value.
pub(super) async fn import(
    context: &Context,
    place: &str,
    secrets: &[Found],
    overwrite: bool,
) -> Result<usize, Failure> {
    let link = context.link()?;
    let mount = mount(&link, place).await?;
    let mut new = Vec::new();
    for secret in secrets {
        let path = format!("{place}/{}", secret.name);
        match stored(&link, &mount, &path, secret).await? {
            Some(true) => {}
            Some(false) if !overwrite => {
                return Err(Failure::local(format!("another value is stored already: {path}"))
                    .detail("nothing was written")
                    .hint("choose other names with -app=NAME, or store a new version with -overwrite"));
            }
            _ => new.push(secret),
        }
    }
    for secret in &new {
        let path = format!("{place}/{}", secret.name);
        let body = Tree::map().with("data", Tree::map().with("value", secret.value.duplicate()));
        link.send(Request::put(mount.api_path(&path, "data"), &body))
            .await?;
    }
    for secret in secrets {
        note(
            context,
            &link,
            &mount,
            &format!("{place}/{}", secret.name),
            secret,
        )
        .await;
    }
    Ok(new.len())
}

/// Takes away what was stored for a trial.
pub(super) async fn forget(
    context: &Context,
    place: &str,
    secrets: &[Found],
) -> Result<(), Failure> {
    let link = context.link()?;
    let mount = mount(&link, place).await?;
    for secret in secrets {
        let path = mount.api_path(&format!("{place}/{}", secret.name), "metadata");
        link.send(Request::new(Method::Delete, path)).await?;
    }
    Ok(())
}

async fn mount(link: &Link, place: &str) -> Result<KvMount, Failure> {
    let mount = link.kv_mount(place).await?;
    if mount.version != KvVersion::V2 {
        return Err(
            Failure::server(format!("no KV version 2 mount at: {place}"))
                .hint("name one with -mount"),
        );
    }
    Ok(mount)
}

/// Whether the newest version is this value; nothing where there is none.
async fn stored(
    link: &Link,
    mount: &KvMount,
    path: &str,
    secret: &Found,
) -> Result<Option<bool>, Failure> {
    let reference = Reference::new(path)
        .map_err(Error::from)?
        .with_field("value");
    match link.client().fetch_from(mount, &reference).await {
        Ok(found) => Ok(Some(constant_time_eq(
            found.value.expose(),
            secret.value.expose().as_bytes(),
        ))),
        Err(Error::NotFound(_) | Error::Reference(_)) => Ok(None),
        Err(error) => Err(link.failure(error)),
    }
}

/// Says in the secret's own metadata where its value was in the open.
async fn note(context: &Context, link: &Link, mount: &KvMount, path: &str, secret: &Found) {
    let mut seen = secret.seen.join(", ");
    while seen.len() > LONGEST_NOTE {
        seen.pop();
    }
    let body = Tree::map().with("custom_metadata", Tree::map().with("exposed", seen));
    let request = Request::new(Method::Patch, mount.api_path(path, "metadata")).tree(&body);
    if link.send(request).await.is_err() {
        context.say(&format!(
            "note: not marked as exposed, for want of a right to patch its metadata: {path}"
        ));
    }
}
