//! Rotation, counting, and replicas that rotate under each other's feet.

use super::*;
use tokio::task::JoinSet;

#[tokio::test]
async fn old_terms_still_decrypt_after_rotation() {
    let vault = vault().await;
    for term in 1..=5_u32 {
        assert_eq!(vault.barrier.term().unwrap(), Term(term));
        put(&vault.barrier, &format!("{term}"), "value").await;
        let stored = Key::from(format!("data/{term}"));
        let stored = vault.store.get(&stored).await.unwrap().unwrap();
        assert_eq!(stored.value[..4], term.to_be_bytes());
        assert_eq!(vault.barrier.rotate().await.unwrap(), Term(term + 1));
    }
    for barrier in [vault.barrier.clone(), vault.replica().await] {
        for term in 1..=5 {
            let value = get(&barrier, &format!("{term}")).await;
            assert_eq!(value.as_deref(), Some("value"));
        }
        assert_eq!(barrier.terms().unwrap().len(), 6);
    }
}

#[tokio::test]
async fn rotation_by_another_replica_is_followed() {
    let vault = vault().await;
    let other = vault.replica().await;
    other.rotate().await.unwrap();
    put(&other, "a", "new term").await;
    assert_eq!(
        vault.barrier.term().unwrap(),
        Term(1),
        "it does not know yet"
    );
    assert_eq!(get(&vault.barrier, "a").await.as_deref(), Some("new term"));
    assert_eq!(vault.barrier.term().unwrap(), Term(2));
    // A watcher follows without reading anything.
    let mut watch = other
        .watch(other.read_barrier().await.unwrap())
        .await
        .unwrap();
    vault.barrier.rotate().await.unwrap();
    let event = watch.next().await.unwrap();
    assert!(event.keys.is_empty());
    assert_eq!(other.term().unwrap(), Term(3));
}

#[tokio::test]
async fn value_of_a_removed_term_is_a_clean_error() {
    let vault = vault().await;
    put(&vault.barrier, "a", "1").await;
    // A term no keyring has: what a store restored from elsewhere, or a removed key, looks like.
    vault.tamper("data/a", |value| value[3] = 9).await;
    let read = vault.barrier.get("a").await;
    assert!(matches!(&read, Err(Error::UnknownTerm(Term(9), key)) if key == "data/a"));
    vault.tamper("data/a", |value| value[4] = 2).await;
    assert!(matches!(
        vault.barrier.get("a").await,
        Err(Error::NewerFormat(_))
    ));
}

