//! A vault, and requests to it.

use cofferdam_barrier::Barrier;
use cofferdam_core::clock::{Clock, ManualClock, Time};
use cofferdam_core::engine::{Access, Happened, Pending, Route, Routed, Touched};
use cofferdam_core::fingerprint::{Fingerprinter, Order, Packed};
use cofferdam_core::json::{Budget, Data};
use cofferdam_core::mount::Class;
use cofferdam_core::{
    Answer, Arrival, Fault, Info, Kind, Offer, Outcome, Parts, Peer, Response, SealChoice, Vault,
    Verb,
};
use cofferdam_secret::Secret;
use cofferdam_store::{Store, memory::Memory};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a login of the probe says.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Sent {
    groups: Vec<String>,
    policies: Vec<String>,
    metadata: BTreeMap<String, String>,
}

/// An engine to try the pipeline with: keeps one value, panics on demand, logs people in.
pub struct Probe;

impl Routed for Probe {
    const ROUTES: &'static [Route<Self>] = &[
        Route::new(
            "panic",
            &[(Verb::Read, |_, _| {
                Box::pin(async { panic!("a value: hunter2-canary") })
            })],
        ),
        Route::new(
            "login",
            &[(Verb::Write, |_, _| {
                Box::pin(async {
                    let policies = vec!["reader".to_owned()];
                    Ok(Outcome::Login(Box::new(cofferdam_core::Login {
                        policies,
                        ..Default::default()
                    })))
                })
            })],
        )
        .access(Access::Anonymous),
        Route::new(
            "login/:name",
            &[(Verb::Write, |_, call| {
                Box::pin(async move {
                    let sent: Sent = call.body.parse()?;
                    Ok(Outcome::Login(Box::new(cofferdam_core::Login {
                        alias: Some(cofferdam_core::Alias {
                            name: call.capture("name").to_owned(),
                            metadata: sent.metadata,
                        }),
                        groups: sent.groups,
                        policies: sent.policies,
                        ..Default::default()
                    })))
                })
            })],
        )
        .access(Access::Anonymous),
        Route::new(
            "names/:count",
            &[(Verb::List, |_, call| {
                Box::pin(async move {
                    let count = call.capture("count").parse().unwrap_or_default();
                    let names: Vec<_> = (0_u32..count).map(|n| format!("\"{n}\"")).collect();
                    let keys = format!("[{}]", names.join(","));
                    let data = Data::object().raw("keys", keys.as_bytes()).finish();
                    Ok(Outcome::Data(Response::of(data)))
                })
            })],
        ),
        Route::new(
            "data/*path",
            &[
                (Verb::Read, |_, call| {
                    Box::pin(async move {
                        let stored = call.view.get(call.path.as_str()).await?;
                        let stored = stored.ok_or_else(cofferdam_core::Fault::missing)?;
                        Ok(Outcome::Data(Response::of(Data::from_raw(stored.value))))
                    })
                }),
                (Verb::Write, |_, call| {
                    Box::pin(async move {
                        let value = Secret::new(call.body.as_bytes().to_vec());
                        let batch = cofferdam_barrier::Batch::new().put(call.path.as_str(), value);
                        call.view.commit(batch).await?.ignore();
                        Ok(Outcome::Done)
                    })
                }),
            ],
        ),
    ];

    fn locks(&self) -> bool {
        true
    }

    fn renew<'a>(
        &'a self,
        _: &'a cofferdam_barrier::View,
        _: &'a cofferdam_core::token::Entry,
    ) -> Pending<'a, cofferdam_core::Login> {
        Box::pin(async { Ok(cofferdam_core::Login::default()) })
    }

    fn events<'a>(&'a self, touched: &'a [Touched<'a>]) -> Pending<'a, Vec<Happened>> {
        let told = touched.iter().map(|key| Happened {
            event_type: "probe/write",
            operation: "write",
            path: key.key().to_owned(),
            data_path: key.key().to_owned(),
            more: Vec::new(),
        });
        let told = told.collect();
        Box::pin(async move { Ok(told) })
    }
}

/// "Fingerprints" that show what they were made of: for tests of who gets which.
pub struct Initials;

impl Fingerprinter for Initials {
    fn print(&self, key: &Secret<[u8; 32]>, value: &Secret<Vec<u8>>) -> Vec<u8> {
        vec![key.expose()[0], value.expose().len() as u8]
    }

    fn public(&self, seed: &Secret<[u8; 32]>) -> Result<[u8; 32], Fault> {
        Ok(seed.expose().map(|byte| !byte))
    }

    fn pack(&self, order: Order<'_>) -> Result<Packed, Fault> {
        let names = order.values.iter();
        Ok(Packed {
            bytes: vec![order.values.len() as u8],
            taken: order.values.len(),
            weak: names
                .map(|value| format!("{}@{}", value.path, value.version))
                .collect(),
        })
    }
}

