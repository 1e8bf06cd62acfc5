//! A vault with everything in it, and requests to it.

use cofferdam_barrier::Barrier;
use cofferdam_core::clock::{ManualClock, Time};
use cofferdam_core::engine::Listed;
use cofferdam_core::fingerprint::{Fingerprinter, Order, Packed};
use cofferdam_core::json::Budget;
use cofferdam_core::mount::Class;
use cofferdam_core::{
    Answer, Arrival, Fault, Info, Kind, Open, Parts, Peer, SealChoice, Vault, Verb,
};
use cofferdam_secret::Secret;
use cofferdam_store::{Memory, Span, Store};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const START: Time = Time::from_nanos(1_790_000_000_000_000_000);

/// Fingerprints are other tests' business.
struct NoPrints;

impl Fingerprinter for NoPrints {
    fn print(&self, _: &Secret<[u8; 32]>, _: &Secret<Vec<u8>>) -> Vec<u8> {
        Vec::new()
    }

    fn public(&self, seed: &Secret<[u8; 32]>) -> Result<[u8; 32], Fault> {
        Ok(*seed.expose())
    }

    fn pack(&self, _: Order<'_>) -> Result<Packed, Fault> {
        Err(Fault::invalid("not here"))
    }
}

/// What came of a request.
#[derive(Debug)]
pub struct Answered {
    pub fault: Option<Kind>,
    pub text: String,
    pub body: Value,
}

/// One replica.
pub struct House {
    pub vault: Arc<Vault>,
    pub clock: Arc<ManualClock>,
    pub store: Arc<dyn Store>,
    pub root: String,
    keys: Vec<String>,
}

/// Every row of every mount, with a path that it serves.
pub struct Served {
    pub path: String,
    pub row: Listed,
}

async fn open(store: &Arc<dyn Store>, clock: &Arc<ManualClock>) -> Arc<Vault> {
    let parts = Parts {
        barrier: Barrier::new(store.clone()),
        seal: SealChoice::Shamir,
        former: None,
        offers: cofferdam_engines::offers(),
        fingerprinter: Arc::new(NoPrints),
        host: Arc::new(cofferdam_core::host::Nowhere),
        clock: clock.clone(),
        budget: Budget::default(),
        info: Info {
            version: "0".to_owned(),
            cluster_name: "test".to_owned(),
            storage_type: "inmem".to_owned(),
        },
    };
    Vault::open(parts).await.unwrap()
}

impl House {
    /// Open, with nothing mounted beside what every vault has.
    pub async fn empty() -> Self {
        Self::over(Arc::new(Memory::new())).await
    }

