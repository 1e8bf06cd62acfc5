use super::*;
use crate::conformance::{self, Factory};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

mod disks;
mod places;

fn options() -> Options {
    Options {
        history: History {
            events: conformance::HISTORY,
            ..History::default()
        },
        ..Options::default()
    }
}

/// Stores in numbered directories, found again by the address of the store they were given for.
struct OnDisk {
    root: tempfile::TempDir,
    count: AtomicUsize,
    places: Mutex<HashMap<usize, PathBuf>>,
}

impl OnDisk {
    fn open(&self, place: PathBuf) -> Arc<dyn Store> {
        let store = Arc::new(Embedded::open(&place, options()).unwrap());
        let address = Arc::as_ptr(&store) as usize;
        self.places.lock().unwrap().insert(address, place);
        store
    }
}

#[async_trait]
impl Factory for OnDisk {
    async fn fresh(&self) -> Arc<dyn Store> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        self.open(self.root.path().join(format!("{number}")))
    }

    async fn reopened(&self, store: Arc<dyn Store>) -> Option<Arc<dyn Store>> {
        assert_eq!(Arc::strong_count(&store), 1);
        let address = Arc::as_ptr(&store).cast::<()>() as usize;
        let place = self.places.lock().unwrap().remove(&address).unwrap();
        drop(store);
        Some(self.open(place))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn embedded_keeps_the_contract() {
    let factory = OnDisk {
        root: tempfile::tempdir().unwrap(),
        count: AtomicUsize::new(0),
        places: Mutex::default(),
    };
    conformance::run(&factory).await;
}
