use super::*;
use crate::Memory;

fn candidate(id: &str) -> Candidate {
    Candidate {
        office: "office".to_owned(),
        id: id.to_owned(),
        ttl: Duration::from_secs(30),
    }
}

fn store() -> Arc<dyn Store> {
    Arc::new(Memory::new())
}

#[tokio::test(start_paused = true)]
async fn challenger_waits_a_whole_ttl_of_silence() {
    let store = store();
    let _silent = candidate("a").campaign(Arc::clone(&store)).await.unwrap();
    let begun = Instant::now();
    candidate("b").campaign(store).await.unwrap();
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_secs(30), "{waited:?}");
    assert!(waited < Duration::from_secs(31), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn living_leader_is_not_replaced() {
    let store = store();
    let mut leader = candidate("a").campaign(Arc::clone(&store)).await.unwrap();
    let challenger = candidate("b").campaign(Arc::clone(&store));
    tokio::select! {
        _ = challenger => panic!("two leaders"),
        _ = leader.keep() => panic!("lost without a reason"),
        () = sleep(Duration::from_secs(3600)) => {}
    }
    assert!(leader.is_fresh());
}

#[tokio::test(start_paused = true)]
async fn late_write_of_a_replaced_leader_is_not_applied() {
    let store = store();
    let mut old = candidate("a").campaign(Arc::clone(&store)).await.unwrap();
    let new = candidate("b").campaign(Arc::clone(&store)).await.unwrap();
    let write = |leader: &Leadership, value: &'static str| {
        let mut transaction = Transaction::new().put(Key::from("work"), value);
        transaction.compares.push(leader.fence());
        transaction
    };
    assert_eq!(
        store.commit(write(&old, "old")).await.unwrap(),
        Commit::Conflict
    );
    let done = store.commit(write(&new, "new")).await.unwrap();
    assert!(matches!(done, Commit::Done(_)));
    assert_eq!(old.renew().await.unwrap(), Err(Lost));
    // Resigning late must not take the beat of the new leader away.
    old.resign().await.unwrap();
    assert!(
        store
            .get(&Key::from("office/beat"))
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test(start_paused = true)]
async fn resigned_office_is_taken_without_waiting() {
    let store = store();
    let old = candidate("a").campaign(Arc::clone(&store)).await.unwrap();
    old.resign().await.unwrap();
    let begun = Instant::now();
    candidate("b").campaign(store).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}