pub struct Answered {
    pub fault: Option<Kind>,
    pub text: String,
    pub body: Value,
}

pub struct Harness {
    pub vault: Arc<Vault>,
    pub clock: Arc<ManualClock>,
    pub store: Arc<dyn Store>,
    pub root: String,
    pub keys: Vec<String>,
}

pub fn parts(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Parts {
    let probe = Arc::new(Probe);
    Parts {
        barrier: Barrier::new(store),
        seal: SealChoice::Shamir,
        former: None,
        offers: vec![
            Offer {
                class: Class::Secret,
                kind: "probe",
                engine: probe.clone(),
            },
            Offer {
                class: Class::Auth,
                kind: "probe",
                engine: probe,
            },
        ],
        fingerprinter: Arc::new(Initials),
        host: Arc::new(cofferdam_core::host::Nowhere),
        clock,
        budget: Budget::default(),
        info: Info {
            version: "0".to_owned(),
            cluster_name: "test".to_owned(),
            storage_type: "inmem".to_owned(),
        },
    }
}

pub const START: Time = Time::from_nanos(1_700_000_000_000_000_000);

impl Harness {
    /// Not initialized yet.
    pub async fn blank() -> Self {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let clock = Arc::new(ManualClock::at(START));
        let vault = Vault::open(parts(store.clone(), clock.clone()))
            .await
            .unwrap();
        Self {
            vault,
            clock,
            store,
            root: String::new(),
            keys: Vec::new(),
        }
    }

    /// Initialized 3 of 2, unsealed, with the probe mounted as `secret` and as auth method.
    pub async fn open() -> Self {
        let mut harness = Self::blank().await;
        let init = harness
            .call(
                Verb::Write,
                "sys/init",
                "",
                json!({"secret_shares": 3, "secret_threshold": 2}),
            )
            .await;
        assert_eq!(init.fault, None, "{}", init.text);
        harness.root = init.body["root_token"].as_str().unwrap().to_owned();
        harness.keys = init.body["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key.as_str().unwrap().to_owned())
            .collect();
        harness.unseal().await;
        harness
            .write("sys/mounts/secret", json!({"type": "probe"}))
            .await;
        harness
            .write("sys/auth/probe", json!({"type": "probe"}))
            .await;
        harness
    }

    /// Another replica over the same store, with one engine more.
    pub async fn beside(&self, offer: Offer) -> Self {
        let mut parts = parts(self.store.clone(), self.clock.clone());
        parts.offers.push(offer);
        let replica = Self {
            vault: Vault::open(parts).await.unwrap(),
            clock: self.clock.clone(),
            store: self.store.clone(),
            root: self.root.clone(),
            keys: self.keys.clone(),
        };
        replica.unseal().await;
        replica
    }

    pub async fn unseal(&self) {
        for key in self.keys.iter().take(2) {
            let answered = self
                .call(Verb::Write, "sys/unseal", "", json!({"key": key}))
                .await;
            assert_eq!(answered.fault, None, "{}", answered.text);
        }
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

    /// As root; must succeed.
    pub async fn list(&self, path: &str) -> Value {
        let answered = self.call(Verb::List, path, &self.root, Value::Null).await;
        assert_eq!(answered.fault, None, "{path}: {}", answered.text);
        answered.body
    }

    pub async fn call(&self, verb: Verb, path: &str, token: &str, body: Value) -> Answered {
        self.arrive(arrival(verb, path, token, &body)).await
    }

    pub async fn arrive(&self, arrival: Arrival) -> Answered {
        let reply = self.vault.handle(arrival).await;
        match reply.into_answer() {
            Answer::Body(bytes)
            | Answer::Partial(_, bytes)
            | Answer::Gone(bytes)
            | Answer::Health(_, bytes) => Answered {
                fault: None,
                text: String::new(),
                body: serde_json::from_slice(bytes.expose()).unwrap(),
            },
            Answer::Empty | Answer::Text(_) | Answer::Stream(_) | Answer::Log(_) => Answered {
                fault: None,
                text: String::new(),
                body: Value::Null,
            },
            Answer::Fault(fault) => Answered {
                fault: Some(fault.kind()),
                text: fault.public().to_owned(),
                body: Value::Null,
            },
        }
    }

    /// A token with these policies, made by root.
    pub async fn token(&self, body: Value) -> String {
        self.write("auth/token/create", body).await["auth"]["client_token"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub fn later(&self, span: Duration) {
        self.clock.advance(span);
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
        open: cofferdam_core::Open::default(),
        body: Secret::new(if body.is_null() {
            Vec::new()
        } else {
            serde_json::to_vec(body).unwrap()
        }),
        peer: Peer::Network("127.0.0.1:4000".parse().unwrap()),
    }
}
