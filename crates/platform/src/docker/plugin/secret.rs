//! Swarm's secret driver: one value for one task (`docker.secretprovider/1.0`).
//!
//! `DoNotReuse` is always true. Without it swarmkit keys the value by the secret alone, hands the
//! last answer to all tasks of a node, and on an error runs the task with the old value silently
//! (`facts/docker.md` section 2). Which value it is the labels say (`crate::docker::swarm::labels`):
//! a stored one, or one that is issued for the task (`issue`). Whatever cannot be had in time is an
//! error, so that the task does not start.

use super::issue::Taker;
use super::{Fault, Plugin, borrow};
use crate::docker::deliveries::{Holder, Secrets};
use crate::docker::known;
use crate::docker::swarm::MAX_SIZE;
use crate::docker::swarm::labels::{ENCODING, Issued, Labels, Source, Stored};
use crate::record::Given;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_agent::FileName;
use cofferdam_agent::plan::Loan;
use cofferdam_detect::Label;
use cofferdam_secret::{Buffer, Secret};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// swarmkit waits without a limit and holds up the node's other tasks meanwhile.
const DEADLINE: Duration = Duration::from_millis(2_500);

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Ask {
    secret_name: String,
    secret_labels: Option<Labels>,
    service_name: String,
    service_labels: Option<Labels>,
    task_name: String,
    #[serde(rename = "TaskID")]
    task_id: String,
    task_image: String,
    #[serde(rename = "NodeID")]
    node_id: String,
}

impl Ask {
    /// The task, for the record.
    fn holder(&self) -> Holder {
        let sha256 = self.task_image.rsplit_once("@sha256:");
        Holder::Known {
            key: format!("{} {}", self.task_id, self.secret_name),
            name: self.task_name.clone(),
            sha256: sha256.map(|(_, sha256)| sha256.to_owned()),
            attributes: vec![
                ("service", self.service_name.clone()),
                ("task", self.task_id.clone()),
                ("image", self.task_image.clone()),
                ("node", self.node_id.clone()),
                ("via", "swarm".to_owned()),
            ],
        }
    }
}

/// A value, and what log and record may say about it.
struct Lent {
    value: Secret<Vec<u8>>,
    from: String,
    given: Given,
}

/// The body of a good answer to `GetSecret`; it holds the value, base64.
pub(super) async fn lend(plugin: &Plugin, body: &[u8]) -> Result<Secret<Vec<u8>>, Fault> {
    let ask: Ask = serde_json::from_slice(body).map_err(|_| {
        Fault::Request("the request is not as Swarm's secret drivers get it".to_owned())
    })?;
    // Names come from the cluster's users: `?` escapes what a terminal or a log would obey.
    match find(plugin, &ask).await {
        Ok(lent) => {
            let name = lent.from.trim_start_matches("cd://");
            let label = Label::new(name, lent.given.version, "value");
            let task = known::Holder::Task(ask.task_id.clone());
            plugin.known.learn(&task, &label, &lent.value);
            if plugin.known.is_tight() {
                tokio::spawn(Arc::clone(&plugin.logs).sweep());
            }
            tracing::info!(
                secret = ?ask.secret_name,
                service = ?ask.service_name,
                task = ?ask.task_name,
                task_id = ?ask.task_id,
                image = ?ask.task_image,
                node = ?ask.node_id,
                reference = ?lent.from,
                version = lent.given.version,
                "lent to a Swarm task"
            );
            plugin
                .book
                .note(ask.holder(), Secrets::Given(vec![lent.given]));
            Ok(encode(&lent.value))
        }
        Err(error) => {
            tracing::warn!(
                secret = ?ask.secret_name,
                service = ?ask.service_name,
                task = ?ask.task_name,
                task_id = ?ask.task_id,
                image = ?ask.task_image,
                node = ?ask.node_id,
                reason = %error,
                "refused a Swarm task"
            );
            Err(error)
        }
    }
}

