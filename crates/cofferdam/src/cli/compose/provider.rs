//! What Compose gets when it asks us as a provider: JSON on stdout, paths only.

use crate::cli::{Context, Exit, Failure};
use cofferdam_agent::fetch;
use cofferdam_platform::compose::provider::{Message, Request, Wanted, metadata};
use std::ffi::OsString;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Largest value of a volume.
const MAX_SIZE: usize = 500 * 1024 - 1;

/// Answers one request. A refusal is an answer, too: Compose shows it as the service's state.
pub(super) async fn answer(
    context: &Context,
    words: &[OsString],
    driver: &str,
) -> Result<Exit, Failure> {
    let words: Vec<String> = words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let request = match Request::parse(&words) {
        Ok(request) => request,
        Err(error) => {
            let failure = Failure::usage(error.to_string()).hint(error.hint());
            context.out(Message::error(error.to_string()).line().as_bytes())?;
            return Err(failure);
        }
    };
    match request {
        Request::Metadata => {
            context.out(format!("{}\n", metadata()).as_bytes())?;
            Ok(Exit::Success)
        }
        // There is nothing of ours that would outlive the services.
        Request::Down => Ok(Exit::Success),
        Request::Up(wanted) => match check(context, &wanted, driver).await {
            Ok(()) => {
                let mut lines = Message::info("the secrets are there").line();
                for message in wanted.variables() {
                    lines.push_str(&message.line());
                }
                context.out(lines.as_bytes())?;
                Ok(Exit::Success)
            }
            Err(failure) => {
                context.out(Message::error(failure.words()).line().as_bytes())?;
                Err(failure)
            }
        },
    }
}

/// That the plugin answers and the secrets can be had is said now, and not when a container fails.
async fn check(context: &Context, wanted: &Wanted, driver: &str) -> Result<(), Failure> {
    let driver = wanted.driver.as_deref().unwrap_or(driver);
    let socket = Path::new("/run/docker/plugins").join(format!("{driver}.sock"));
    if let Err(error) = UnixStream::connect(&socket) {
        // Who may not connect is not told more; Docker itself will say.
        if error.kind() != std::io::ErrorKind::PermissionDenied {
            return Err(Failure::local(format!(
                "the Docker plugin {driver} does not answer at {}",
                socket.display()
            ))
            .hint("sudo cofferdam up"));
        }
    }
    let client = context.client()?;
    let lent = fetch::fetch(&client, &wanted.loans, MAX_SIZE).await;
    lent.map(drop).map_err(crate::cli::delivery::fetch_failure)
}
