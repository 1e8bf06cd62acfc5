//! STS: the word of AWS on who signed a request.

use super::answer::{self, Caller};
use super::signed::Signed;
use crate::outbound::{Answered, Carried, Failed, carry, is_silence};
use cofferdam_core::Fault;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Requests under way at one time in a process: anybody may send made-up ones.
const AT_ONCE: usize = 32;
/// Bytes of an answer.
pub(super) const MOST: usize = 64 << 10;
/// For a request with all its repetitions: a login does not wait longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Before the first repetition; each further one waits twice as long.
const PAUSE: Duration = Duration::from_millis(100);

/// Those that wait for AWS.
pub(super) struct Line(Semaphore);

impl Default for Line {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

/// Why AWS does not say what was asked. For the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Doubt {
    #[error("too many requests to AWS at once")]
    Busy,
    #[error("AWS cannot be asked: {0}")]
    Failed(#[from] Failed),
    #[error("AWS refuses with status {0}{word}", word = in_parentheses(.1.as_deref()))]
    Status(u16, Option<String>),
    #[error("the answer is not of the form that AWS writes")]
    Form,
    #[error("IAM is not asked without access_key and secret_key in config/client")]
    NoCredentials,
    #[error("the partition of the ARN is not one whose IAM is known")]
    Partition,
    #[error("IAM names somebody else: the ARN is of another account, or was made again")]
    Other,
    #[error("the role is not for this principal")]
    Unbound,
}

impl Doubt {
    /// What is said of an answer that is none.
    pub(super) fn of(answer: &Answered) -> Self {
        Self::Status(answer.status, answer::problem(answer.body.expose()))
    }

    /// What the caller is told: to come again where AWS could not be asked, and else that it is
    /// refused, without a reason.
    pub(super) fn fault(self) -> Fault {
        const PASSING: [&str; 4] = [
            "RequestLimitExceeded",
            "ServiceUnavailable",
            "Throttling",
            "ThrottlingException",
        ];
        let passes = match &self {
            Self::Busy => return Fault::too_many("too many logins at once; try again"),
            Self::Failed(why) => why.is_silence(),
            Self::Status(status, word) => {
                let word = word.as_deref().unwrap_or_default();
                is_silence(*status) || PASSING.contains(&word)
            }
            Self::Form | Self::NoCredentials | Self::Partition | Self::Other | Self::Unbound => {
                false
            }
        };
        match passes {
            true => Fault::unavailable("AWS cannot be asked who you are; try again", self),
            false => Fault::denied().noting(self),
        }
    }
}

fn in_parentheses(word: Option<&str>) -> String {
    word.map(|word| format!(" ({word})")).unwrap_or_default()
}

impl Line {
    /// Who signed the request.
    pub(super) async fn who(&self, signed: &Signed, retries: u32) -> Result<Caller, Doubt> {
        let ask = || async {
            let carried = Carried {
                url: &signed.url,
                target: signed.target,
                headers: signed.headers.clone(),
                body: signed.body,
                most: MOST,
            };
            carry(carried).await
        };
        let answer = self.ask(retries, ask).await?;
        if answer.status != 200 {
            return Err(Doubt::of(&answer));
        }
        answer::caller(answer.body.expose()).ok_or(Doubt::Form)
    }

    /// Asks again while AWS cannot be reached or says that it is busy.
    pub(super) async fn ask<F: Future<Output = Result<Answered, Failed>> + Send>(
        &self,
        retries: u32,
        request: impl Fn() -> F + Send,
    ) -> Result<Answered, Doubt> {
        let _turn = self.0.try_acquire().map_err(|_| Doubt::Busy)?;
        let trying = async {
            let mut pause = PAUSE;
            for _ in 0..retries {
                match request().await {
                    Ok(answer) if !is_silence(answer.status) => return Ok(answer),
                    Err(why) if !may_pass(why) => return Err(why),
                    _ => tokio::time::sleep(pause).await,
                }
                pause *= 2;
            }
            request().await
        };
        let answer = tokio::time::timeout(PATIENCE, trying).await;
        Ok(answer.map_err(|_| Failed::Late)??)
    }
}

/// Whether the same request may come through a moment later.
const fn may_pass(why: Failed) -> bool {
    matches!(why, Failed::Unreachable | Failed::Broken | Failed::Late)
}
