//! Entities with their aliases, then groups. Ids are new here, so whatever names one is translated.

use super::Job;
use super::peer::Trouble;
use super::same::same_setting;
use super::versions::copied;
use crate::cli::Failure;
use cofferdam_api::Tree;
use std::cell::RefCell;
use std::collections::BTreeMap;

const ENTITY: &str = "entity";
const ALIAS: &str = "alias";
const GROUP: &str = "group";

/// What has another name here.
pub(super) struct Known<'a> {
    pub(super) accessors: &'a BTreeMap<String, String>,
    pub(super) entities: RefCell<BTreeMap<String, String>>,
    pub(super) groups: RefCell<BTreeMap<String, String>>,
}

fn text<'a>(data: &'a Tree, name: &str) -> &'a str {
    data.get(name).and_then(Tree::as_text).unwrap_or_default()
}

/// Copies entities, aliases and groups; what their ids are here.
pub(super) async fn bring<'a>(
    job: &Job,
    accessors: &'a BTreeMap<String, String>,
) -> Result<Known<'a>, Failure> {
    let known = Known {
        accessors,
        entities: RefCell::default(),
        groups: RefCell::default(),
    };
    let ids = job.list(ENTITY, "identity/entity/id").await?;
    if !ids.is_empty() {
        job.report().note(
            "entities have new ids here: where a policy makes paths from identity.entity.id, what lies there does not follow",
        );
    }
    for id in ids {
        let done = entity(job, &id, &known).await;
        job.settle(ENTITY, &id, done)?;
    }
    let ids = job.list(GROUP, "identity/group/id").await?;
    for id in &ids {
        let done = group(job, id, &known).await;
        job.settle(GROUP, id, done)?;
    }
    // Groups in groups: all of them are there now.
    for id in &ids {
        let done = members(job, id, &known).await;
        job.settle(GROUP, id, done)?;
    }
    Ok(known)
}

/// The fields with these names.
fn only(data: &Tree, fields: &[&str]) -> Tree {
    fields
        .iter()
        .fold(Tree::map(), |tree, name| match data.get(name) {
            Some(value) if !matches!(value, Tree::Null) => tree.with(*name, copied(value)),
            _ => tree,
        })
}

