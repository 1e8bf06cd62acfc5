//! Which container a process belongs to, by its control groups.
//!
//! `/proc/PID/cgroup` (cgroups(7)) has one line for each hierarchy: `NUMBER:CONTROLLERS:PATH`. Docker
//! names the group of a container by its identifier (`/docker/ID`, or below another parent), or
//! `docker-ID.scope` where systemd makes the groups. On version 1 some hierarchies may be unknown to
//! the engine and stay at the parent's group, so lines without an identifier say nothing; what other
//! lines say must be the same.
//!
//! The text is a name in a tree that a privileged container can write to. So it is only the first
//! evidence: see [`super::attest`].

use super::refused::Refused;

/// The identifier of a container: 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContainerId(String);

impl ContainerId {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What one part of a path is.
enum Part<'a> {
    /// A group of Docker's.
    Docker(&'a str),
    /// A group that another runtime names by an identifier.
    Foreign,
    Other,
}

fn part(text: &str) -> Part<'_> {
    let scope = text
        .strip_prefix("docker-")
        .and_then(|rest| rest.strip_suffix(".scope"));
    if let Some(id) = [Some(text), scope]
        .into_iter()
        .flatten()
        .find(|id| is_id(id))
    {
        return Part::Docker(id);
    }
    // `libpod-ID`, `cri-containerd-ID.scope`, `crio-ID`: any run of that many digits.
    let mut runs = text.split(|c: char| !is_digit(c));
    match runs.any(|run| run.len() >= 64) {
        true => Part::Foreign,
        false => Part::Other,
    }
}

const fn is_digit(c: char) -> bool {
    matches!(c, '0'..='9' | 'a'..='f')
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.chars().all(is_digit)
}

/// The container of a process with this `/proc/PID/cgroup`.
pub(super) fn container(text: &str) -> Result<ContainerId, Refused> {
    let mut found: Option<&str> = None;
    for line in text.lines() {
        let Some(path) = line.splitn(3, ':').nth(2) else {
            continue;
        };
        if let Some(id) = of_path(path)? {
            if found.is_some_and(|known| known != id) {
                return Err(Refused::Several);
            }
            found = Some(id);
        }
    }
    found
        .map(|id| ContainerId(id.to_owned()))
        .ok_or(Refused::Host)
}

/// The container of one path. It must be the innermost group: what is below it was made by somebody
/// in it, and may be a container of its own.
fn of_path(path: &str) -> Result<Option<&str>, Refused> {
    let mut found = None;
    for text in path.split('/').filter(|part| !part.is_empty()) {
        match (part(text), found) {
            // Outside of what this daemon sees as the root: nothing can be said.
            _ if text == ".." => return Err(Refused::Elsewhere),
            (_, Some(_)) => return Err(Refused::Nested),
            (Part::Docker(id), None) => found = Some(id),
            (Part::Foreign, None) => return Err(Refused::Foreign),
            (Part::Other, None) => {}
        }
    }
    Ok(found)
}

/// The same without the reason.
#[must_use]
pub fn container_of(text: &str) -> Option<ContainerId> {
    container(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "a3f1c5d7e9b1a3f1c5d7e9b1a3f1c5d7e9b1a3f1c5d7e9b1a3f1c5d7e9b1a3f1";
    const B: &str = "b3f1c5d7e9b1a3f1c5d7e9b1a3f1c5d7e9b1a3f1c5d7e9b1a3f1c5d7e9b1a3f1";

    fn of(template: &str) -> Result<ContainerId, Refused> {
        container(&template.replace("AAA", A).replace("BBB", B))
    }

    #[test]
    fn docker_names_its_groups_in_these_ways() {
        for text in [
            // Version 2, both drivers, with and without a parent of one's own.
            "0::/docker/AAA\n",
            "0::/system.slice/docker-AAA.scope\n",
            "0::/teams/shop/AAA\n",
            "0::/shop.slice/shop-web.slice/docker-AAA.scope",
            // Version 1 and hybrid, as Docker 20.10 leaves it: what it does not know stays at the root.
            "12:pids:/docker/AAA\n5:cpuset:/docker/AAA\n1:name=systemd:/docker/AAA\n0::/\n",
            "13:misc:/\n12:pids:/docker/AAA\n0::/system.slice/containerd.service\n",
            "4:memory:/system.slice/docker-AAA.scope\n1:name=systemd:/system.slice/docker-AAA.scope\n",
        ] {
            assert_eq!(of(text), Ok(ContainerId(A.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_no_container_of_docker_is_refused_by_its_own_name() {
        for (text, why) in [
            ("", Refused::Host),
            ("0::/\n", Refused::Host),
            (
                "0::/user.slice/user-1000.slice/session-2.scope\n",
                Refused::Host,
            ),
            ("0::/docker\n1:pids:/docker/\n", Refused::Host),
            ("garbage", Refused::Host),
            // Podman, Kubernetes.
            ("0::/machine.slice/libpod-AAA.scope\n", Refused::Foreign),
            (
                "0::/kubepods/besteffort/pod1/cri-containerd-AAA.scope\n",
                Refused::Foreign,
            ),
            ("0::/docker/libpod_parent/libpod-AAA\n", Refused::Foreign),
            ("0::/docker/AAAa\n", Refused::Foreign),
            // Docker in Docker, podman in Docker, systemd in Docker.
            ("0::/docker/AAA/docker/BBB\n", Refused::Nested),
            ("0::/docker/AAA/docker/AAA\n", Refused::Nested),
            ("0::/docker/AAA/libpod-BBB.scope\n", Refused::Nested),
            ("0::/docker/AAA/init.scope\n", Refused::Nested),
            (
                "4:memory:/docker/AAA\n1:name=systemd:/docker/AAA/x\n",
                Refused::Nested,
            ),
            // Moved in one hierarchy and not in the others.
            (
                "4:memory:/docker/AAA\n1:pids:/docker/BBB\n",
                Refused::Several,
            ),
            // Seen from inside of a cgroup namespace that is not the process's.
            ("0::/../../docker/AAA\n", Refused::Elsewhere),
        ] {
            assert_eq!(of(text), Err(why), "{text}");
        }
    }

    #[test]
    fn what_merely_looks_like_an_identifier_is_none() {
        for text in [
            A.to_uppercase(),
            A[1..].to_owned(),
            format!("{}g", &A[1..]),
            format!("docker-{A}"),
            format!("{A}.scope"),
            format!("docker-{A}.scope.scope"),
            format!("docker-docker-{A}.scope"),
            format!(" {A}"),
        ] {
            let found = container(&format!("0::/docker/{text}\n"));
            assert!(found.is_err(), "{text}");
        }
    }
}
