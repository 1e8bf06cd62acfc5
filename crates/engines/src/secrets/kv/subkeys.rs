//! `subkeys/PATH`: the names of a secret's fields without any value.

use super::data::{self, Found};
use super::{Kv, elsewhere};
use cofferdam_core::engine::{Pending, Route};
use cofferdam_core::json::Body;
use cofferdam_core::json::Raw;
use cofferdam_core::{Call, Fault, Outcome, Response, Verb};
use cofferdam_secret::Buffer;

pub(super) const ROUTE: Route<Kv> =
    Route::new("subkeys/*path", &[(Verb::Read, read)]).asks(&["version", "depth"]);

fn read<'a>(_: &'a Kv, call: Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        if call.capture("path").is_empty() {
            return elsewhere::root();
        }
        let depth = data::number(call.query, "depth")?;
        match data::find(&call, data::wanted(call.query)?).await? {
            Found::Dead(meta, number) => Ok(Outcome::Gone(Response::of(data::answer(
                "subkeys", b"null", &meta, number,
            )?))),
            Found::Alive(meta, number, value, _) => {
                let stored =
                    Body::checked(value, &super::merge::STORED).map_err(Fault::internal)?;
                let mut out = Buffer::with_capacity(256);
                outline(stored.as_raw(), depth, 1, &mut out);
                let answer = data::answer("subkeys", out.as_slice(), &meta, number)?;
                Ok(Outcome::Data(Response::of(answer)))
            }
        }
    })
}

/// Writes an object with every leaf replaced by null. An object without fields, and one below
/// `depth` (zero: no limit), is a leaf.
fn outline(object: Raw<'_>, depth: i64, level: i64, out: &mut Buffer) {
    out.push(b"{");
    for (position, (name, value)) in object.fields().enumerate() {
        if position > 0 {
            out.push(b",");
        }
        super::merge::push_name(out, name);
        let below = level + 1;
        if (depth == 0 || below <= depth) && value.fields().next().is_some() {
            outline(value, depth, below, out);
        } else {
            out.push(b"null");
        }
    }
    out.push(b"}");
}
