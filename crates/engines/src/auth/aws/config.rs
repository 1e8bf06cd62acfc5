//! `config/client`: where STS and IAM are, which logins are for this server, and our own credentials.
//!
//! A write changes what it names, as in Vault. The secret key is never read back.

use super::{Aws, endpoint};
use crate::auth::role::{self, Stored, remove, save};
use cofferdam_core::engine::{Pending, Route, View};
use cofferdam_core::json::field::{Count, Flag, Text, Whole, Words};
use cofferdam_core::{Call, Fault, Operation, Outcome, Verb};
use cofferdam_secret::Secret;
use serde::{Deserialize, Serialize, Serializer};

pub(super) const ROUTE: Route<Aws> = Route::new(
    "config/client",
    &[
        (Verb::Read, read),
        (Verb::Write, write),
        (Verb::Delete, delete),
    ],
)
.takes::<Unserved>()
.takes::<Change>()
.creating(exists);

const KEY: &str = "config/client";

/// As often a request is sent again where nothing else is said; the SDKs of AWS do the same.
const USUAL_RETRIES: u32 = 3;
/// A login does not wait for more.
const MOST_RETRIES: i64 = 10;

/// The configuration as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    access_key: String,
    #[serde(serialize_with = "kept")]
    secret_key: Secret<String>,
    pub(super) iam_endpoint: String,
    pub(super) sts_endpoint: String,
    pub(super) sts_region: String,
    pub(super) region_from_client: bool,
    /// What `X-Vault-AWS-IAM-Server-ID` must say; empty: nothing.
    pub(super) server_id: String,
    /// Headers that may be signed beside the usual ones, in lower case.
    pub(super) headers: Vec<String>,
    /// -1: the usual number.
    max_retries: i64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            access_key: String::new(),
            secret_key: Secret::new(String::new()),
            iam_endpoint: String::new(),
            sts_endpoint: String::new(),
            sts_region: String::new(),
            region_from_client: false,
            server_id: String::new(),
            headers: Vec::new(),
            max_retries: -1,
        }
    }
}

/// Stored only, behind the barrier.
fn kept<S: Serializer>(secret: &Secret<String>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose())
}

impl Config {
    /// Who we are to IAM, if that was said.
    pub(super) fn credentials(&self) -> Option<(&str, Secret<Vec<u8>>)> {
        let whole = !self.access_key.is_empty() && !self.secret_key.is_empty();
        whole.then(|| {
            (
                self.access_key.as_str(),
                self.secret_key.duplicate().into_bytes(),
            )
        })
    }

    /// How often a request is sent again.
    pub(super) fn retries(&self) -> u32 {
        u32::try_from(self.max_retries).unwrap_or(USUAL_RETRIES)
    }
}

/// The configuration; before it is written, everything is as AWS has it.
pub(super) async fn load(view: &View) -> Result<Config, Fault> {
    let stored = stored(view).await?;
    Ok(stored.map(|stored| stored.record).unwrap_or_default())
}

async fn stored(view: &View) -> Result<Option<Stored<Config>>, Fault> {
    role::load(view, KEY).await
}

/// What is of Vault and not served: taken where it says nothing.
#[derive(Deserialize)]
struct Unserved {
    endpoint: Option<String>,
    role_arn: Option<String>,
    identity_token_audience: Option<String>,
    rotation_schedule: Option<String>,
    rotation_period: Option<Count>,
}

