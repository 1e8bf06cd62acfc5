//! A place of its own for every token.
//!
//! Everything is stored below the hash of the caller's token ([`prefix_for`]), relative to the
//! mount: whoever revokes a token deletes that prefix of the mount's view, and what was in its
//! cubbyhole is gone with it. No policy and no other token, not even root, reaches it.
//!
//! Follows Vault's cubbyhole API: a write replaces the whole object; values come back byte for byte.

use cofferdam_core::engine::{Pending, Route, Routed};
use cofferdam_core::json::Data;
use cofferdam_core::{Call, Fault, Outcome, Response, Verb};
use cofferdam_secret::Secret;

/// The engine's name in mount tables.
pub const KIND: &str = "cubbyhole";

/// The engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cubbyhole;

/// Where the cubbyhole of the token with this hash lies in the mount's view.
#[must_use]
pub fn prefix_for(token_hash: &str) -> String {
    format!("{token_hash}/")
}

impl Routed for Cubbyhole {
    const ROUTES: &'static [Route<Self>] = &[Route::new(
        "*path",
        &[
            (Verb::Read, read),
            (Verb::Write, write),
            (Verb::Delete, delete),
            (Verb::List, list),
        ],
    )
    .takes_anything()
    .creating(exists)];
}

/// The storage key of the called path, or why there is none.
fn key(call: &Call<'_>) -> Result<String, Fault> {
    match call.capture("path") {
        "" => Err(Fault::invalid("missing path")),
        path => Ok(format!("{}{path}", own(call)?)),
    }
}

fn own(call: &Call<'_>) -> Result<String, Fault> {
    let token = call.caller.token();
    if token.is_some_and(|token| token.is_batch()) {
        return Err(Fault::invalid(
            "cubbyhole operations are only supported by 'service' type tokens",
        ));
    }
    token.map(|token| prefix_for(&token.hash)).ok_or_else(|| {
        Fault::invalid(
            "a cubbyhole belongs to a token, and this request has none; log in to get one",
        )
    })
}

fn exists<'a>(_: &'a Cubbyhole, call: &'a Call<'a>) -> Pending<'a, bool> {
    Box::pin(async move { Ok(call.view.get(&key(call)?).await?.is_some()) })
}

fn read<'a>(_: &'a Cubbyhole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let found = call
            .view
            .get(&key(&call)?)
            .await?
            .ok_or_else(Fault::missing)?;
        Ok(Outcome::Data(Response::of(Data::from_raw(found.value))))
    })
}

fn write<'a>(_: &'a Cubbyhole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let key = key(&call)?;
        if call.body.is_empty() {
            return Err(Fault::invalid("missing data fields"));
        }
        let object = Secret::new(call.body.as_raw().as_bytes().to_vec());
        let _last_write_wins = call.view.commit(call.view.batch().put(key, object)).await?;
        Ok(Outcome::Done)
    })
}

fn delete<'a>(_: &'a Cubbyhole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let _last_write_wins = call
            .view
            .commit(call.view.batch().delete(key(&call)?))
            .await?;
        Ok(Outcome::Done)
    })
}

fn list<'a>(_: &'a Cubbyhole, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let mut prefix = own(&call)?;
        if !call.capture("path").is_empty() {
            prefix.push_str(call.capture("path"));
            prefix.push('/');
        }
        Outcome::keys(&call.view.list(&prefix, None, usize::MAX).await?.names)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{Bench, token};
    use cofferdam_core::Caller;
    use serde_json::json;
    use std::sync::Arc;

    async fn cubbyhole() -> Bench {
        Bench::new(Cubbyhole, &[]).await
    }

    #[tokio::test]
    async fn a_token_reads_lists_and_deletes_what_it_wrote() {
        let hole = cubbyhole().await;
        assert_eq!(hole.read("a").await.refusal(), (404, ""));
        assert_eq!(
            hole.write("a", json!({"k": "v", "n": {"m": [1]}}))
                .await
                .status,
            204
        );
        assert_eq!(hole.write("a/b", json!({"k": 1})).await.status, 204);
        assert_eq!(
            hole.read("a").await.data,
            json!({"k": "v", "n": {"m": [1]}})
        );
        assert_eq!(hole.list("").await.data["keys"], json!(["a", "a/"]));
        assert_eq!(hole.list("a/").await.data["keys"], json!(["b"]));
        assert_eq!(hole.delete("a").await.status, 204);
        assert_eq!(hole.delete("a").await.status, 204);
        assert_eq!(hole.read("a").await.status, 404);
        assert_eq!(hole.read("a/b").await.status, 200);
    }

    #[tokio::test]
    async fn no_other_token_sees_it() {
        let mut hole = cubbyhole().await;
        hole.write("a", json!({"k": "v"})).await;
        hole.caller = Caller::Token(Arc::new(token("ffff")));
        assert_eq!(hole.read("a").await.status, 404);
        assert_eq!(hole.list("").await.status, 404);
        hole.write("a", json!({"k": "mine"})).await;
        hole.caller = Caller::Token(Arc::new(token("a1b2")));
        assert_eq!(hole.read("a").await.data, json!({"k": "v"}));
    }

    #[tokio::test]
    async fn everything_of_a_token_lies_under_its_prefix() {
        let hole = cubbyhole().await;
        hole.write("a/b", json!({"k": "v"})).await;
        assert_eq!(hole.keys().await, [format!("{}a/b", prefix_for("a1b2"))]);
    }

    #[tokio::test]
    async fn without_a_token_there_is_none() {
        let mut hole = cubbyhole().await;
        hole.caller = Caller::Local { uid: 0 };
        let text = "a cubbyhole belongs to a token, and this request has none; log in to get one";
        assert_eq!(hole.read("a").await.refusal(), (400, text));
        assert_eq!(
            hole.write("a", json!({"k": 1})).await.refusal(),
            (400, text)
        );
        assert_eq!(hole.list("").await.refusal(), (400, text));
    }

    #[tokio::test]
    async fn a_write_needs_a_path_and_data() {
        let hole = cubbyhole().await;
        assert_eq!(
            hole.write("a", json!({})).await.refusal(),
            (400, "missing data fields")
        );
        assert_eq!(
            hole.write("", json!({"k": 1})).await.refusal(),
            (400, "missing path")
        );
        assert_eq!(hole.read("").await.refusal(), (400, "missing path"));
    }
}
