//! Fingerprints of stored values: where the room that searches meets the one that stores.

use cofferdam_core::Fault;
use cofferdam_core::fingerprint::{Fingerprinter, Order, Packed};
use cofferdam_detect::Label;
use cofferdam_detect::fingerprint::{
    self, LEAST_BITS, Pack, PackError, PackVerdict, Print, PrintKey, Signer,
};
use cofferdam_secret::Secret;

/// By the forms that the search knows.
pub(crate) struct Prints;

impl Fingerprinter for Prints {
    fn print(&self, key: &Secret<[u8; 32]>, value: &Secret<Vec<u8>>) -> Vec<u8> {
        Print::of(&PrintKey::new(key), value.expose(), LEAST_BITS).to_bytes()
    }

    fn public(&self, seed: &Secret<[u8; 32]>) -> Result<[u8; 32], Fault> {
        Ok(Signer::new(seed).map_err(unmade)?.public())
    }

    fn pack(&self, order: Order<'_>) -> Result<Packed, Fault> {
        let signer = Signer::new(order.seed).map_err(unmade)?;
        let mut pack = Pack::new(order.key);
        let (mut taken, mut weak) = (0, Vec::new());
        for stored in &order.values {
            let label = Label::new(&stored.path, Some(stored.version), &stored.field);
            let name = label.to_string();
            let owner = stored.owner.clone();
            match pack.add(label, Some(stored.newest), owner, &stored.value) {
                PackVerdict::Taken => taken += 1,
                PackVerdict::Weak => weak.push(name),
            }
        }
        let seconds = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
        let bytes = pack.finish(&fingerprint::Order {
            key: order.key,
            signer: &signer,
            issued: seconds(order.issued),
            expires: seconds(order.expires),
        });
        Ok(Packed {
            bytes: bytes.map_err(unmade)?,
            taken,
            weak,
        })
    }
}

fn unmade(error: PackError) -> Fault {
    Fault::internal(error)
}
