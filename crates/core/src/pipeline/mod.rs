//! The one way through the vault (design decision D3):
//!
//! ```text
//! admit → (pace) → authenticate → authorize → audit intent → dispatch → lease → audit finish → reply
//! ```
//!
//! Each stage takes the previous stage's proof by value. `Authorized` is made only by [`authorize`],
//! `Intended` only from it by [`audit`], and a [`Reply`] only by finishing an audit ticket. A refusal
//! at any stage is a [`Refused`], and the only thing to do with one is to audit it.
//!
//! [`exempt`] is the short list of routes that answer outside this path, since they must work sealed.

mod admit;
mod audit;
mod authenticate;
mod authorize;
mod dispatch;
pub(crate) mod exempt;
mod facts;
mod lease;
mod pace;
mod render;
mod request_id;

pub(crate) use lease::limits;

use crate::fault::Fault;
use crate::reply::Reply;
use crate::request::Arrival;
use crate::vault::Services;
use facts::Facts;

/// A request that ended early, with what is known of it.
struct Refused {
    facts: Box<Facts>,
    fault: Fault,
}

/// Serves one request of an unsealed vault.
pub(crate) async fn serve(services: &Services, arrival: Arrival) -> Reply {
    let admitted = match admit::admit(services, arrival) {
        Ok(admitted) => admitted,
        Err(refused) => return audit::refuse(services, refused).await,
    };
    match pace::take(services, admitted).await {
        (Ok(admitted), pace) => go(services, admitted).await.paced(pace),
        (Err(reply), pace) => reply.paced(pace),
    }
}

/// The way of a request that is not one too many.
async fn go(services: &Services, admitted: admit::Admitted) -> Reply {
    let authorized = match enter(services, admitted).await {
        Ok(authorized) => authorized,
        Err(refused) => return audit::refuse(services, refused).await,
    };
    let intended = match audit::intend(services, authorized).await {
        Ok(intended) => intended,
        Err(reply) => return reply,
    };
    let performed = dispatch::dispatch(services, intended).await;
    let issued = lease::issue(services, performed).await;
    audit::finish(services, issued).await
}

async fn enter(
    services: &Services,
    admitted: admit::Admitted,
) -> Result<authorize::Authorized, Refused> {
    let authenticated = authenticate::authenticate(services, admitted).await?;
    authorize::authorize(authenticated).await
}
