//! Users and groups as an image knows them: `/etc/passwd`, `/etc/group` and the rules by which
//! Docker reads a `USER`.
//!
//! The rules are those of `opencontainers/runc` `libcontainer/user` (`GetExecUser`): a part is
//! looked up as a name first and as a number second; a number that is not listed is good as a
//! number, a name that is not listed is an error; without a group it is the user's own, and 0 for
//! a user who is not listed.

use super::options::Ids;

/// Lines beyond this many are not looked at: no real image comes near.
const MAX_LINES: usize = 65_536;
/// Largest user or group that Docker takes.
const MAX_ID: u32 = i32::MAX as u32;

/// A `USER` that names nobody the image knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Not in `/etc/passwd`.
    User,
    /// Not in `/etc/group`.
    Group,
}

/// Whether a `USER` needs no list.
pub(super) fn numbers(user: &str) -> Option<Ids> {
    let (uid, gid) = user.split_once(':')?;
    Some(Ids {
        uid: id(uid)?,
        gid: id(gid)?,
    })
}

/// Reads a `USER` with the two lists of its image; an image without them has empty ones.
pub(super) fn find(user: &str, passwd: &str, group: &str) -> Result<Ids, Unknown> {
    let (name, wanted) = match user.split_once(':') {
        Some((name, wanted)) => (name, Some(wanted).filter(|wanted| !wanted.is_empty())),
        None => (user, None),
    };
    let name = if name.is_empty() { "0" } else { name };
    // name:password:uid:gid:…
    let listed = entries(passwd).find_map(|fields| {
        let uid = id(fields.get(2)?)?;
        let gid = id(fields.get(3)?)?;
        let it = fields.first() == Some(&name) || id(name) == Some(uid);
        it.then_some(Ids { uid, gid })
    });
    let ids = match (listed, id(name)) {
        (Some(ids), _) => ids,
        (None, Some(uid)) => Ids { uid, gid: 0 },
        (None, None) => return Err(Unknown::User),
    };
    let Some(wanted) = wanted else {
        return Ok(ids);
    };
    // name:password:gid:…
    let listed = entries(group).find_map(|fields| {
        let gid = id(fields.get(2)?)?;
        (fields.first() == Some(&wanted) || id(wanted) == Some(gid)).then_some(gid)
    });
    let gid = listed.or_else(|| id(wanted)).ok_or(Unknown::Group)?;
    Ok(Ids { gid, ..ids })
}

fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = text.lines().take(MAX_LINES).map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split(':').collect())
}

fn id(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| *number <= MAX_ID);
    number.filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PASSWD: &str = "# users\nroot:x:0:0:root:/root:/bin/sh\n\n \
                          app:x:1000:1001::/:\n1002:x:7:8::/:\nbroken:x:a:b\nshort:x\n";
    const GROUP: &str = "root:x:0:\nstaff:x:50:app\napp:x:1001:\n";

    #[test]
    fn users_are_read_as_docker_reads_them() {
        for (user, uid, gid) in [
            ("", 0, 0),
            ("root", 0, 0),
            ("0", 0, 0),
            ("app", 1000, 1001),
            ("1000", 1000, 1001),
            ("app:staff", 1000, 50),
            ("app:50", 1000, 50),
            ("app:9999", 1000, 9999),
            ("app:", 1000, 1001),
            ("4242", 4242, 0),
            ("4242:staff", 4242, 50),
            // A name of digits is a name.
            ("1002", 7, 8),
        ] {
            assert_eq!(find(user, PASSWD, GROUP), Ok(Ids { uid, gid }), "{user}");
        }
        assert_eq!(find("1000:7", "", ""), Ok(Ids { uid: 1000, gid: 7 }));
        assert_eq!(numbers("1000:7"), Some(Ids { uid: 1000, gid: 7 }));
        assert_eq!(numbers("1000"), None);
        assert_eq!(numbers("app:7"), None);
    }

    #[test]
    fn a_name_that_is_not_listed_is_an_error_and_never_root() {
        for (user, unknown) in [
            ("nobody", Unknown::User),
            ("broken", Unknown::User),
            ("short", Unknown::User),
            ("-1", Unknown::User),
            ("4294967296", Unknown::User),
            ("2147483648", Unknown::User),
            ("app:wheel", Unknown::Group),
            ("app:-1", Unknown::Group),
        ] {
            assert_eq!(find(user, PASSWD, GROUP), Err(unknown), "{user}");
        }
    }

    proptest! {
        #[test]
        fn foreign_lists_never_panic(
            user in "[a-z0-9:#]{0,12}",
            passwd in "[a-z0-9:#\n]{0,80}",
            group in "[a-z0-9:#\n]{0,80}",
        ) {
            let _ = find(&user, &passwd, &group);
        }
    }
}