#[tokio::test]
async fn concurrent_rotations_each_add_their_term() {
    let vault = vault().await;
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let replica = vault.replica().await;
        tasks.spawn(async move { replica.rotate().await.unwrap() });
    }
    let mut terms = tasks.join_all().await;
    terms.sort();
    assert_eq!(terms, (2..=9).map(Term).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rotation_under_load_loses_no_read() {
    let vault = vault().await;
    put(&vault.barrier, "x", "0").await;
    let mut tasks = JoinSet::new();
    for task in 0..4 {
        let barrier = vault.replica().await;
        tasks.spawn(async move {
            for round in 0..100 {
                let (key, value) = (format!("k/{task}"), format!("{task} {round}"));
                put(&barrier, &key, &value).await;
                assert_eq!(get(&barrier, &key).await, Some(value));
                assert!(get(&barrier, "x").await.is_some());
            }
        });
    }
    let rotating = vault.replica().await;
    tasks.spawn(async move {
        for _ in 0..50 {
            rotating.rotate().await.unwrap();
        }
    });
    tasks.join_all().await;
    assert_eq!(vault.replica().await.term().unwrap(), Term(51));
}

async fn limited(vault: &Vault, bound: u64, block: u64) -> Barrier<Unsealed> {
    let sealed = Barrier::new(vault.store.clone());
    let opened = sealed
        .unseal_with(&vault.root, Limits { bound, block })
        .await;
    opened.map_err(|(_, error)| error).unwrap()
}

/// How many values of each term are stored, the barrier's own records included.
async fn encryptions(vault: &Vault) -> std::collections::BTreeMap<u32, u64> {
    let mut count = std::collections::BTreeMap::new();
    let page = vault
        .store
        .range(&Span::prefix(b"data/"), None, usize::MAX)
        .await;
    for entry in page.unwrap().entries {
        let term = u32::from_be_bytes(entry.value[..4].try_into().unwrap());
        *count.entry(term).or_insert(0) += 1;
    }
    count
}

#[tokio::test]
async fn term_that_has_encrypted_enough_is_left_by_itself() {
    let vault = vault().await;
    let barrier = limited(&vault, 100, 10).await;
    for number in 0..350 {
        put(&barrier, &format!("{number}"), "v").await;
    }
    let used = encryptions(&vault).await;
    assert!(used.values().all(|count| *count <= 100), "{used:?}");
    assert!(used.len() >= 4, "{used:?}");
    for number in 0..350 {
        assert!(get(&barrier, &format!("{number}")).await.is_some());
    }
}

#[tokio::test]
async fn a_bound_may_change_and_encryptions_are_told() {
    let vault = vault().await;
    let barrier = limited(&vault, 1000, 10).await;
    assert_eq!(barrier.encryptions().await.unwrap(), 0);
    for number in 0..35 {
        put(&barrier, &format!("{number}"), "v").await;
    }
    // 35 values and the counter's own, once a block.
    assert_eq!(barrier.encryptions().await.unwrap(), 35 + 4);
    let other = limited(&vault, 1000, 10).await;
    put(&other, "other", "v").await;
    assert_eq!(
        other.encryptions().await.unwrap(),
        35 + 4 + 2 + 5,
        "what the first has taken and not used is in it"
    );
    barrier.set_bound(40);
    assert_eq!(barrier.term().unwrap(), Term(1));
    for number in 0..10 {
        put(&barrier, &format!("{number}"), "v").await;
    }
    assert_eq!(barrier.term().unwrap(), Term(2));
}

#[tokio::test]
async fn of_replicas_that_leave_a_term_one_rotates() {
    let vault = vault().await;
    let other = vault.replica().await;
    let (one, two) = tokio::join!(
        vault.barrier.rotate_from(Term(1)),
        other.rotate_from(Term(1))
    );
    let done: Vec<Term> = [one.unwrap(), two.unwrap()].into_iter().flatten().collect();
    assert_eq!(done, [Term(2)]);
    assert_eq!(vault.replica().await.term().unwrap(), Term(2));
}

#[tokio::test]
async fn bound_counts_all_replicas_and_all_restarts_together() {
    let vault = vault().await;
    let mut tasks = JoinSet::new();
    for replica in 0..6 {
        // Each replica is opened twice, as if it had crashed with a block half used.
        for start in 0..2 {
            let barrier = limited(&vault, 60, 8).await;
            tasks.spawn(async move {
                for number in 0..30 {
                    put(&barrier, &format!("{replica}/{start}/{number}"), "v").await;
                }
            });
        }
    }
    tasks.join_all().await;
    let used = encryptions(&vault).await;
    assert_eq!(used.values().sum::<u64>(), 360);
    assert!(used.values().all(|count| *count <= 60), "{used:?}");
}

#[tokio::test]
async fn new_root_key_replaces_the_old_one() {
    let vault = vault().await;
    put(&vault.barrier, "a", "1").await;
    let root = RootKey::generate().unwrap();
    let record = record(&root).await;
    let before = vault.barrier.seal_found().await.unwrap().unwrap().revision;
    vault.barrier.rekey(&root, &record, before).await.unwrap();
    let sealed = Barrier::new(vault.store.clone());
    assert_eq!(sealed.seal_record().await.unwrap(), Some(record));
    let Err((sealed, Error::WrongKey)) = sealed.unseal(&vault.root).await else {
        panic!("the old root key still opens the keyring")
    };
    let opened = sealed.unseal(&root).await;
    let opened = opened.map_err(|(_, error)| error).unwrap();
    assert_eq!(get(&opened, "a").await.as_deref(), Some("1"));
    // The barrier that did it goes on under the new key.
    vault.barrier.rotate().await.unwrap();
    assert_eq!(get(&vault.barrier, "a").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn replicas_that_are_open_follow_a_new_root_key_through_a_rotation() {
    let vault = vault().await;
    let other = limited(&vault, 1000, 10).await;
    put(&vault.barrier, "a", "1").await;
    assert_eq!(get(&other, "a").await.as_deref(), Some("1"));
    let root = RootKey::generate().unwrap();
    let record = record(&root).await;
    let before = vault.barrier.seal_found().await.unwrap().unwrap().revision;
    vault.barrier.rekey(&root, &record, before).await.unwrap();
    vault.barrier.rotate().await.unwrap();
    put(&vault.barrier, "a", "2").await;
    assert_eq!(get(&other, "a").await.as_deref(), Some("2"));
    // It does not only read: it rotates under the new root key, and the first one follows.
    other.rotate().await.unwrap();
    put(&other, "a", "3").await;
    assert_eq!(get(&vault.barrier, "a").await.as_deref(), Some("3"));
    // Two rotations on, the root key does not lie in the store any more.
    let left = vault.store.get(&Key::from("barrier/root")).await.unwrap();
    assert!(left.is_none());
    let sealed = Barrier::new(vault.store.clone());
    let opened = sealed.unseal(&root).await.map_err(|(_, error)| error);
    assert_eq!(get(&opened.unwrap(), "a").await.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_seal_is_not_replaced_by_who_has_seen_another() {
    let vault = vault().await;
    let before = vault.barrier.seal_found().await.unwrap().unwrap().revision;
    let (first, second) = (RootKey::generate().unwrap(), RootKey::generate().unwrap());
    let (one, two) = (record(&first).await, record(&second).await);
    vault.barrier.rekey(&first, &one, before).await.unwrap();
    let late = vault.barrier.rekey(&second, &two, before).await;
    assert!(matches!(late, Err(Error::SealChanged)));
    assert_eq!(vault.barrier.seal_record().await.unwrap(), Some(one));
    // A rotation in between is none of the seal's business.
    let before = vault.barrier.seal_found().await.unwrap().unwrap().revision;
    vault.barrier.rotate().await.unwrap();
    vault.barrier.rekey(&second, &two, before).await.unwrap();
    let opened = Barrier::new(vault.store.clone()).unseal(&second).await;
    assert!(opened.is_ok());
}

/// Opens nothing of what it closed, as a key does whose holder may encrypt only.
struct Stubborn(RootKey);

#[async_trait::async_trait]
impl Seal for Stubborn {
    fn kind(&self) -> &'static str {
        "stubborn"
    }

    async fn wrap(&self, _: &RootKey) -> Result<Vec<u8>, Error> {
        Ok(vec![1])
    }

    async fn unwrap(&self, _: &[u8]) -> Result<RootKey, Error> {
        RootKey::from_slice(self.0.bytes().expose())
    }

    fn promise(&self) -> String {
        String::new()
    }
}

#[tokio::test]
async fn what_does_not_open_again_is_not_taken_for_closed() {
    let root = RootKey::generate().unwrap();
    let other = Stubborn(RootKey::generate().unwrap());
    assert!(matches!(
        crate::seal::close(&other, &root).await,
        Err(Error::Seal(_))
    ));
    let same = Stubborn(RootKey::from_slice(root.bytes().expose()).unwrap());
    assert_eq!(crate::seal::close(&same, &root).await.unwrap(), [1]);
}
