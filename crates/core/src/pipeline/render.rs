//! Vault's response envelope, written straight into a wiped buffer. Data is inserted as the JSON it
//! already is.

use super::lease::{Envelope, WrapInfo};
use crate::fault::Fault;
use crate::token::Issued;
use cofferdam_secret::{Buffer, Secret};
use serde::Serialize;
use std::collections::BTreeMap;

/// `{"request_id":…,"data":…,"auth":…}`.
pub(super) fn envelope(id: &str, envelope: &Envelope) -> Result<Secret<Vec<u8>>, Fault> {
    let data = envelope
        .data
        .as_ref()
        .map_or(&b"null"[..], |data| data.as_bytes());
    let mut out = open(id, data.len() + 512);
    out.push(b",\"lease_id\":\"\",\"renewable\":false,\"lease_duration\":");
    out.push(envelope.lease_duration.to_string().as_bytes());
    out.push(b",\"data\":");
    out.push(data);
    out.push(b",\"wrap_info\":null,\"warnings\":");
    warnings(&mut out, &envelope.warnings)?;
    out.push(b",\"auth\":");
    match &envelope.auth {
        Some(issued) => auth(&mut out, issued)?,
        None => out.push(b"null"),
    }
    if envelope.lifted {
        lift(&mut out, data);
    }
    out.push(b"}\n");
    Ok(out.finish())
}

/// The same envelope, with nothing but a wrapping token.
pub(super) fn wrapped(id: &str, info: &WrapInfo) -> Result<Secret<Vec<u8>>, Fault> {
    #[derive(Serialize)]
    struct Shape<'a> {
        token: &'a str,
        accessor: &'a str,
        ttl: u64,
        creation_time: String,
        creation_path: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        wrapped_accessor: &'a str,
    }
    let mut out = open(id, 512);
    out.push(
        b",\"lease_id\":\"\",\"renewable\":false,\"lease_duration\":0,\"data\":null,\"wrap_info\":",
    );
    let shape = Shape {
        token: info.token.expose(),
        accessor: &info.accessor,
        ttl: info.ttl,
        creation_time: info.created.rfc3339(),
        creation_path: &info.path,
        wrapped_accessor: &info.wrapped_accessor,
    };
    write(&mut out, &shape)?;
    out.push(b",\"warnings\":null,\"auth\":null}\n");
    Ok(out.finish())
}

fn open(id: &str, capacity: usize) -> Buffer {
    let mut out = Buffer::with_capacity(capacity);
    out.push(b"{\"request_id\":\"");
    out.push(id.as_bytes());
    out.push(b"\"");
    out
}

/// Repeats the members of `data` in the object being written.
fn lift(out: &mut Buffer, data: &[u8]) {
    let members = data
        .strip_prefix(b"{")
        .and_then(|inner| inner.strip_suffix(b"}"))
        .unwrap_or_default();
    if !members.is_empty() {
        out.push(b",");
        out.push(members);
    }
}

fn warnings(out: &mut Buffer, warnings: &[String]) -> Result<(), Fault> {
    if warnings.is_empty() {
        out.push(b"null");
        return Ok(());
    }
    write(out, &warnings)
}

fn auth(out: &mut Buffer, issued: &Issued) -> Result<(), Fault> {
    #[derive(Serialize)]
    struct Shape<'a> {
        client_token: &'a str,
        accessor: &'a str,
        policies: &'a [String],
        token_policies: &'a [String],
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        identity_policies: &'a [String],
        metadata: Option<&'a BTreeMap<String, String>>,
        lease_duration: u64,
        renewable: bool,
        entity_id: &'a str,
        token_type: &'static str,
        orphan: bool,
        mfa_requirement: (),
        num_uses: u32,
    }
    let entry = &issued.entry;
    let shape = Shape {
        client_token: issued.token.as_ref().map_or("", |token| token.expose()),
        accessor: &entry.accessor,
        policies: entry.rules(),
        token_policies: &entry.policies,
        identity_policies: entry.identity_policies(),
        metadata: (!entry.metadata.is_empty()).then_some(&entry.metadata),
        lease_duration: issued.lease,
        renewable: entry.renewable,
        entity_id: &entry.entity_id,
        token_type: entry.kind(),
        orphan: entry.parent.is_none(),
        mfa_requirement: (),
        num_uses: entry.num_uses,
    };
    write(out, &shape)
}

fn write(out: &mut Buffer, value: &impl Serialize) -> Result<(), Fault> {
    serde_json::to_writer(out, value).map_err(Fault::internal)
}
