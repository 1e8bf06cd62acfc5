//! TokenReview: the cluster's word on a token.
//!
//! The exchange is the one of the API group `authentication.k8s.io/v1`
//! (<https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/>).

use super::account::Account;
use super::config::Cluster;
use crate::auth::jose;
use crate::outbound::{self, Asked, Failed, Trust};
use cofferdam_core::Fault;
use cofferdam_core::json::Data;
use cofferdam_secret::{Buffer, Secret};
use serde::Deserialize;
use tokio::sync::Semaphore;

/// Below the address of the API server.
pub(super) const PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

/// Reviews at one time in a process: anybody may send made-up tokens.
const AT_ONCE: usize = 32;
/// Bytes of an answer.
const MOST: usize = 256 << 10;

/// The reviews under way.
pub(super) struct Reviews(Semaphore);

impl Default for Reviews {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

/// Why the cluster does not vouch for a token. For the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Doubt {
    #[error("too many reviews at once")]
    Busy,
    #[error("the cluster cannot be asked: {0}")]
    Failed(#[from] Failed),
    #[error("the cluster answers with status {0}: 401 and 403 mean that the reviewer may not ask")]
    Status(u16),
    #[error("the cluster does not take the configured reviewer: status {0}")]
    Reviewer(u16),
    #[error("the cluster's answer is no review")]
    Form,
    #[error("the cluster says that the token is not good")]
    Refused,
    #[error("the token is good for another audience")]
    Audience,
    #[error("the token belongs to no service account")]
    NoAccount,
}

impl Doubt {
    /// What the caller is told where nothing was said about its token: that it may come again.
    pub(super) fn passing(&self) -> Option<Fault> {
        let passes = match self {
            Self::Busy => return Some(Fault::too_many("too many logins at once; try again")),
            Self::Failed(why) => why.is_silence(),
            Self::Reviewer(_) => true,
            Self::Status(status) => outbound::is_silence(*status),
            Self::Form | Self::Refused | Self::Audience | Self::NoAccount => false,
        };
        passes.then(|| {
            Fault::unavailable(
                "the cluster cannot be asked about the token; try again",
                self,
            )
        })
    }
}

#[derive(Deserialize)]
struct Review {
    kind: String,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    authenticated: bool,
    error: String,
    user: User,
    audiences: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
    uid: String,
}

impl Reviews {
    /// Whom the cluster says the token belongs to. `audiences`: one of them must be among those that the
    /// cluster takes the token for.
    pub(super) async fn ask(
        &self,
        cluster: &Cluster,
        token: &Secret<String>,
        audiences: &[&str],
    ) -> Result<Account, Doubt> {
        let _turn = self.0.try_acquire().map_err(|_| Doubt::Busy)?;
        let mut bearer = Buffer::with_capacity(2048);
        bearer.push(b"Bearer ");
        bearer.push(
            cluster
                .reviewer
                .as_ref()
                .unwrap_or(token)
                .expose()
                .as_bytes(),
        );
        let spec = Data::object().text("token", token.expose());
        let spec = match audiences.is_empty() {
            true => spec,
            false => spec
                .value("audiences", &audiences)
                .map_err(|_| Doubt::Form)?,
        };
        let body = Data::object()
            .text("apiVersion", "authentication.k8s.io/v1")
            .text("kind", "TokenReview")
            .raw("spec", spec.finish().as_bytes())
            .finish();
        let answer = outbound::send(Asked {
            url: &cluster.url,
            trust: Trust {
                authority: &cluster.authority,
                names: &[],
            },
            body: Some((body.into_bytes(), "application/json")),
            authorization: Some(bearer.finish()),
            most: MOST,
        });
        let answer = answer.await?;
        // 201 by the book; 200 is taken, too.
        match answer.status {
            200 | 201 => {}
            // Without a reviewer it is the token itself that was not taken.
            status @ (401 | 403) if cluster.reviewer.is_some() => {
                return Err(Doubt::Reviewer(status));
            }
            status => return Err(Doubt::Status(status)),
        }
        judge(answer.body.expose(), audiences)
    }
}

fn judge(answer: &[u8], audiences: &[&str]) -> Result<Account, Doubt> {
    let review: Review = jose::document(answer).ok_or(Doubt::Form)?;
    if review.kind != "TokenReview" {
        return Err(Doubt::Form);
    }
    let status = review.status;
    if !status.authenticated || !status.error.is_empty() {
        return Err(Doubt::Refused);
    }
    // A cluster that knows no audiences names none, and has not looked at them.
    let meant = status
        .audiences
        .iter()
        .any(|audience| audiences.contains(&audience.as_str()));
    if !audiences.is_empty() && !meant {
        return Err(Doubt::Audience);
    }
    let parts: Vec<_> = status.user.username.split(':').collect();
    let ["system", "serviceaccount", namespace, name] = parts.as_slice() else {
        return Err(Doubt::NoAccount);
    };
    Ok(Account {
        namespace: (*namespace).to_owned(),
        name: (*name).to_owned(),
        uid: status.user.uid,
        secret: String::new(),
    })
}
