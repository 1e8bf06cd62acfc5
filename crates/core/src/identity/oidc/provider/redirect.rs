//! Where somebody may be sent back to.
//!
//! An address is compared byte by byte. Only a program on the same machine may choose its port (RFC
//! 8252, section 7.3): for a loopback host the port does not count.

/// Whether `uri` is one of `allowed`.
pub(super) fn allowed(uri: &str, allowed: &[String]) -> bool {
    match without_port(uri) {
        None => allowed.iter().any(|one| one == uri),
        Some(wanted) => allowed
            .iter()
            .any(|one| one == uri || without_port(one).is_some_and(|one| one == wanted)),
    }
}

/// Scheme, loopback host and the rest; `None` for any other address.
fn without_port(uri: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = uri.split_once("://")?;
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end)?;
    // Whatever stands before an `@` is no host.
    if authority.contains('@') {
        return None;
    }
    let (host, port) = match authority.strip_prefix("[::1]") {
        Some(after) => ("[::1]", after),
        None => authority.split_at_checked(authority.find(':').unwrap_or(authority.len()))?,
    };
    let digits = |port: &str| {
        let digits = port.strip_prefix(':');
        digits.is_some_and(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
    };
    let loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    (loopback && (port.is_empty() || digits(port))).then_some((scheme, host, rest))
}