impl Unserved {
    fn refuse(&self) -> Result<(), Fault> {
        let set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let period = self
            .rotation_period
            .is_some_and(|Count(seconds)| seconds > 0);
        let said = [
            (set(&self.endpoint), "endpoint: EC2 is not asked"),
            (
                set(&self.role_arn),
                "role_arn: no role is taken on; set access_key and secret_key",
            ),
            (
                set(&self.identity_token_audience),
                "identity_token_audience: no role is taken on; set access_key and secret_key",
            ),
            (
                set(&self.rotation_schedule) || period,
                "rotation: credentials are not rotated here; write the new ones",
            ),
        ];
        match said.iter().find(|(said, _)| *said) {
            Some((_, why)) => Err(Fault::invalid(format!("not served: {why}"))),
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct Change {
    access_key: Option<String>,
    secret_key: Option<Text>,
    iam_endpoint: Option<String>,
    sts_endpoint: Option<String>,
    sts_region: Option<String>,
    use_sts_region_from_client: Option<Flag>,
    iam_server_id_header_value: Option<String>,
    allowed_sts_header_values: Option<Words>,
    max_retries: Option<Whole>,
}

/// Headers that say how a request is sent and not what it is, or that are ours to write.
const NEVER: [&str; 15] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-amz-target",
];

/// Names of headers in their one form.
fn header_names(words: &[String]) -> Result<Vec<String>, Fault> {
    let read = |word: &String| {
        let name = word.to_ascii_lowercase();
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = (1..=128).contains(&name.len()) && name.bytes().all(legal);
        match is_name && !NEVER.contains(&name.as_str()) {
            true => Ok(name),
            false => Err(Fault::invalid(
                "allowed_sts_header_values: expected names of headers that say nothing of how a request is sent",
            )),
        }
    };
    words.iter().map(read).collect()
}

impl Change {
    fn apply(&self, to: &mut Config) -> Result<(), Fault> {
        let refuse = |field: &'static str| move |why| Fault::invalid(format!("{field}: {why}"));
        let texts = [
            (&self.access_key, &mut to.access_key),
            (&self.iam_server_id_header_value, &mut to.server_id),
        ];
        for (from, to) in texts {
            if let Some(text) = from {
                to.clone_from(text);
            }
        }
        if let Some(secret) = &self.secret_key {
            to.secret_key = secret.0.duplicate();
        }
        if let Some(text) = &self.iam_endpoint {
            to.iam_endpoint = endpoint::checked(text).map_err(refuse("iam_endpoint"))?;
        }
        if let Some(text) = &self.sts_endpoint {
            to.sts_endpoint = endpoint::checked(text).map_err(refuse("sts_endpoint"))?;
        }
        if let Some(text) = &self.sts_region {
            to.sts_region = endpoint::checked_region(text).map_err(refuse("sts_region"))?;
        }
        if let Some(Flag(set)) = self.use_sts_region_from_client {
            to.region_from_client = set;
        }
        if let Some(Words(words)) = &self.allowed_sts_header_values {
            to.headers = header_names(words)?;
        }
        if let Some(Whole(count)) = self.max_retries {
            to.max_retries = count;
        }
        to.check()
    }
}

impl Config {
    fn check(&self) -> Result<(), Fault> {
        if !(-1..=MOST_RETRIES).contains(&self.max_retries) {
            return Err(Fault::invalid(format!(
                "max_retries: expected a number up to {MOST_RETRIES}, or -1"
            )));
        }
        // What a header can say; else no login could ever.
        let visible = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !visible(&self.server_id) || self.server_id.trim() != self.server_id {
            return Err(Fault::invalid(
                "iam_server_id_header_value: expected ASCII without blanks at its ends",
            ));
        }
        let is_key = self
            .access_key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric());
        if !is_key || self.access_key.len() > 128 {
            return Err(Fault::invalid("access_key: expected letters and digits"));
        }
        Ok(())
    }
}

fn exists<'a>(_: &'a Aws, call: &'a Call<'a>) -> Pending<'a, bool> {
    Box::pin(async move { Ok(stored(call.view).await?.is_some()) })
}

fn write<'a>(method: &'a Aws, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        call.body.parse::<Unserved>()?.refuse()?;
        let change: Change = call.body.parse()?;
        let mut contest = method.contests.enter(call.view.prefix(), KEY);
        loop {
            let (before, revision) = Stored::apart(stored(call.view).await?);
            // Policy allowed an update only: what was there a moment ago must not be made anew.
            if before.is_none() && call.operation == Operation::Update {
                return Err(Fault::unsupported("unsupported path"));
            }
            let mut config = before.unwrap_or_default();
            change.apply(&mut config)?;
            if save(call.view, KEY, revision, &config).await? {
                return Ok(Outcome::Done);
            }
            contest.lost().await?;
        }
    })
}

#[derive(Serialize)]
struct Shown<'a> {
    access_key: &'a str,
    allowed_sts_header_values: Vec<String>,
    endpoint: &'static str,
    iam_endpoint: &'a str,
    iam_server_id_header_value: &'a str,
    max_retries: i64,
    role_arn: &'static str,
    sts_endpoint: &'a str,
    sts_region: &'a str,
    use_sts_region_from_client: bool,
}

/// A header's name as Go's clients write it, and so as Vault shows it: `X-Custom-Header`.
fn title(name: &str) -> String {
    let mut upper = true;
    let one = |letter: char| {
        let shown = if upper {
            letter.to_ascii_uppercase()
        } else {
            letter
        };
        upper = letter == '-';
        shown
    };
    name.chars().map(one).collect()
}

fn read<'a>(_: &'a Aws, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let stored = stored(call.view).await?.ok_or_else(Fault::missing)?;
        let config = &stored.record;
        Outcome::data(&Shown {
            access_key: &config.access_key,
            allowed_sts_header_values: config.headers.iter().map(|name| title(name)).collect(),
            endpoint: "",
            iam_endpoint: &config.iam_endpoint,
            iam_server_id_header_value: &config.server_id,
            max_retries: config.max_retries,
            role_arn: "",
            sts_endpoint: &config.sts_endpoint,
            sts_region: &config.sts_region,
            use_sts_region_from_client: config.region_from_client,
        })
    })
}

fn delete<'a>(method: &'a Aws, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let contest = method.contests.enter(call.view.prefix(), KEY);
        remove(call.view, KEY, contest).await?;
        Ok(Outcome::Done)
    })
}