async fn find(plugin: &Plugin, ask: &Ask) -> Result<Lent, Fault> {
    let name: FileName = ask
        .secret_name
        .parse()
        .map_err(|error: cofferdam_agent::NameError| Fault::Request(error.to_string()))?;
    let none = Labels::new();
    let labels = ask.secret_labels.as_ref().unwrap_or(&none);
    let service = ask.service_labels.as_ref().unwrap_or(&none);
    let source = Source::for_task(name.as_str(), labels, service);
    match source.map_err(|error| Fault::Request(error.to_string()))? {
        Source::Stored(stored) => read(plugin, name, stored).await,
        Source::Issued(issued) => issue(plugin, ask, issued).await,
    }
}

async fn read(plugin: &Plugin, name: FileName, stored: Stored) -> Result<Lent, Fault> {
    let limit = match stored.base64 {
        false => MAX_SIZE,
        true => base64::encoded_len(MAX_SIZE, true).unwrap_or(MAX_SIZE),
    };
    let reference = stored.reference;
    let loan = Loan { name, reference };
    let lent = borrow(&plugin.client, std::slice::from_ref(&loan), limit, DEADLINE).await?;
    let none = || Fault::Request("the server lent nothing".to_owned());
    let lent = lent.into_iter().next().ok_or_else(none)?;
    let given = Given::of(&lent);
    let value = if stored.base64 {
        decode(&lent.value)?
    } else {
        lent.value
    };
    Ok(Lent {
        value,
        from: lent.reference.to_string(),
        given,
    })
}

async fn issue(plugin: &Plugin, ask: &Ask, issued: Issued) -> Result<Lent, Fault> {
    let taker = Taker {
        secret: &ask.secret_name,
        service: &ask.service_name,
        task: &ask.task_id,
    };
    let issuing = plugin.issued.issue(&plugin.client, &issued, &taker);
    let value = match tokio::time::timeout(DEADLINE, issuing).await {
        Ok(value) => value?,
        Err(_) => return Err(Fault::Late(DEADLINE.as_millis())),
    };
    if value.len() > MAX_SIZE {
        let path = &issued.path;
        return Err(Fault::Request(format!("what {path} issued is too large")));
    }
    Ok(Lent {
        value,
        given: Given {
            name: ask.secret_name.clone(),
            path: issued.path.clone(),
            field: issued.field,
            version: None,
        },
        from: issued.path,
    })
}

/// The bytes behind the label [`ENCODING`].
fn decode(text: &Secret<Vec<u8>>) -> Result<Secret<Vec<u8>>, Fault> {
    let wrong = |reason| Fault::Request(format!("label {ENCODING}: the stored value {reason}"));
    // Room for all of it from the start: what grows leaves copies behind.
    let mut room = Buffer::with_capacity(base64::decoded_len_estimate(text.len()));
    let mut chunk = Secret::new([0_u8; 3072]);
    let (pieces, end) = (text.expose().chunks(4096), text.len().div_ceil(4096));
    for (at, piece) in pieces.enumerate() {
        // Only the last piece may be padded.
        let padded = piece.ends_with(b"=") && at + 1 != end;
        let length = STANDARD.decode_slice(piece, chunk.expose_mut());
        let length = length.ok().filter(|_| !padded);
        let length = length.ok_or_else(|| wrong("is not base64"))?;
        room.push(chunk.expose().get(..length).unwrap_or_default());
    }
    let bytes = room.finish();
    match bytes.len() {
        0 => Err(wrong("is empty")),
        length if length > MAX_SIZE => Err(wrong("is too large")),
        _ => Ok(bytes),
    }
}

fn encode(value: &Secret<Vec<u8>>) -> Secret<Vec<u8>> {
    const BEFORE: &str = "{\"Value\":\"";
    const AFTER: &str = "\",\"DoNotReuse\":true}";
    let length = base64::encoded_len(value.len(), true).unwrap_or_default();
    // Room for all of it from the start: a String that grows leaves copies behind.
    let mut text = String::with_capacity(BEFORE.len() + length + AFTER.len());
    text.push_str(BEFORE);
    STANDARD.encode_string(value.expose(), &mut text);
    text.push_str(AFTER);
    Secret::new(text).into_bytes()
}