fn other(wanted: &Tree, here: &Tree, fields: &[&'static str]) -> Vec<&'static str> {
    let differs = |name: &&str| !same_setting(wanted.get(name), here.get(name));
    fields.iter().copied().filter(differs).collect()
}

async fn entity(job: &Job, id: &str, known: &Known<'_>) -> Result<(), Trouble> {
    const FIELDS: &[&str] = &["metadata", "policies", "disabled"];
    let Some(there) = job.source.data(&format!("identity/entity/id/{id}")).await? else {
        return Ok(());
    };
    let name = super::names::checked(text(&there, "name")).map_err(Trouble::item)?;
    let path = format!("identity/entity/name/{name}");
    let here = job.target.data(&path).await?;
    let body = only(&there, FIELDS);
    let other = here.as_ref().map(|here| other(&there, here, FIELDS));
    let here = settled(job, (ENTITY, name, &path), &body, here, other).await?;
    let here_id = here
        .as_ref()
        .map(|here| text(here, "id").to_owned())
        .unwrap_or_default();
    known
        .entities
        .borrow_mut()
        .insert(id.to_owned(), here_id.clone());
    let aliases = there.get("aliases").map(Tree::items).unwrap_or_default();
    for one in aliases {
        let shown = format!("{name}/{}", text(one, "name"));
        let done = alias(job, one, &shown, &here_id, known).await;
        match done {
            Err(Trouble::Item(reason)) => job.report().left(ALIAS, &shown, reason),
            other => other?,
        }
    }
    Ok(())
}

/// Makes one of them, or leaves or overwrites the one that is here, which differs in `other`. What is
/// here afterwards; nothing, where this is only a look.
async fn settled(
    job: &Job,
    (kind, name, path): (&'static str, &str, &str),
    body: &Tree,
    here: Option<Tree>,
    other: Option<Vec<&'static str>>,
) -> Result<Option<Tree>, Trouble> {
    match other {
        None => {
            job.write(path, body).await?;
            job.report().created(kind, name);
            if !job.dry_run {
                return job.target.data(path).await;
            }
        }
        Some(other) if other.is_empty() => job.report().unchanged(kind),
        Some(_) if job.overwrite => {
            job.write(path, body).await?;
            job.report().changed(kind, name, "overwritten");
        }
        Some(other) => {
            let why = format!("other {}", other.join(", "));
            job.report().different(kind, name, why);
        }
    }
    Ok(here)
}

/// The accessor here of the method that an alias is for.
fn accessor<'a>(alias: &Tree, known: &'a Known<'_>) -> Result<&'a str, Trouble> {
    let there = text(alias, "mount_accessor");
    known
        .accessors
        .get(there)
        .map(String::as_str)
        .ok_or_else(|| {
            let path = super::names::shown(text(alias, "mount_path"));
            Trouble::item(format!("its auth method is not here: {path}"))
        })
}

async fn alias(
    job: &Job,
    alias: &Tree,
    shown: &str,
    entity: &str,
    known: &Known<'_>,
) -> Result<(), Trouble> {
    // A look at what would be: the method may be one that would be mounted.
    if job.dry_run && entity.is_empty() {
        job.report().created(ALIAS, shown);
        return Ok(());
    }
    let accessor = accessor(alias, known)?;
    let there = (
        text(alias, "mount_accessor").to_owned(),
        text(alias, "name").to_owned(),
    );
    let renamed = job.renamed.borrow().get(&there).cloned();
    let name = match renamed {
        Some(Some(name)) => name,
        // A look at what would be: the role would be made.
        Some(None) if job.dry_run => {
            job.report().created(ALIAS, shown);
            return Ok(());
        }
        Some(None) => return Err(Trouble::item("the role that it is named after is not here")),
        None => there.1,
    };
    let sought = Tree::map()
        .with("alias_name", name.as_str())
        .with("alias_mount_accessor", accessor);
    // A question, though it is asked with a body.
    let owner = job.target.write("identity/lookup/entity", &sought).await?;
    let owner = owner.and_then(|answer| answer.tree());
    if let Some(owner) = owner.filter(|owner| !text(owner, "id").is_empty()) {
        if text(&owner, "id") != entity {
            job.report()
                .different(ALIAS, shown, "it belongs to another entity");
            return Ok(());
        }
        let same = owner
            .get("aliases")
            .map(Tree::items)
            .unwrap_or_default()
            .iter()
            .any(|one| {
                text(one, "name") == name
                    && text(one, "mount_accessor") == accessor
                    && same_setting(alias.get("custom_metadata"), one.get("custom_metadata"))
            });
        if same {
            job.report().unchanged(ALIAS);
            return Ok(());
        }
        if !job.overwrite {
            job.report()
                .different(ALIAS, shown, "other custom_metadata");
            return Ok(());
        }
    }
    let body = only(alias, &["custom_metadata"])
        .with("name", name)
        .with("canonical_id", entity)
        .with("mount_accessor", accessor);
    job.write("identity/entity-alias", &body).await?;
    job.report().created(ALIAS, shown);
    Ok(())
}

async fn group(job: &Job, id: &str, known: &Known<'_>) -> Result<(), Trouble> {
    const FIELDS: &[&str] = &["type", "metadata", "policies"];
    let Some(there) = job.source.data(&format!("identity/group/id/{id}")).await? else {
        return Ok(());
    };
    let name = super::names::checked(text(&there, "name")).map_err(Trouble::item)?;
    let path = format!("identity/group/name/{name}");
    let here = job.target.data(&path).await?;
    let mut wanted = only(&there, FIELDS);
    let internal = text(&there, "type") != "external";
    let members = translated(there.get("member_entity_ids"), &known.entities.borrow());
    if internal {
        wanted.insert("member_entity_ids", members);
    }
    let other = here.as_ref().map(|here| {
        let mut other = other(&wanted, here, FIELDS);
        let field = "member_entity_ids";
        if internal && !same_setting(wanted.get(field), here.get(field)) {
            other.push(field);
        }
        other
    });
    let here = settled(job, (GROUP, name, &path), &wanted, here, other).await?;
    let here_id = here
        .as_ref()
        .map(|here| text(here, "id").to_owned())
        .unwrap_or_default();
    known
        .groups
        .borrow_mut()
        .insert(id.to_owned(), here_id.clone());
    match there
        .get("alias")
        .filter(|alias| !internal && !alias.is_empty())
    {
        Some(one) => group_alias(job, one, name, &here_id, here.as_ref(), known).await,
        None => Ok(()),
    }
}

async fn group_alias(
    job: &Job,
    alias: &Tree,
    name: &str,
    group: &str,
    here: Option<&Tree>,
    known: &Known<'_>,
) -> Result<(), Trouble> {
    if job.dry_run && group.is_empty() {
        job.report().created("group alias", name);
        return Ok(());
    }
    let accessor = accessor(alias, known)?;
    let old = here
        .and_then(|here| here.get("alias"))
        .filter(|old| !old.is_empty());
    if let Some(old) = old {
        if text(old, "name") == text(alias, "name") && text(old, "mount_accessor") == accessor {
            job.report().unchanged("group alias");
        } else {
            job.report().different("group alias", name, "another alias");
        }
        return Ok(());
    }
    let body = only(alias, &["name"])
        .with("canonical_id", group)
        .with("mount_accessor", accessor);
    job.write("identity/group-alias", &body).await?;
    job.report().created("group alias", name);
    Ok(())
}

/// The groups in a group.
async fn members(job: &Job, id: &str, known: &Known<'_>) -> Result<(), Trouble> {
    let here_id = known.groups.borrow().get(id).cloned().unwrap_or_default();
    if here_id.is_empty() {
        return Ok(());
    }
    let Some(there) = job.source.data(&format!("identity/group/id/{id}")).await? else {
        return Ok(());
    };
    let wanted = translated(there.get("member_group_ids"), &known.groups.borrow());
    let path = format!("identity/group/id/{here_id}");
    let here = job.target.data(&path).await?.unwrap_or(Tree::map());
    let field = "member_group_ids";
    let nobody_yet = super::same::is_nothing(here.get(field));
    if same_setting(Some(&wanted), here.get(field)) {
        return Ok(());
    }
    if !nobody_yet && !job.overwrite {
        job.report()
            .different(GROUP, text(&there, "name"), "other member_group_ids");
        return Ok(());
    }
    job.write(&path, &Tree::map().with(field, wanted)).await
}

/// Ids of there as those of here; whoever is not here is in no list here.
pub(super) fn translated(ids: Option<&Tree>, known: &BTreeMap<String, String>) -> Tree {
    let ids = ids.map(Tree::items).unwrap_or_default().iter();
    let ids = ids.filter_map(|id| known.get(id.as_text()?));
    Tree::List(
        ids.filter(|id| !id.is_empty())
            .map(|id| Tree::from(id.as_str()))
            .collect(),
    )
}
