//! Where a browser may be sent back to.

use http::Uri;

/// Names of the machine that the browser runs on.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Whether an address is one of those that are allowed: to the letter; and to the letter but for
/// the port where it leads to the browser's own machine, as programs there cannot choose their port
/// (RFC 8252, section 7.3).
pub(super) fn is_allowed(asked: &str, allowed: &[String]) -> bool {
    if allowed.iter().any(|allowed| allowed == asked) {
        return true;
    }
    let Some(asked) = local(asked) else {
        return false;
    };
    allowed
        .iter()
        .any(|allowed| local(allowed).as_ref() == Some(&asked))
}

/// An address on the browser's own machine, without its port; `None` for any other.
fn local(text: &str) -> Option<(String, String, String)> {
    let uri: Uri = text.parse().ok()?;
    let authority = uri.authority()?;
    let scheme = uri
        .scheme_str()
        .filter(|scheme| matches!(*scheme, "http" | "https"))?;
    let host = authority.host();
    // `user@localhost` is no host of ours to judge, and `http::Uri` leaves fragments out.
    let plain = !authority.as_str().contains('@') && !text.contains(['#', '\\']);
    (plain && LOOPBACK.contains(&host)).then(|| {
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        (scheme.to_owned(), host.to_owned(), target.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn an_address_is_allowed_to_the_letter() {
        let allowed = [
            "https://vault.example/ui/callback".to_owned(),
            "http://localhost:8250/oidc/callback".to_owned(),
            "http://[::1]/cb?x=1".to_owned(),
        ];
        for yes in [
            "https://vault.example/ui/callback",
            "http://localhost:8250/oidc/callback",
            "http://localhost:9999/oidc/callback",
            "http://localhost/oidc/callback",
            "http://[::1]:7/cb?x=1",
        ] {
            assert!(is_allowed(yes, &allowed), "{yes}");
        }
        for no in [
            "",
            "https://vault.example/ui/callback/",
            "https://vault.example/ui/callback?x=1",
            "https://vault.example:443/ui/callback",
            "https://VAULT.example/ui/callback",
            "https://vault.example.evil/ui/callback",
            "https://vault.example@evil/ui/callback",
            "https://localhost:8250/oidc/callback",
            "http://localhost:8250/oidc/callback/../x",
            "http://localhost:8250/oidc/callback?next=evil",
            "http://localhost:8250/oidc/callback#x",
            "http://localhost.evil:8250/oidc/callback",
            "http://localhost:8250@evil/oidc/callback",
            "http://evil@localhost:8250/oidc/callback",
            "http://localhost\\@evil/oidc/callback",
            "http://127.0.0.1:8250/oidc/callback",
            "javascript:alert(1)",
        ] {
            assert!(!is_allowed(no, &allowed), "{no}");
        }
    }
}
