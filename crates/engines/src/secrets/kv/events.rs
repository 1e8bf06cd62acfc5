//! What a transaction on a mount's keys means, by Vault's event types of `kv-v2`.

use super::record::{Last, Metadata};
use super::{config, storage};
use cofferdam_core::Fault;
use cofferdam_core::engine::{Happened, Touched};

/// A transaction changes at most one record; what else it touches is data that the record names.
pub(super) async fn of(touched: &[Touched<'_>]) -> Result<Vec<Happened>, Fault> {
    let mut all = Vec::new();
    for key in touched {
        if key.key() == config::KEY {
            all.push(Happened {
                event_type: "kv-v2/config-write",
                operation: "config-write",
                path: config::KEY.to_owned(),
                data_path: config::KEY.to_owned(),
                more: Vec::new(),
            });
        } else if let Some(path) = storage::record_path(key.key()) {
            all.push(match key.open().await? {
                None => told(path, "kv-v2/metadata-delete", "metadata", None),
                Some(record) => changed(path, &Metadata::decode(record.expose())?),
            });
        }
    }
    Ok(all)
}

fn changed(path: &str, meta: &Metadata) -> Happened {
    let (event_type, area) = match meta.last {
        Last::DataWrite => ("kv-v2/data-write", "data"),
        Last::DataPatch => ("kv-v2/data-patch", "data"),
        Last::DataDelete => ("kv-v2/data-delete", "data"),
        Last::Delete => ("kv-v2/delete", "delete"),
        Last::Undelete => ("kv-v2/undelete", "undelete"),
        Last::Destroy => ("kv-v2/destroy", "destroy"),
        Last::MetadataPatch => ("kv-v2/metadata-patch", "metadata"),
        Last::MetadataWrite | Last::Unknown => ("kv-v2/metadata-write", "metadata"),
    };
    told(path, event_type, area, Some(meta))
}

fn told(path: &str, event_type: &'static str, area: &str, meta: Option<&Metadata>) -> Happened {
    let versions = meta.map(|meta| {
        [
            ("current_version", meta.current.to_string()),
            ("oldest_version", meta.oldest.to_string()),
        ]
    });
    Happened {
        event_type,
        operation: event_type.strip_prefix("kv-v2/").unwrap_or(event_type),
        path: format!("{area}/{path}"),
        data_path: format!("data/{path}"),
        more: versions.into_iter().flatten().collect(),
    }
}
