//! What Vault serves here and we do not.

use super::Transit;
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::{Call, Fault, Verb};

pub(super) const CSR: Route<Transit> =
    Route::new("keys/:name/csr", &[(Verb::Write, certificates)]).computing();
pub(super) const CERTIFICATE: Route<Transit> =
    Route::new("keys/:name/set-certificate", &[(Verb::Write, certificates)]).computing();

fn certificates<'a>(_: &'a Transit, _: Call<'a>) -> Pending<'a> {
    Box::pin(async {
        Err(Fault::unsupported(
            "unsupported path: transit serves no certificates; sign with sign/NAME instead",
        ))
    })
}
