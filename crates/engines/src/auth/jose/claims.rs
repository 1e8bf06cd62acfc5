//! The registered claims of RFC 7519: from whom, about whom, for whom, and when.
//!
//! The rules about time are those of Vault's JWT method (its library is `hashicorp/cap`): at least one of
//! `exp`, `nbf` and `iat` is there, and what is missing is made of the others and a leeway. Ours are
//! stricter in one point: a time that is there counts, also when it is zero.

use super::{Claims, Refused};
use cofferdam_core::clock::Time;
use serde_json::Value;

/// What stands for a missing end or begin, and what a clock may be wrong by. Seconds; negative: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leeways {
    /// For `exp` made of the others; zero: 150 s.
    pub expiration: i64,
    /// For `nbf` made of the others; zero: 150 s.
    pub not_before: i64,
    /// For all of them; zero: 60 s.
    pub clock_skew: i64,
}

/// What a token must say. Empty: anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected<'a> {
    /// `iss`.
    pub issuer: &'a str,
    /// `sub`.
    pub subject: &'a str,
    /// One of them in `aud`.
    pub audiences: &'a [String],
    /// About time.
    pub leeways: Leeways,
}

const REGISTERED: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// Largest time in seconds: beyond it a double skips whole seconds.
const MOST_SECONDS: f64 = 9_007_199_254_740_992.0;

const NANOS: i128 = 1_000_000_000;

impl Expected<'_> {
    /// Holds the claims to what is expected, at a moment.
    ///
    /// # Errors
    /// [`Refused`] with the first claim that is not as it should be.
    pub fn check(&self, claims: &Claims, now: Time) -> Result<(), Refused> {
        unambiguous(claims)?;
        let text = |name: &str| match claims.get(name) {
            None | Some(Value::Null) => Ok(""),
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(_) => Err(Refused::Claim),
        };
        let (issuer, subject) = (text("iss")?, text("sub")?);
        text("jti")?;
        let audiences = audiences(claims)?;
        if !self.issuer.is_empty() && issuer != self.issuer {
            return Err(Refused::Issuer);
        }
        if !self.subject.is_empty() && subject != self.subject {
            return Err(Refused::Subject);
        }
        let meant = self
            .audiences
            .iter()
            .any(|ours| audiences.contains(&ours.as_str()));
        if !self.audiences.is_empty() && !meant {
            return Err(Refused::Audience);
        }
        self.leeways.check(claims, now)
    }
}

/// The audiences of a token: one text or a list of them (RFC 7519, section 4.1.3).
///
/// # Errors
/// [`Refused::Claim`] for anything else.
pub fn audiences(claims: &Claims) -> Result<Vec<&str>, Refused> {
    match claims.get("aud") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(list)) => {
            let texts = list.iter().map(|one| one.as_str().ok_or(Refused::Claim));
            texts.collect()
        }
        Some(_) => Err(Refused::Claim),
    }
}

/// Refuses names that some reader takes for a registered one: `SUB`, or one with a long s.
fn unambiguous(claims: &Claims) -> Result<(), Refused> {
    let folded = |name: &str| name.to_uppercase().to_lowercase();
    let confusing = claims.keys().any(|name| {
        !REGISTERED.contains(&name.as_str()) && REGISTERED.contains(&folded(name).as_str())
    });
    if confusing {
        return Err(Refused::Claim);
    }
    Ok(())
}

impl Leeways {
    fn check(self, claims: &Claims, now: Time) -> Result<(), Refused> {
        let [issued, begin, end] = ["iat", "nbf", "exp"].map(|name| seconds(claims.get(name)));
        let (issued, begin, end) = (issued?, begin?, end?);
        let usual = |leeway: i64, usual: i64| match leeway {
            0 => usual,
            set => set.max(0),
        };
        let latest = issued.max(begin);
        let end_at = match (end, latest) {
            (Some(end), _) => end,
            (None, Some(latest)) => latest.saturating_add(usual(self.expiration, 150)),
            (None, None) => return Err(Refused::Timeless),
        };
        let begin_at = begin
            .or(issued)
            .unwrap_or_else(|| end_at.saturating_sub(usual(self.not_before, 150)));
        let now = i128::from(now.nanos());
        let skew = i128::from(usual(self.clock_skew, 60)) * NANOS;
        let is_after = |moment: i64, now: i128| i128::from(moment) * NANOS > now;
        if is_after(begin_at, now + skew) {
            return Err(Refused::NotYet);
        }
        if !is_after(end_at, now - skew) && i128::from(end_at) * NANOS != now - skew {
            return Err(Refused::Expired);
        }
        if issued.is_some_and(|issued| is_after(issued, now + skew)) {
            return Err(Refused::Future);
        }
        Ok(())
    }
}

/// A time in whole seconds; a fraction is cut off.
fn seconds(value: Option<&Value>) -> Result<Option<i64>, Refused> {
    let Some(value) = value else { return Ok(None) };
    let number = value.as_f64().ok_or(Refused::Claim)?;
    if !(-MOST_SECONDS..=MOST_SECONDS).contains(&number) {
        return Err(Refused::Claim);
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "within 2^53, so the whole part fits"
    )]
    Ok(Some(number.trunc() as i64))
}
