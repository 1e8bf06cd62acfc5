//! The cubbyhole.

use super::server::Bao;
use super::{compare, delete, get, list, put};
use crate::harness::Bench;
use crate::secrets::cubbyhole::Cubbyhole;
use serde_json::json;

#[tokio::test]
async fn the_cubbyhole_answers_as_openbao_does() {
    let ours = Bench::new(Cubbyhole, &[]).await;
    let bao = Bao::start().await;
    let our_fault = "a caller's mistake is not a 500";
    let script = vec![
        get("a"),
        list("a"),
        put("a", json!({})).differs(our_fault),
        put("a", json!({"k": "v", "n": 1, "o": {"x": [1, null]}})),
        get("a"),
        put("a/b", json!({"k": "v", "ttl": "1h"})),
        get("a/b"),
        list("a"),
        list("a/"),
        put("a/", json!({"a": 1})).says("the rule of every trailing slash"),
        delete("a"),
        delete("a"),
        get("a"),
        get("a/b"),
    ];
    compare(&ours, &bao, "cubbyhole", script).await;
}
