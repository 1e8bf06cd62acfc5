//! How requests name another token: by itself or by its accessor.

use super::super::{Entry, Store};
use crate::fault::Fault;
use crate::request::Call;
use cofferdam_secret::Secret;
use serde::Deserialize;

/// `{"token": …}`.
#[derive(Deserialize)]
pub(super) struct ByToken {
    pub(super) token: Option<Secret<String>>,
}

/// `{"accessor": …}`.
#[derive(Deserialize)]
pub(super) struct ByAccessor {
    accessor: Option<String>,
}

impl ByToken {
    pub(super) fn required(self) -> Result<Secret<String>, Fault> {
        self.token
            .filter(|token| !token.is_empty())
            .ok_or_else(|| Fault::invalid("missing token ID"))
    }
}

impl ByAccessor {
    /// The live token behind the accessor. An unknown one is told as such: accessors are handles that
    /// only holders of a policy on this route may try.
    pub(super) async fn find(self, store: &Store, call: &Call<'_>) -> Result<Entry, Fault> {
        let accessor = self
            .accessor
            .filter(|text| !text.is_empty())
            .ok_or_else(|| Fault::invalid("missing accessor"))?;
        let found = store.by_accessor(call.now, &accessor).await?;
        found
            .ok_or_else(|| Fault::denied().noting("the accessor is unknown or its token has ended"))
    }
}