    pub async fn over(store: Arc<dyn Store>) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let mut house = Self {
            vault: open(&store, &clock).await,
            clock,
            store,
            root: String::new(),
            keys: Vec::new(),
        };
        let counts = json!({"secret_shares": 1, "secret_threshold": 1});
        let init = house.call(Verb::Write, "sys/init", "", counts).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        house.root = text(&init.body["root_token"]);
        house.keys = vec![text(&init.body["keys"][0])];
        house.unseal().await;
        house
    }

    /// Open, with one mount of each kind, below a path of the kind's name.
    pub async fn full() -> Self {
        let house = Self::empty().await;
        for offer in cofferdam_engines::offers() {
            let kind = json!({"type": offer.kind});
            match offer.class {
                Class::Auth => house.write(&format!("sys/auth/{}", offer.kind), kind).await,
                // It is there from the beginning, once.
                Class::Secret if offer.kind == "cubbyhole" => Value::Null,
                Class::Secret => {
                    house
                        .write(&format!("sys/mounts/{}", offer.kind), kind)
                        .await
                }
            };
        }
        let options = json!({"type": "kv", "options": {"version": "2"}});
        house.write("sys/mounts/kv2", options).await;
        house
    }

    /// Another replica over the same store, with a clock of its own that shows the same.
    pub async fn beside(&self) -> Self {
        self.beside_over(self.store.clone()).await
    }

    /// The same, with a way of its own to the store.
    pub async fn beside_over(&self, store: Arc<dyn Store>) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let replica = Self {
            vault: open(&store, &clock).await,
            clock,
            store,
            root: self.root.clone(),
            keys: self.keys.clone(),
        };
        replica.unseal().await;
        replica
    }

    pub async fn unseal(&self) {
        for key in &self.keys {
            let key = json!({ "key": key });
            let answered = self.call(Verb::Write, "sys/unseal", "", key).await;
            assert_eq!(answered.fault, None, "{}", answered.text);
        }
    }

    /// What is served, by the route tables: no list beside them.
    pub async fn served(&self) -> Vec<Served> {
        let rows = self.vault.routes().await.unwrap();
        assert!(rows.len() > 300, "{} routes", rows.len());
        let served = rows.into_iter().map(|(mount, row)| {
            let parts = row.pattern.split('/');
            let parts = parts.map(|part| part.trim_start_matches([':', '~', '*']));
            let parts = parts.filter(|part| !part.is_empty());
            let all: Vec<_> = std::iter::once(mount.as_str()).chain(parts).collect();
            Served {
                path: all.join("/"),
                row,
            }
        });
        served.collect()
    }

    /// Key and revision of everything that is stored, whatever it says.
    pub async fn stored(&self) -> BTreeMap<String, u64> {
        let page = self.store.range(&Span::prefix(b""), None, usize::MAX).await;
        let entries = page.unwrap().entries.into_iter();
        let name = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
        entries
            .map(|entry| (name(entry.key.as_bytes()), entry.revision.0))
            .collect()
    }

    /// As root; must succeed.
    pub async fn write(&self, path: &str, body: Value) -> Value {
        let answered = self.call(Verb::Write, path, &self.root, body).await;
        assert_eq!(answered.fault, None, "{path}: {}", answered.text);
        answered.body
    }

    /// As root; must succeed.
    pub async fn read(&self, path: &str) -> Value {
        let answered = self.call(Verb::Read, path, &self.root, Value::Null).await;
        assert_eq!(answered.fault, None, "{path}: {}", answered.text);
        answered.body
    }

    /// A token that root made.
    pub async fn token(&self, body: Value) -> String {
        let made = self.write("auth/token/create", body).await;
        made["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    pub async fn call(&self, verb: Verb, path: &str, token: &str, body: Value) -> Answered {
        self.arrive(arrival(verb, path, token, &body)).await
    }

    pub async fn arrive(&self, arrival: Arrival) -> Answered {
        let mut answered = Answered {
            fault: None,
            text: String::new(),
            body: Value::Null,
        };
        match self.vault.handle(arrival).await.into_answer() {
            Answer::Body(bytes)
            | Answer::Partial(_, bytes)
            | Answer::Gone(bytes)
            | Answer::Health(_, bytes) => {
                answered.body = serde_json::from_slice(bytes.expose()).unwrap();
            }
            Answer::Empty | Answer::Text(_) | Answer::Stream(_) | Answer::Log(_) => {}
            Answer::Fault(fault) => {
                answered.fault = Some(fault.kind());
                answered.text = fault.public().to_owned();
            }
        }
        answered
    }
}

pub fn arrival(verb: Verb, path: &str, token: &str, body: &Value) -> Arrival {
    Arrival {
        verb,
        path: path.to_owned(),
        query: Vec::new(),
        token: (!token.is_empty()).then(|| Secret::new(token.to_owned())),
        wrap_ttl: None,
        namespace: None,
        headers: Vec::new(),
        open: Open::default(),
        body: Secret::new(match body {
            Value::Null => Vec::new(),
            body => serde_json::to_vec(body).unwrap(),
        }),
        peer: Peer::Network("127.0.0.1:4000".parse().unwrap()),
    }
}
