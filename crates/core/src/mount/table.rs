//! The mount table: what is stored of it, and the rules that keep paths apart.

use super::{Class, Mount, MountConfig};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Paths nobody may mount or unmount.
const BUILTIN: &[(&str, Class, &str, &str)] = &[
    (
        "sys",
        Class::Secret,
        "system",
        "system endpoints used for control, policy and debugging",
    ),
    (
        "cubbyhole",
        Class::Secret,
        "cubbyhole",
        "per-token private secret storage",
    ),
    ("identity", Class::Secret, "identity", "identity store"),
    (
        "auth/token",
        Class::Auth,
        "token",
        "token based credentials",
    ),
];

/// First segments that mean something else.
const RESERVED: &[&str] = &["sys", "auth", "cubbyhole", "audit", "identity"];

/// Why a change of the table is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Another mount is at, above or below the path.
    #[error("path is already in use at or below an existing mount")]
    InUse,
    /// The path belongs to the vault itself.
    #[error("cannot mount to or unmount from a reserved path")]
    Reserved,
    /// There is no mount there.
    #[error("no matching mount")]
    Missing,
}

/// All mounts, as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// In path order.
    mounts: Vec<Mount>,
}

impl Table {
    /// The table of a new vault.
    #[must_use]
    pub fn builtin() -> Self {
        let row = |(path, class, kind, description): &(&str, Class, &str, &str)| {
            let config = MountConfig::default();
            let mount = describe(path, *class, kind, (*description).to_owned(), config);
            // As Vault shows it: a token's cubbyhole stays with the cluster that made the token.
            let local = *kind == "cubbyhole";
            Mount { local, ..mount }
        };
        let mut mounts: Vec<_> = BUILTIN.iter().map(row).collect();
        mounts.sort_by(|a, b| a.path.cmp(&b.path));
        Self { mounts }
    }

    /// Adds what a table of an older version lacks of the built-in mounts; whether there was any.
    pub(crate) fn complete(&mut self) -> bool {
        let known = |mount: &Mount| self.get(&mount.path).is_some();
        let missing: Vec<_> = Self::builtin()
            .mounts
            .into_iter()
            .filter(|mount| !known(mount))
            .collect();
        let lacking = !missing.is_empty();
        self.mounts.extend(missing);
        self.mounts.sort_by(|a, b| a.path.cmp(&b.path));
        lacking
    }

    /// All mounts in path order.
    pub fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.mounts.iter()
    }

    /// The mount at exactly this path.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Mount> {
        self.mounts.iter().find(|mount| mount.path == path)
    }

    /// The same, to change its settings.
    pub fn get_mut(&mut self, path: &str) -> Option<&mut Mount> {
        self.mounts.iter_mut().find(|mount| mount.path == path)
    }

    /// Adds a mount.
    ///
    /// # Errors
    /// When the path is reserved, or overlaps another mount.
    pub fn add(&mut self, mount: Mount) -> Result<(), TableError> {
        let (class, path) = (mount.class, mount.path.as_str());
        let name = if class == Class::Auth {
            path.strip_prefix("auth/").unwrap_or_default()
        } else {
            path
        };
        let first = name.split('/').next().unwrap_or_default();
        if first.is_empty() || (class == Class::Secret && RESERVED.contains(&first)) {
            return Err(TableError::Reserved);
        }
        if self.mounts.iter().any(|other| overlaps(&other.path, path)) {
            return Err(TableError::InUse);
        }
        self.mounts.push(mount);
        self.mounts.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(())
    }

    /// Removes a mount.
    ///
    /// # Errors
    /// When it is built in, or not there.
    pub fn remove(&mut self, path: &str) -> Result<Mount, TableError> {
        if BUILTIN.iter().any(|(builtin, ..)| *builtin == path) {
            return Err(TableError::Reserved);
        }
        let at = self
            .mounts
            .iter()
            .position(|mount| mount.path == path)
            .ok_or(TableError::Missing)?;
        Ok(self.mounts.remove(at))
    }
}

/// A new mount with fresh names.
#[must_use]
pub fn describe(
    path: &str,
    class: Class,
    kind: &str,
    description: String,
    config: MountConfig,
) -> Mount {
    let uuid = Uuid::new_v4();
    let short = uuid.as_fields().0;
    let prefix = if class == Class::Auth {
        format!("auth_{kind}")
    } else {
        kind.to_owned()
    };
    Mount {
        path: path.to_owned(),
        class,
        kind: kind.to_owned(),
        description,
        accessor: format!("{prefix}_{short:08x}"),
        uuid: uuid.to_string(),
        local: false,
        seal_wrap: false,
        config,
        upgrading: false,
    }
}

/// One of them is the other, or a directory above it.
fn overlaps(a: &str, b: &str) -> bool {
    let above = |upper: &str, lower: &str| {
        lower
            .strip_prefix(upper)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    above(a, b) || above(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(path: &str) -> Mount {
        describe(
            path,
            if path.starts_with("auth/") {
                Class::Auth
            } else {
                Class::Secret
            },
            "kv",
            String::new(),
            MountConfig::default(),
        )
    }

    #[test]
    fn mounts_never_overlap() {
        let mut table = Table::builtin();
        assert_eq!(table.add(mount("team/app")), Ok(()));
        for taken in [
            "team",
            "team/app",
            "team/app/deep",
            "sys",
            "sys/x",
            "auth/token",
            "cubbyhole",
        ] {
            assert!(table.add(mount(taken)).is_err(), "{taken}");
        }
        for free in ["team/apple", "teams", "auth/approle"] {
            assert_eq!(table.add(mount(free)), Ok(()), "{free}");
        }
    }

    #[test]
    fn a_table_of_before_gets_the_builtin_mounts_it_lacks_and_keeps_the_others() {
        let mut table = Table::builtin();
        table.add(mount("secret")).unwrap();
        let whole = table.clone();
        table.mounts.retain(|mount| mount.path != "identity");
        assert!(table.complete());
        let paths = |table: &Table| table.iter().map(|m| m.path.clone()).collect::<Vec<_>>();
        assert_eq!(paths(&table), paths(&whole));
        assert_eq!(table.get("sys"), whole.get("sys"));
        assert!(!table.complete());
    }

    #[test]
    fn builtin_mounts_stay() {
        let mut table = Table::builtin();
        for (path, ..) in BUILTIN {
            assert_eq!(table.remove(path), Err(TableError::Reserved));
        }
        assert_eq!(table.remove("nothing"), Err(TableError::Missing));
    }
}
