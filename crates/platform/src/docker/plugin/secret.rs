//! Swarm's secret driver: one value for one task (`docker.secretprovider/1.0`).
//!
//! `DoNotReuse` is always true. Without it swarmkit keys the value by the secret alone, hands the
//! last answer to all tasks of a node, and on an error runs the task with the old value silently
//! (`facts/docker.md` section 2).

use super::{Fault, borrow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_agent::FileName;
use cofferdam_agent::fetch::Lent;
use cofferdam_agent::plan::{Loan, Prefix};
use cofferdam_api::{Client, Reference};
use cofferdam_secret::Secret;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Swarm takes 1 to 511,999 bytes (swarmkit `api/validation/secrets.go`).
const MAX_SIZE: usize = 500 * 1024 - 1;
/// swarmkit waits without a limit and holds up the node's other tasks meanwhile.
const DEADLINE: Duration = Duration::from_millis(2_500);
/// The label of a Docker secret that names the value.
const LABEL: &str = "cofferdam.ref";

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Ask {
    secret_name: String,
    secret_labels: Option<BTreeMap<String, String>>,
    service_name: String,
    task_name: String,
    #[serde(rename = "TaskID")]
    task_id: String,
    task_image: String,
    #[serde(rename = "NodeID")]
    node_id: String,
}

/// The body of a good answer to `GetSecret`; it holds the value, base64.
pub(super) async fn lend(client: &Client, body: &[u8]) -> Result<Secret<Vec<u8>>, Fault> {
    let ask: Ask = serde_json::from_slice(body).map_err(|_| {
        Fault::Request("the request is not as Swarm's secret drivers get it".to_owned())
    })?;
    // Names come from the cluster's users: `?` escapes what a terminal or a log would obey.
    match find(client, &ask).await {
        Ok(lent) => {
            tracing::info!(
                secret = ?ask.secret_name,
                service = ?ask.service_name,
                task = ?ask.task_name,
                task_id = ?ask.task_id,
                image = ?ask.task_image,
                node = ?ask.node_id,
                reference = %lent.reference,
                version = lent.version,
                "lent to a Swarm task"
            );
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

async fn find(client: &Client, ask: &Ask) -> Result<Lent, Fault> {
    let name: FileName = ask
        .secret_name
        .parse()
        .map_err(|error: cofferdam_agent::NameError| Fault::Request(error.to_string()))?;
    let label = ask
        .secret_labels
        .as_ref()
        .and_then(|labels| labels.get(LABEL));
    let loan = match label {
        None => Prefix::default().loan(name)?,
        Some(reference) => match reference.parse::<Reference>() {
            Ok(reference) => Loan { name, reference },
            Err(error) => return Err(Fault::Request(format!("label {LABEL}: {error}"))),
        },
    };
    let lent = borrow(client, std::slice::from_ref(&loan), MAX_SIZE, DEADLINE).await?;
    let none = || Fault::Request("the server lent nothing".to_owned());
    lent.into_iter().next().ok_or_else(none)
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
