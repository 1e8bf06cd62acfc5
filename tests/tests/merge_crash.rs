//! Entities are merged while the server is killed: afterwards there are both, as they were, or the one
//! that they became; no alias, no membership and no token is lost or there twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../../crates/engines/src/same_as_openbao/exchange/server.rs"]
#[allow(dead_code, reason = "shared with the comparison of engines")]
mod http;

use flows::Server;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const CONFIG: &str = r#"
storage "embedded" { path = "DIR/data" }
listener "tcp" {
  address = "127.0.0.1:0"
  tls_disable = true
}
seal "static" {
  current_key_id = "a"
  current_key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
}
"#;
const ROUNDS: usize = 4;
/// Merges of a round.
const MERGES: usize = 20;
const HANDS: usize = 4;
/// The mounts whose roles are aliases: the first one's stay, the others' come to them.
const MOUNTS: [&str; 3] = ["one", "two", "three"];

fn try_ask(
    address: &str,
    token: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Option<(u16, Value)> {
    let address = address.strip_prefix("http://").unwrap();
    http::ask_as(token, address, method, path, body)
}

struct Flow {
    server: Server,
    token: String,
    accessors: Vec<String>,
}

/// Entities of three mounts that are one person, the groups they are in, and their tokens.
struct Person {
    name: String,
    entities: [String; 3],
    groups: [String; 3],
    /// Of the second and of the third one's login.
    tokens: [String; 2],
}

impl Flow {
    fn start() -> Self {
        let server = Server::configured(CONFIG);
        let wanted = json!({"recovery_shares": 1, "recovery_threshold": 1});
        let made = try_ask(server.address(), "", "POST", "sys/init", &wanted)
            .unwrap()
            .1;
        let mut flow = Self {
            server,
            token: made["root_token"].as_str().unwrap().to_owned(),
            accessors: Vec::new(),
        };
        for mount in MOUNTS {
            flow.done(
                "POST",
                &format!("sys/auth/{mount}"),
                &json!({"type": "approle"}),
            );
            let mounted = flow.get(&format!("sys/auth/{mount}"));
            flow.accessors
                .push(mounted["accessor"].as_str().unwrap().to_owned());
        }
        flow
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        try_ask(self.server.address(), &self.token, method, path, body).expect("an answer")
    }

    fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, path, body);
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    }

    fn get(&self, path: &str) -> Value {
        self.done("GET", path, &Value::Null)["data"].clone()
    }

    fn person(&self, name: &str) -> Person {
        let mut entities = Vec::new();
        let mut tokens = Vec::new();
        let mut groups = Vec::new();
        for mount in MOUNTS {
            let role = format!("auth/{mount}/role/{name}");
            let open = json!({"bind_secret_id": false, "token_bound_cidrs": ["127.0.0.0/8"]});
            self.done("POST", &role, &open);
            let id = json!({ "role_id": name });
            self.done("POST", &format!("{role}/role-id"), &id);
            let login = self.done("POST", &format!("auth/{mount}/login"), &id);
            let entity = login["auth"]["entity_id"].as_str().unwrap().to_owned();
            tokens.push(login["auth"]["client_token"].as_str().unwrap().to_owned());
            let group = json!({"name": format!("{name}-{mount}"), "member_entity_ids": [entity], "policies": [format!("of-{mount}")]});
            let group = self.done("POST", "identity/group", &group);
            groups.push(group["data"]["id"].as_str().unwrap().to_owned());
            entities.push(entity);
        }
        let [_, second, third] = <[String; 3]>::try_from(tokens).unwrap();
        Person {
            name: name.to_owned(),
            entities: entities.try_into().unwrap(),
            groups: groups.try_into().unwrap(),
            tokens: [second, third],
        }
    }

    /// Whether the person is one; anything but whole or untouched fails.
    fn is_merged(&self, person: &Person) -> bool {
        let name = &person.name;
        let [to, from @ ..] = &person.entities;
        let whole = self.get(&format!("identity/entity/id/{to}"));
        let aliases = |entity: &Value| -> BTreeMap<String, String> {
            let aliases = entity["aliases"].as_array().unwrap();
            let text = |alias: &Value, field: &str| alias[field].as_str().unwrap().to_owned();
            let found: BTreeMap<_, _> = aliases
                .iter()
                .map(|alias| (text(alias, "mount_accessor"), text(alias, "name")))
                .collect();
            assert_eq!(
                found.len(),
                aliases.len(),
                "{name}: an alias is there twice: {entity}"
            );
            found
        };
        let merged = !whole["merged_entity_ids"].is_null();
        let own = aliases(&whole);
        assert_eq!(own.len(), if merged { 3 } else { 1 }, "{name}: {whole}");
        assert!(own.values().all(|alias| alias == name));
        if merged {
            let mut ids: Vec<_> = whole["merged_entity_ids"].as_array().unwrap().clone();
            ids.sort_by_key(Value::to_string);
            let mut wanted: Vec<_> = from.iter().map(|id| json!(id)).collect();
            wanted.sort_by_key(Value::to_string);
            assert_eq!(ids, wanted, "{name}");
        }
        for (n, id) in person.entities.iter().enumerate() {
            let holder = if merged { to } else { id };
            // Who it is by the alias: what the next login finds.
            let sought = json!({"alias_name": name, "alias_mount_accessor": self.accessors[n]});
            let found = self.done("POST", "identity/lookup/entity", &sought);
            assert_eq!(found["data"]["id"], json!(holder), "{name} {n}");
            // Its group has one member, whoever it is now, and that one knows of the group.
            let group = self.get(&format!("identity/group/id/{}", person.groups[n]));
            assert_eq!(group["member_entity_ids"], json!([holder]), "{name} {n}");
            let member = self.get(&format!("identity/entity/id/{holder}"));
            let knows = member["direct_group_ids"].as_array().unwrap();
            let count = knows
                .iter()
                .filter(|id| **id == json!(person.groups[n]))
                .count();
            assert_eq!(count, 1, "{name} {n}: {member}");
            if n > 0 && !merged {
                assert_eq!(aliases(&member).len(), 1, "{name} {n}: {member}");
            }
            // Tokens that are out are the same person's, with what that one may.
            if n > 0 {
                let token = self.done(
                    "POST",
                    "auth/token/lookup",
                    &json!({"token": person.tokens[n - 1]}),
                );
                let policies = token["data"]["identity_policies"].to_string();
                assert!(
                    policies.contains(&format!("of-{}", MOUNTS[n])),
                    "{name} {n}: {token}"
                );
                assert_eq!(policies.contains("of-one"), merged, "{name} {n}: {token}");
            }
        }
        merged
    }
}

