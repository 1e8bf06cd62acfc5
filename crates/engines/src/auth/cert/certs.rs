//! `certs`, `certs/NAME`: making, changing, showing, listing and removing entries.

use super::Cert;
use super::entry::Entry;
use crate::auth::roles::{self, Changed, Roles};
use crate::auth::{old_names, token};
use crate::contest::Contests;
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::json::field::{Flag, Words};
use cofferdam_core::{Call, Fault, Outcome, Verb};
use serde::{Deserialize, Serialize};

pub(super) const LIST: Route<Cert> = Route::new("certs", &[(Verb::List, roles::list)]);

pub(super) const ROUTE: Route<Cert> = Route::new(
    "certs/~name",
    &[
        (Verb::Read, roles::read),
        (Verb::Write, roles::write),
        (Verb::Delete, roles::delete),
    ],
)
.takes::<Change>()
.takes::<token::Change>()
.takes::<old_names::Change>();

#[derive(Deserialize)]
struct Change {
    certificate: Option<String>,
    display_name: Option<String>,
    allowed_names: Option<Words>,
    allowed_common_names: Option<Words>,
    allowed_dns_sans: Option<Words>,
    allowed_email_sans: Option<Words>,
    allowed_uri_sans: Option<Words>,
    allowed_organizational_units: Option<Words>,
    required_extensions: Option<Words>,
    allowed_metadata_extensions: Option<Words>,
    ocsp_enabled: Option<Flag>,
    ocsp_ca_certificates: Option<String>,
    ocsp_servers_override: Option<Words>,
    ocsp_fail_open: Option<Flag>,
    ocsp_query_all_servers: Option<Flag>,
}

impl Change {
    fn apply(&self, to: &mut Entry) -> Result<(), Fault> {
        let flag = |flag: Option<Flag>| flag.is_some_and(|Flag(set)| set);
        let servers = self.ocsp_servers_override.as_ref();
        let authorities = self.ocsp_ca_certificates.as_ref();
        if flag(self.ocsp_enabled)
            || flag(self.ocsp_fail_open)
            || flag(self.ocsp_query_all_servers)
            || servers.is_some_and(|list| !list.0.is_empty())
            || authorities.is_some_and(|text| !text.is_empty())
        {
            return Err(Fault::invalid(
                "not served: OCSP: put revoked certificates into a list with crls/NAME",
            ));
        }
        let texts = [
            (&self.certificate, &mut to.certificate),
            (&self.display_name, &mut to.display_name),
        ];
        for (from, to) in texts {
            if let Some(text) = from {
                to.clone_from(text);
            }
        }
        let lists = [
            (&self.allowed_names, &mut to.names),
            (&self.allowed_common_names, &mut to.common_names),
            (&self.allowed_dns_sans, &mut to.dns),
            (&self.allowed_email_sans, &mut to.emails),
            (&self.allowed_uri_sans, &mut to.uris),
            (&self.allowed_organizational_units, &mut to.units),
            (&self.required_extensions, &mut to.required),
            (&self.allowed_metadata_extensions, &mut to.told),
        ];
        for (from, to) in lists {
            if let Some(Words(words)) = from {
                *to = Some(words.clone());
            }
        }
        if to.display_name.is_empty() {
            to.display_name.clone_from(&to.name);
        }
        to.check()
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    allowed_common_names: Option<&'a [String]>,
    allowed_dns_sans: Option<&'a [String]>,
    allowed_email_sans: Option<&'a [String]>,
    allowed_metadata_extensions: Option<&'a [String]>,
    allowed_names: Option<&'a [String]>,
    allowed_organizational_units: Option<&'a [String]>,
    allowed_uri_sans: Option<&'a [String]>,
    certificate: &'a str,
    display_name: &'a str,
    ocsp_ca_certificates: &'static str,
    ocsp_enabled: bool,
    ocsp_fail_open: bool,
    ocsp_query_all_servers: bool,
    ocsp_servers_override: Option<()>,
    required_extensions: Option<&'a [String]>,
    #[serde(flatten)]
    token: token::Shown<'a>,
    #[serde(flatten)]
    old: old_names::Shown<'a>,
}

impl Roles for Cert {
    type Role = Entry;
    const MADE_BY_UPDATE: bool = true;

    fn contests(&self) -> &Contests {
        &self.contests
    }

    fn changed<'a>(
        &'a self,
        call: &'a Call<'_>,
        name: &'a str,
        before: Option<Entry>,
    ) -> Pending<'a, Changed<Entry>> {
        Box::pin(async move {
            let change: Change = call.body.parse()?;
            let mut entry = before.unwrap_or_default();
            name.clone_into(&mut entry.name);
            entry.old.apply(call.body, &mut entry.token)?;
            let warnings = entry.token.apply(call.body, call.mount)?;
            change.apply(&mut entry)?;
            Ok((entry, warnings))
        })
    }

    fn shown(entry: &Entry) -> Result<Outcome, Fault> {
        Outcome::data(&Shown {
            allowed_common_names: entry.common_names.as_deref(),
            allowed_dns_sans: entry.dns.as_deref(),
            allowed_email_sans: entry.emails.as_deref(),
            allowed_metadata_extensions: entry.told.as_deref(),
            allowed_names: entry.names.as_deref(),
            allowed_organizational_units: entry.units.as_deref(),
            allowed_uri_sans: entry.uris.as_deref(),
            certificate: &entry.certificate,
            display_name: &entry.display_name,
            ocsp_ca_certificates: "",
            ocsp_enabled: false,
            ocsp_fail_open: false,
            ocsp_query_all_servers: false,
            ocsp_servers_override: None,
            required_extensions: entry.required.as_deref(),
            token: (&entry.token).into(),
            old: entry.old.shown(&entry.token),
        })
    }
}
