use super::*;
use crate::seal::shamir::Shamir;
use crate::seal::{Config, Record, Seal};
use cofferdam_store::Memory;

mod entries;
mod terms;
mod views;

fn text(value: &str) -> Secret<Vec<u8>> {
    Secret::new(value.as_bytes().to_vec())
}

struct Vault {
    store: Arc<Memory>,
    root: RootKey,
    barrier: Barrier<Unsealed>,
}

async fn record(root: &RootKey) -> Record {
    Record {
        config: Config {
            kind: "shamir".to_owned(),
            shares: 5,
            threshold: 3,
        },
        wrapped: Shamir::generate().unwrap().wrap(root).await.unwrap(),
        recovery: None,
        generation: 0,
        people: None,
    }
}

async fn vault() -> Vault {
    let store = Arc::new(Memory::new());
    let root = RootKey::generate().unwrap();
    let sealed = Barrier::new(store.clone());
    let barrier = sealed.initialize(&root, &record(&root).await).await;
    Vault {
        store,
        barrier: barrier.map_err(|(_, error)| error).unwrap(),
        root,
    }
}

impl Vault {
    /// The same store, opened by another process.
    async fn replica(&self) -> Barrier<Unsealed> {
        let sealed = Barrier::new(self.store.clone());
        let opened = sealed.unseal(&self.root).await;
        opened.map_err(|(_, error)| error).unwrap()
    }

    /// What a thief with the disk sees, changed as one who may write to it would.
    async fn tamper(&self, key: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let key = Key::from(key);
        let entry = self.store.get(&key).await.unwrap().unwrap();
        let mut value = entry.value.to_vec();
        change(&mut value);
        let transaction = Transaction::new().put(key, value);
        let _ = self.store.commit(transaction).await.unwrap();
    }
}

async fn put(barrier: &Barrier<Unsealed>, key: &str, value: &str) -> Revision {
    let batch = Batch::new().put(key, text(value));
    match barrier.commit(batch).await.unwrap() {
        Commit::Done(revision) => revision,
        Commit::Conflict => panic!("no condition was given"),
    }
}

async fn get(barrier: &Barrier<Unsealed>, key: &str) -> Option<String> {
    let opened = barrier.get(key).await.unwrap()?;
    Some(String::from_utf8(opened.value.expose().clone()).unwrap())
}
