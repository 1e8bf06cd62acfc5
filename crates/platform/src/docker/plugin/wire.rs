//! The calls of both drivers ([`serving`] is the HTTP below).
//!
//! Every fault is an answer with status 200 and a text in `Err`: dockerd shows that text, while
//! it repeats calls that fail in another way.

use super::{Fault, Plugin, Socket, logs, secret};
use crate::docker::serving::{self, Answer, GRACE};
use bytes::Bytes;
use cofferdam_secret::Secret;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Incoming};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// dockerd's requests carry names, labels and options; the largest seen has a few KiB.
const MAX_BODY: usize = 1 << 20;
/// Answers dockerd until `shutdown`.
pub(super) async fn serve(
    socket: &Socket,
    plugin: Arc<Plugin>,
    shutdown: impl Future<Output = ()>,
) {
    let respond = move |request| {
        let plugin = Arc::clone(&plugin);
        async move { respond(&plugin, request).await }
    };
    serving::serve(socket, respond, shutdown).await;
}

async fn respond(plugin: &Plugin, request: Request<Incoming>) -> Answer {
    if request.method() != Method::POST {
        return answer(
            StatusCode::METHOD_NOT_ALLOWED,
            &fault("only POST is served here"),
        );
    }
    let method = request.uri().path().to_owned();
    let Some(body) = read(request.into_body()).await else {
        let reason = "the request is too large or too slow";
        return answer(StatusCode::PAYLOAD_TOO_LARGE, &fault(reason));
    };
    match method.as_str() {
        "/Plugin.Activate" => {
            let drivers = json!({"Implements": ["secretprovider", "VolumeDriver", "LogDriver"]});
            answer(StatusCode::OK, &drivers)
        }
        "/SecretProvider.GetSecret" => match secret::lend(plugin, &body).await {
            Ok(lent) => serving::answer(StatusCode::OK, Bytes::from_owner(Wiping(lent))),
            Err(error) => answer(StatusCode::OK, &fault(&error.to_string())),
        },
        "/LogDriver.ReadLogs" => match read_logs(plugin, &body) {
            Ok(reading) => serving::stream(reading),
            Err(error) => {
                // A stream has no place for an error; its status has.
                answer(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    &fault(&error.to_string()),
                )
            }
        },
        method if method.starts_with("/LogDriver.") => {
            let verb = method.trim_start_matches("/LogDriver.");
            answer(StatusCode::OK, &log_call(plugin, verb, &body).await)
        }
        method => match method.strip_prefix("/VolumeDriver.") {
            Some(verb) => answer(StatusCode::OK, &volume_call(plugin, verb, &body).await),
            None => answer(
                StatusCode::NOT_FOUND,
                &fault("this plugin has no such method"),
            ),
        },
    }
}

/// The whole body, unless it is larger than [`MAX_BODY`] or does not come.
async fn read(body: Incoming) -> Option<Bytes> {
    if body.size_hint().lower() > MAX_BODY as u64 {
        return None;
    }
    let collected = Limited::new(body, MAX_BODY).collect();
    let collected = tokio::time::timeout(GRACE, collected).await.ok()?.ok()?;
    Some(collected.to_bytes())
}

/// What the volume calls carry; each uses a part of it.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct VolumeCall {
    name: String,
    #[serde(rename = "ID")]
    id: String,
    /// `null` for a volume that `docker run -v` makes.
    opts: Option<BTreeMap<String, String>>,
}

async fn volume_call(plugin: &Plugin, verb: &str, body: &[u8]) -> Value {
    let parsed = if body.is_empty() {
        Ok(VolumeCall::default())
    } else {
        serde_json::from_slice(body)
    };
    let Ok(call) = parsed else {
        return fault("the request is not as Docker's volume plugins get it");
    };
    match dispatch(plugin, verb, &call).await {
        Ok(mut value) => {
            if let Some(object) = value.as_object_mut() {
                object.insert("Err".to_owned(), Value::from(""));
            }
            value
        }
        Err(Fault::NoSuchVolume) => fault(&Fault::NoSuchVolume.to_string()),
        Err(error) => {
            tracing::warn!(call = verb, volume = ?call.name, reason = %error, "refused dockerd");
            fault(&error.to_string())
        }
    }
}

async fn dispatch(plugin: &Plugin, verb: &str, call: &VolumeCall) -> Result<Value, Fault> {
    let volumes = &plugin.volumes;
    let shown = |path: Option<std::path::PathBuf>| path.map(|path| path.display().to_string());
    Ok(match verb {
        "Capabilities" => json!({"Capabilities": {"Scope": "local"}}),
        "Create" => {
            let options = call.opts.clone().unwrap_or_default();
            volumes.create(&call.name, options).await?;
            json!({})
        }
        "Remove" => {
            volumes.remove(&call.name).await?;
            json!({})
        }
        "Mount" => {
            let path = volumes.mount(&call.name, &call.id).await?;
            json!({"Mountpoint": shown(Some(path))})
        }
        "Unmount" => {
            volumes.unmount(&call.name, &call.id).await?;
            json!({})
        }
        "Path" => {
            let path = volumes.path(&call.name).await?;
            json!({"Mountpoint": shown(path).unwrap_or_default()})
        }
        "Get" => {
            let path = volumes.path(&call.name).await?;
            json!({"Volume": {
                "Name": call.name,
                "Mountpoint": shown(path).unwrap_or_default(),
                "Status": {},
            }})
        }
        "List" => {
            let names = volumes.names().await;
            let names: Vec<_> = names.iter().map(|name| json!({"Name": name})).collect();
            json!({"Volumes": names})
        }
        _ => return Err(Fault::Request("this plugin has no such method".to_owned())),
    })
}

/// What the log calls carry; each uses a part of it.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct LogCall {
    file: PathBuf,
    info: logs::Info,
    config: logs::Wanted,
}

fn parse_log_call(body: &[u8]) -> Result<LogCall, Fault> {
    if body.is_empty() {
        return Ok(LogCall::default());
    }
    // Its text has the container's variables: nothing of it is repeated.
    serde_json::from_slice(body)
        .map_err(|_| Fault::Request("the request is not as Docker's log plugins get it".to_owned()))
}

fn read_logs(plugin: &Plugin, body: &[u8]) -> Result<mpsc::Receiver<Bytes>, Fault> {
    let call = parse_log_call(body)?;
    plugin.logs.read(&call.info, call.config)
}

async fn log_call(plugin: &Plugin, verb: &str, body: &[u8]) -> Value {
    let done = match (verb, parse_log_call(body)) {
        ("Capabilities", _) => return json!({"Cap": {"ReadLogs": true}, "Err": ""}),
        (_, Err(error)) => Err(error),
        ("StartLogging", Ok(call)) => plugin.logs.start(&call.file, &call.info),
        ("StopLogging", Ok(call)) => plugin.logs.stop(&call.file).await,
        _ => Err(Fault::Request("this plugin has no such method".to_owned())),
    };
    match done {
        Ok(()) => fault(""),
        Err(error) => {
            tracing::warn!(call = verb, reason = %error, "refused dockerd");
            fault(&error.to_string())
        }
    }
}

fn fault(text: &str) -> Value {
    json!({"Err": text})
}

fn answer(status: StatusCode, body: &Value) -> Answer {
    serving::answer(status, body.to_string())
}

/// Wipes the body when hyper has sent it.
struct Wiping(Secret<Vec<u8>>);

impl AsRef<[u8]> for Wiping {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}
