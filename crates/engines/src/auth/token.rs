//! The `token_…` settings that roles of any method share: what the issued tokens are like.

use super::cidr;
use cofferdam_core::json::Body;
use cofferdam_core::json::field::{Count, Flag, Ttl, Words, duration_text};
use cofferdam_core::mount::Mount;
use cofferdam_core::path::Name;
use cofferdam_core::token::Kind;
use cofferdam_core::{Fault, Login};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Settings of tokens, as they are stored. Spans are seconds; 0: not set.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    pub(super) bound_cidrs: Vec<IpNet>,
    pub(super) explicit_max_ttl: u64,
    pub(super) max_ttl: u64,
    pub(super) no_default_policy: bool,
    pub(super) num_uses: u32,
    pub(super) period: u64,
    pub(super) policies: Vec<String>,
    pub(super) strictly_bind_ip: bool,
    pub(super) ttl: u64,
    /// `service` was asked for by name; else Vault shows `default`, and the mount decides.
    pub(super) service: bool,
    /// `batch` was.
    pub(super) batch: bool,
    /// Policies were last set by their old name, which is shown then, too.
    pub(super) old_policies: bool,
    /// The period was last set by its old name.
    pub(super) old_period: bool,
}

/// The settings as a role is read back, beside what is the method's own.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    token_bound_cidrs: Vec<String>,
    token_explicit_max_ttl: u64,
    token_max_ttl: u64,
    token_no_default_policy: bool,
    token_num_uses: u32,
    token_period: u64,
    token_policies: &'a [String],
    token_strictly_bind_ip: bool,
    token_ttl: u64,
    token_type: &'static str,
}

