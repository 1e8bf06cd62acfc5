//! `sys/monitor`: the server's own log, as it is written.
//!
//! OpenBao asks for `read` alone; here it needs `sudo` like the other rows about the process: at debug
//! level the log tells which paths others ask for.

use super::System;
use crate::engine::{Access, Route};
use crate::fault::Fault;
use crate::host::{Level, NoSeat};
use crate::monitor::Monitor;
use crate::operation::Verb::Read;
use crate::outcome::Outcome;
use crate::path::Path;
use crate::request::Call;

pub(super) const MONITOR: Route<System> =
    Route::new("monitor", &[(Read, |e, c| Box::pin(monitor(e, c)))])
        .asks(&["log_level", "log_format"])
        .access(Access::Sudo);

async fn monitor(engine: &System, call: Call<'_>) -> Result<Outcome, Fault> {
    let asked = |name| call.query.get(name).filter(|text| !text.is_empty());
    let level = Level::parse(asked("log_level").unwrap_or("info"))
        .ok_or_else(|| Fault::invalid("unknown log level"))?;
    let json = match call.query.get("log_format").map(str::to_ascii_lowercase) {
        None => false,
        Some(format) if format == "standard" => false,
        Some(format) if format == "json" => true,
        Some(_) => return Err(Fault::invalid("unknown log format")),
    };
    let services = engine.services()?;
    let place = Path::parse(&format!("{}/{}", call.mount.path, call.path.as_str()))
        .map_err(Fault::internal)?;
    let listener = services.host.listen(level, json);
    let listener = listener
        .map_err(|NoSeat| Fault::too_many("as many listen to the log as may; end one of them"))?;
    let opened = Monitor::open(&services, call.caller.clone(), call.now, place, listener);
    Ok(Outcome::Log(Box::new(opened.await?)))
}
