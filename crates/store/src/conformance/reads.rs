//! Points and ranges: order, pages, edges of spans, sizes.

use super::{Factory, done, key, put, value};
use crate::{Error, Key, MAX_KEY, MAX_TRANSACTION, Page, Revision, Span, Store, Transaction};
use bytes::Bytes;

pub(super) async fn check(factory: &dyn Factory) {
    empty_store_has_nothing(factory).await;
    entry_carries_the_revision_that_put_it(factory).await;
    keys_are_ordered_as_bytes(factory).await;
    pages_of_any_size_make_the_whole(factory).await;
    spans_end_where_they_say(factory).await;
    any_size_up_to_the_limit_is_taken(factory).await;
}

async fn all(store: &dyn Store, span: &Span) -> Page {
    store.range(span, None, usize::MAX).await.unwrap()
}

fn keys(page: &Page) -> Vec<Vec<u8>> {
    let bytes = |entry: &crate::Entry| entry.key.as_bytes().to_vec();
    page.entries.iter().map(bytes).collect()
}

async fn empty_store_has_nothing(factory: &dyn Factory) {
    let store = factory.fresh().await;
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    assert_eq!(all(&*store, &Span::prefix(b"")).await, Page::default());
    assert_eq!(store.barrier().await.unwrap(), Revision(0));
}

async fn entry_carries_the_revision_that_put_it(factory: &dyn Factory) {
    let store = factory.fresh().await;
    let first = put(&*store, "a", "1").await;
    let other = put(&*store, "b", "1").await;
    let entry = store.get(&key("a")).await.unwrap().unwrap();
    assert_eq!((entry.revision, &entry.value[..]), (first, &b"1"[..]));
    let second = put(&*store, "a", "2").await;
    assert!(first < other && other < second, "revisions must grow");
    let page = all(&*store, &Span::prefix(b"")).await;
    let revisions: Vec<_> = page.entries.iter().map(|entry| entry.revision).collect();
    assert_eq!(revisions, [second, other]);
    done(&*store, Transaction::new().delete(key("a"))).await;
    assert_eq!(value(&*store, "a").await, None);
}

async fn keys_are_ordered_as_bytes(factory: &dyn Factory) {
    let store = factory.fresh().await;
    let mut sorted: Vec<Vec<u8>> = vec![
        vec![0],
        vec![0, 0],
        vec![0, 255],
        b"A".to_vec(),
        b"a".to_vec(),
        b"a/".to_vec(),
        b"a/b".to_vec(),
        b"a0".to_vec(),
        "é".into(),
        vec![254, 255],
        vec![255],
        vec![255, 0],
        vec![255, 255],
    ];
    sorted.sort();
    for bytes in sorted.iter().rev() {
        let at = Key::new(bytes.clone());
        done(&*store, Transaction::new().put(at, Bytes::new())).await;
    }
    assert_eq!(keys(&all(&*store, &Span::prefix(b"")).await), sorted);
    for prefix in [&b"a"[..], &[0], &[255], &[255, 255], b"none"] {
        let expected: Vec<_> = sorted.iter().filter(|at| at.starts_with(prefix)).collect();
        let found = keys(&all(&*store, &Span::prefix(prefix)).await);
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{prefix:?}");
    }
}

async fn pages_of_any_size_make_the_whole(factory: &dyn Factory) {
    let store = factory.fresh().await;
    let mut fill = Transaction::new();
    for number in 0..23 {
        fill = fill.put(key(&format!("p/{number:02}")), format!("{number}"));
    }
    done(&*store, fill.put(key("q"), "beyond")).await;
    let span = Span::prefix(b"p/");
    let whole = all(&*store, &span).await;
    assert_eq!(whole.entries.len(), 23);
    assert!(!whole.more);
    for limit in 1..=24 {
        let mut found = Vec::new();
        loop {
            let after = found.last().map(|entry: &crate::Entry| entry.key.clone());
            let page = store.range(&span, after.as_ref(), limit).await.unwrap();
            assert!(page.entries.len() <= limit, "more entries than asked for");
            found.extend(page.entries);
            if !page.more {
                break;
            }
        }
        assert_eq!(found, whole.entries, "pages of {limit}");
    }
    let none = store.range(&span, None, 0).await.unwrap();
    assert!(none.entries.is_empty() && none.more);
}

async fn spans_end_where_they_say(factory: &dyn Factory) {
    let store = factory.fresh().await;
    for at in ["a", "b", "c"] {
        put(&*store, at, "").await;
    }
    let span = |start: &str, end: &str| Span {
        start: key(start),
        end: Some(key(end)),
    };
    let found = |page: Page| keys(&page).concat();
    assert_eq!(found(all(&*store, &span("a", "c")).await), b"ab");
    assert_eq!(found(all(&*store, &span("b", "b")).await), b"");
    assert_eq!(found(all(&*store, &span("c", "a")).await), b"");
    let after = |at: &'static str| {
        let store = &store;
        async move {
            let page = store.range(&span("b", "d"), Some(&key(at)), 9).await;
            keys(&page.unwrap()).concat()
        }
    };
    assert_eq!(after("a").await, b"bc", "before the start is no bound");
    assert_eq!(after("b").await, b"c");
    assert_eq!(after("bb").await, b"c", "an absent key is a bound too");
    assert_eq!(after("d").await, b"");
    assert_eq!(after("z").await, b"");
}

async fn any_size_up_to_the_limit_is_taken(factory: &dyn Factory) {
    let store = factory.fresh().await;
    for size in [0, 1, 4095, 4096, 70_000, 3 << 20] {
        let value: Bytes = (0..size).map(|at| at as u8).collect::<Vec<_>>().into();
        let long = Key::new(vec![b'k'; MAX_KEY]);
        let transaction = Transaction::new().put(long.clone(), value.clone());
        done(&*store, transaction).await;
        let found = store.get(&long).await.unwrap().unwrap();
        assert!(found.value == value, "a value of {size} bytes changed");
    }
    let long = Key::new(vec![b'k'; MAX_KEY + 1]);
    let too_long = store.commit(Transaction::new().put(long, "")).await;
    assert!(matches!(too_long, Err(Error::TooLarge(_))));
    let large = Bytes::from(vec![0; MAX_TRANSACTION]);
    let too_large = store.commit(Transaction::new().put(key("k"), large)).await;
    assert!(matches!(too_large, Err(Error::TooLarge(_))));
}
