//! `sys/health`: the status code tells the standing, and callers may choose the codes.
//!
//! Vault's parameters; `standbyok`, `perfstandbyok` and the codes of standbys and DR secondaries are
//! accepted and never used, because every replica here is active.

use super::query;
use super::refusal::Refusal;
use cofferdam_core::Standing;
use http::StatusCode;

const NOT_A_CODE: Refusal =
    Refusal::invalid("a status code to answer with is a number from 200 to 599");

/// The code for `standing` under the raw query string `query`.
///
/// # Errors
/// A malformed query string or a code that is none.
pub fn status(standing: Standing, query: Option<&str>) -> Result<StatusCode, Refusal> {
    let (parameter, default) = match standing {
        Standing::Active => ("activecode", StatusCode::OK),
        Standing::Sealed => ("sealedcode", StatusCode::SERVICE_UNAVAILABLE),
        Standing::Uninitialized => ("uninitcode", StatusCode::NOT_IMPLEMENTED),
    };
    let mut chosen = default;
    for (name, value) in query::decode(query)?.parameters {
        if !name.ends_with("code") {
            continue;
        }
        let code = value
            .parse::<u16>()
            .ok()
            .filter(|code| (200..600).contains(code))
            .ok_or(NOT_A_CODE)?;
        if name == parameter {
            chosen = StatusCode::from_u16(code).map_err(|_| NOT_A_CODE)?;
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standing_decides_and_the_caller_may_choose() {
        let code = |standing, query| status(standing, query).map(|code| code.as_u16());
        assert_eq!(code(Standing::Active, None), Ok(200));
        assert_eq!(code(Standing::Sealed, None), Ok(503));
        assert_eq!(code(Standing::Uninitialized, None), Ok(501));
        let all =
            Some("standbyok=true&sealedcode=204&uninitcode=299&activecode=218&standbycode=200");
        assert_eq!(code(Standing::Active, all), Ok(218));
        assert_eq!(code(Standing::Sealed, all), Ok(204));
        assert_eq!(code(Standing::Uninitialized, all), Ok(299));
        for broken in [
            "sealedcode=",
            "sealedcode=x",
            "sealedcode=100",
            "sealedcode=99999",
            "uninitcode=-1",
        ] {
            assert!(code(Standing::Active, Some(broken)).is_err(), "{broken}");
        }
    }
}
