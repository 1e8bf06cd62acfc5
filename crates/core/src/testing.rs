//! What unit tests of several rooms need.

use cofferdam_barrier::{Barrier, RootKey, Unsealed, seal};
use cofferdam_store::Store;
use std::sync::Arc;

/// The open barrier of a new vault in `store`.
pub(crate) async fn barrier(store: Arc<dyn Store>) -> Barrier<Unsealed> {
    let root = RootKey::generate().unwrap();
    let record = seal::Record {
        config: seal::Config {
            kind: "shamir".to_owned(),
            shares: 1,
            threshold: 1,
        },
        wrapped: Vec::new(),
        recovery: None,
        generation: 0,
        people: None,
    };
    let barrier = Barrier::new(store).initialize(&root, &record).await;
    barrier.map_err(|(_, error)| error).unwrap()
}