impl<'a> From<&'a Settings> for Shown<'a> {
    fn from(token: &'a Settings) -> Self {
        Self {
            token_bound_cidrs: cidr::shown(&token.bound_cidrs),
            token_explicit_max_ttl: token.explicit_max_ttl,
            token_max_ttl: token.max_ttl,
            token_no_default_policy: token.no_default_policy,
            token_num_uses: token.num_uses,
            token_period: token.period,
            token_policies: &token.policies,
            token_strictly_bind_ip: token.strictly_bind_ip,
            token_ttl: token.ttl,
            token_type: match token {
                token if token.batch => "batch",
                token if token.service => "service",
                _ => "default",
            },
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Change {
    token_bound_cidrs: Option<Words>,
    token_explicit_max_ttl: Option<Ttl>,
    token_max_ttl: Option<Ttl>,
    token_no_default_policy: Option<Flag>,
    token_num_uses: Option<Count>,
    token_period: Option<Ttl>,
    token_policies: Option<Words>,
    token_strictly_bind_ip: Option<Flag>,
    token_ttl: Option<Ttl>,
    token_type: Option<String>,
    policies: Option<Words>,
    period: Option<Ttl>,
}

impl Settings {
    /// Applies what a body names; returns what to warn of.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub(super) fn apply(&mut self, body: &Body, mount: &Mount) -> Result<Vec<String>, Fault> {
        let change: Change = body.parse()?;
        let mut warnings = Vec::new();
        change.spans(self);
        change.lists(self)?;
        if let Some(Flag(no_default)) = change.token_no_default_policy {
            self.no_default_policy = no_default;
        }
        if let Some(count) = change.token_num_uses {
            self.num_uses = uses(count, "token_num_uses")?;
        }
        if let Some(Flag(strictly)) = change.token_strictly_bind_ip {
            self.strictly_bind_ip = strictly;
        }
        if let Some(kind) = &change.token_type {
            warnings.extend(self.set_type(kind)?);
        }
        self.check(mount)?;
        if self.max_ttl > mount.max_ttl().as_secs() {
            warnings.push(
                "token_max_ttl is greater than the backend mount's maximum TTL value; issued tokens' max TTL value \
                 will be truncated"
                    .to_owned(),
            );
        }
        Ok(warnings)
    }

    fn set_type(&mut self, kind: &str) -> Result<Option<String>, Fault> {
        let (service, batch) = match kind {
            "" | "default" => (false, false),
            "service" | "default-service" => (true, false),
            "batch" | "default-batch" => (false, true),
            _ => return Err(Fault::invalid("invalid 'token_type' value")),
        };
        (self.service, self.batch) = (service, batch);
        let meant = kind.strip_prefix("default-");
        Ok(meant.map(|meant| format!("{kind} has no useful meaning; adjusting to {meant}")))
    }

    fn check(&self, mount: &Mount) -> Result<(), Fault> {
        if self.ttl > 0 && self.max_ttl > 0 && self.ttl > self.max_ttl {
            return Err(Fault::invalid(
                "'token_ttl' cannot be greater than 'token_max_ttl'",
            ));
        }
        let unbatched = [
            (self.period > 0, "periodic tokens"),
            (self.num_uses > 0, "tokens with limited use count"),
        ];
        if let Some((_, what)) = unbatched.iter().find(|(set, _)| self.batch && *set) {
            return Err(Fault::invalid(format!(
                "'token_type' cannot be 'batch' or 'default_batch' when set to generate {what}"
            )));
        }
        if self.strictly_bind_ip && !self.bound_cidrs.is_empty() {
            return Err(Fault::invalid(
                "'token_strictly_bind_ip' conflicts with 'token_bound_cidrs'; set only one",
            ));
        }
        check_period(self.period, mount)
    }

    /// What a login vouches for with these settings.
    pub(super) fn login(&self, address: IpAddr) -> Login {
        let span = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
        Login {
            policies: self.policies.clone(),
            no_default_policy: self.no_default_policy,
            ttl: span(self.ttl),
            max_ttl: span(self.max_ttl),
            explicit_max_ttl: span(self.explicit_max_ttl),
            period: span(self.period),
            num_uses: self.num_uses,
            kind: match self {
                token if token.batch => Kind::Batch,
                token if token.service => Kind::Service,
                _ => Kind::Default,
            },
            bound_cidrs: match self.strictly_bind_ip {
                true => vec![IpNet::from(address)],
                false => self.bound_cidrs.clone(),
            },
            ..Login::default()
        }
    }

    /// What a renewal may give: these settings as they are now. Its limits alone count; who somebody is
    /// and where a token may be used from was settled at login.
    pub(super) fn renewal(&self) -> Login {
        Login {
            bound_cidrs: Vec::new(),
            ..self.login(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
        }
    }
}

impl Change {
    fn spans(&self, to: &mut Settings) {
        let spans = [
            (self.token_explicit_max_ttl, &mut to.explicit_max_ttl),
            (self.token_max_ttl, &mut to.max_ttl),
            (self.token_ttl, &mut to.ttl),
        ];
        for (from, to) in spans {
            if let Some(span) = from {
                *to = span.seconds();
            }
        }
        if let Some(period) = self.token_period.or(self.period) {
            to.period = period.seconds();
            to.old_period = self.period.is_some();
        }
    }

    fn lists(&self, to: &mut Settings) -> Result<(), Fault> {
        if let Some(Words(ranges)) = &self.token_bound_cidrs {
            to.bound_cidrs = cidr::ranges_or_addresses(
                ranges,
                "token_bound_cidrs: expected addresses or CIDR blocks",
            )?;
        }
        if let Some(Words(names)) = self.token_policies.as_ref().or(self.policies.as_ref()) {
            to.policies = policies(names)?;
            to.old_policies = self.policies.is_some();
        }
        Ok(())
    }
}

/// Refuses a period that the mount would not allow.
pub(super) fn check_period(seconds: u64, mount: &Mount) -> Result<(), Fault> {
    let max = mount.max_ttl();
    if seconds <= max.as_secs() {
        return Ok(());
    }
    let period = duration_text(Duration::from_secs(seconds));
    Err(Fault::invalid(format!(
        "period of {period:?} is greater than the backend's maximum lease TTL of {:?}",
        duration_text(max)
    )))
}

/// A use count as it is stored.
pub(super) fn uses(count: Count, field: &'static str) -> Result<u32, Fault> {
    u32::try_from(count.0).map_err(|_| Fault::invalid(format!("{field}: too large")))
}

/// Policy names, lower-cased, sorted, each once. The root policy is not among them.
pub(super) fn policies(names: &[String]) -> Result<Vec<String>, Fault> {
    let parse = |name: &String| {
        let name = Name::policy(name)
            .map_err(|error| Fault::invalid(format!("token_policies: {error}")))?;
        Ok(name.as_str().to_owned())
    };
    let mut names = names.iter().map(parse).collect::<Result<Vec<_>, Fault>>()?;
    names.sort_unstable();
    names.dedup();
    Ok(names)
}