#[test]
fn merged_entities_are_both_or_one_after_a_kill() {
    let mut flow = Flow::start();
    let mut people: Vec<Person> = Vec::new();
    let mut between = 0;
    for round in 0..ROUNDS {
        let begun = people.len();
        people.extend((0..MERGES).map(|n| flow.person(&format!("p{round}-{n}"))));
        let jobs: Vec<(usize, Value)> = people[begun..]
            .iter()
            .enumerate()
            .map(|(n, person)| {
                let [to, second, third] = &person.entities;
                (
                    n,
                    json!({"to_entity_id": to, "from_entity_ids": [second, third]}),
                )
            })
            .collect();
        let jobs = Arc::new(Mutex::new(jobs));
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let count = Arc::new(AtomicUsize::new(0));
        let hands: Vec<_> = (0..HANDS)
            .map(|_| {
                let (jobs, acknowledged, count) = (
                    Arc::clone(&jobs),
                    Arc::clone(&acknowledged),
                    Arc::clone(&count),
                );
                let (address, token) = (flow.server.address().to_owned(), flow.token.clone());
                std::thread::spawn(move || {
                    loop {
                        let Some((n, body)) = jobs.lock().unwrap().pop() else {
                            return;
                        };
                        match try_ask(&address, &token, "POST", "identity/entity/merge", &body) {
                            Some((status, answer)) => {
                                assert!(status < 300, "{answer}");
                                acknowledged.lock().unwrap().push(n);
                                count.fetch_add(1, Ordering::SeqCst);
                            }
                            // The power is gone.
                            None => return,
                        }
                    }
                })
            })
            .collect();
        let end = Instant::now() + Duration::from_mins(1);
        while count.load(Ordering::SeqCst) < 3 * (round + 1) {
            assert!(Instant::now() < end, "nothing is merged");
            std::thread::yield_now();
        }
        flow.server.kill();
        for hand in hands {
            hand.join().unwrap();
        }
        flow.server = flow.server.again();
        let merged: Vec<bool> = people[begun..]
            .iter()
            .map(|person| flow.is_merged(person))
            .collect();
        for n in acknowledged.lock().unwrap().iter() {
            assert!(
                merged[*n],
                "what was acknowledged is gone: {n} of round {round}"
            );
        }
        between += usize::from(
            merged.iter().any(|merged| *merged) && !merged.iter().all(|merged| *merged),
        );
        // What was cut off can be done again.
        for person in &people[begun..] {
            let [to, second, third] = &person.entities;
            if !flow.is_merged(person) {
                let body = json!({"to_entity_id": to, "from_entity_ids": [second, third]});
                flow.done("POST", "identity/entity/merge", &body);
                assert!(flow.is_merged(person));
            }
        }
    }
    assert!(
        between >= ROUNDS / 2,
        "{between} of {ROUNDS} were killed among their merges"
    );
    println!("{between} of {ROUNDS} kills came among the merges");
    let counted = |path: &str| {
        flow.get(&format!("{path}?list=true"))["keys"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(counted("identity/entity/id"), people.len());
    assert_eq!(counted("identity/entity-alias/id"), 3 * people.len());
    assert_eq!(counted("identity/group/id"), 3 * people.len());
}
