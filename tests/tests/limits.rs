//! Limits by role and limits of leases, and counters, on our server and on a real OpenBao.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, reason = "the scripts there are for other tests")]
#[path = "../../crates/engines/src/same_as_openbao/exchange/mod.rs"]
mod exchange;

use exchange::server::{Bao, ask};
use flows::Server;
use serde_json::{Value, json};

/// A server that takes requests as root.
struct Side<'a> {
    name: &'static str,
    address: &'a str,
}

impl Side<'_> {
    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        ask(self.address, method, path, body).expect("an answer")
    }

    fn status(&self, method: &str, path: &str, body: &Value) -> u16 {
        self.ask(method, path, body).0
    }

    /// The RoleID of an AppRole role that is made now, and a SecretID.
    fn role(&self, name: &str, uses: u32) -> Value {
        let role = format!("auth/approle/role/{name}");
        assert_eq!(
            self.status("POST", &role, &json!({"token_policies": "default"})),
            204
        );
        let (_, id) = self.ask("GET", &format!("{role}/role-id"), &Value::Null);
        let (_, secret) = self.ask(
            "POST",
            &format!("{role}/secret-id"),
            &json!({"num_uses": uses}),
        );
        json!({"role_id": id["data"]["role_id"], "secret_id": secret["data"]["secret_id"]})
    }

    fn login(&self, with: &Value) -> (u16, Value) {
        self.ask("POST", "auth/approle/login", with)
    }
}

#[test]
fn limits_by_role_and_counters_are_as_on_openbao() {
    let (server, bao) = (Server::dev("root"), Bao::start());
    let ours = server.address().trim_start_matches("http://").to_owned();
    let theirs = bao.url().trim_start_matches("http://").to_owned();
    let sides = [
        Side {
            name: "ours",
            address: &ours,
        },
        Side {
            name: "OpenBao",
            address: &theirs,
        },
    ];
    let seen = sides.map(|side| {
        for kind in ["approle", "userpass", "kubernetes", "cert"] {
            let path = format!("sys/auth/{kind}");
            assert_eq!(
                side.status("POST", &path, &json!({"type": kind})),
                204,
                "{}",
                side.name
            );
        }
        let mut seen = Vec::new();
        for (name, path) in [
            ("approle", "auth/approle"),
            ("kubernetes", "auth/kubernetes/"),
            ("cert", "auth/cert"),
            ("userpass", "auth/userpass"),
            ("token", "auth/token"),
            ("below", "auth/approle/login"),
            ("sys", "sys"),
            ("nowhere", "auth/nowhere"),
            ("all", ""),
        ] {
            let rule = json!({"path": path, "rate": 1, "interval": "1h", "role": "web"});
            let status = side.status("POST", &format!("sys/quotas/rate-limit/{name}"), &rule);
            seen.push(format!("{name} {status}"));
        }
        let (web, db) = (side.role("web", 0), side.role("db", 0));
        for (name, with) in [
            ("web", &web),
            ("db", &db),
            ("web", &web),
            ("db", &db),
            ("web", &web),
        ] {
            seen.push(format!("login {name} {}", side.login(with).0));
        }
        let (status, counted) = side.ask("GET", "sys/internal/counters/entities", &Value::Null);
        seen.push(format!("{status} {}", counted["data"]));
        seen
    });
    assert_eq!(seen[0], seen[1]);
    assert!(
        seen[0].contains(&"login web 429".to_owned()),
        "{:?}",
        seen[0]
    );
    assert!(seen[0].contains(&"approle 204".to_owned()), "{:?}", seen[0]);
}

#[test]
fn a_login_over_its_limit_of_leases_takes_nothing_away() {
    let server = Server::dev("root");
    let address = server.address().trim_start_matches("http://").to_owned();
    let side = Side {
        name: "ours",
        address: &address,
    };
    assert_eq!(
        side.status("POST", "sys/auth/approle", &json!({"type": "approle"})),
        204
    );
    let rule = json!({"path": "auth/approle", "role": "web", "max_leases": 2});
    assert_eq!(
        side.status("POST", "sys/quotas/lease-count/web", &rule),
        204
    );
    let (many, once, other) = (side.role("web", 0), side.role("web", 1), side.role("db", 0));
    let (_, first) = side.login(&many);
    assert_eq!(side.login(&many).0, 200);
    let (status, refused) = side.login(&once);
    assert_eq!(
        (status, &refused["errors"]),
        (429, &json!(["lease count quota exceeded"]))
    );
    // Whether the credentials were right is not told.
    let wrong = json!({"role_id": many["role_id"], "secret_id": "wrong"});
    assert_eq!(side.login(&wrong).0, 429);
    for _ in 0..3 {
        assert_eq!(side.login(&other).0, 200, "another role");
    }
    let token = json!({"token": first["auth"]["client_token"]});
    assert_eq!(side.status("POST", "auth/token/revoke", &token), 204);
    // Its one use was not taken.
    assert_eq!(side.login(&once).0, 200);
    assert_eq!(side.login(&many).0, 429);
    let (_, listed) = side.ask("LIST", "sys/quotas/lease-count", &Value::Null);
    assert_eq!(listed["data"]["keys"], json!(["web"]));
    assert_eq!(
        side.status("DELETE", "sys/quotas/lease-count/web", &Value::Null),
        204
    );
    assert_eq!(side.login(&many).0, 200);
    // When OpenBao has them as well, compare.
    let bao = Bao::start();
    assert_eq!(bao.ask("POST", "sys/quotas/lease-count/web", &rule).0, 404);
}
