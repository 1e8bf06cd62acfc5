//! TOTP. Keys are given, so that both servers have the same.

use super::{NO_QUOTES, Step, delete, get, list, put};
use serde_json::json;

/// Each script begins on a new mount.
pub(crate) fn all() -> Vec<Vec<Step>> {
    vec![keys()]
}

/// Ours are of one bit a point, and as long as they are.
const PICTURE: &str = "no two programs make the same file of a picture";

const URL: &str = "otpauth://totp/Vault:test@test.com?algorithm=SHA512&digits=8&issuer=Vault&period=60&secret=HXDMVJECJJWSRB3HWIZR4IFUGFTMXBOZ";

fn keys() -> Vec<Step> {
    let key = "JBSWY3DPEHPK3PXP";
    let generate = json!({"generate": true, "issuer": "a b", "account_name": "c/d", "qr_size": 0});
    vec![
        list("keys"),
        get("keys/a"),
        put("keys/a", json!({})),
        put("keys/a", json!({"key": "!"})).says(NO_QUOTES),
        put("keys/a", json!({"key": key, "digits": 7})),
        put("keys/a", json!({"key": key, "algorithm": "MD5"})),
        put("keys/a", json!({"key": key, "period": 0})),
        put("keys/a", json!({"key": key, "skew": 2})),
        put("keys/a", json!({"key": key, "key_size": 0})),
        put("keys/a", json!({"key": key, "generate": true})),
        put("keys/a", json!({"url": URL, "generate": true})),
        put("keys/a", json!({"generate": true})),
        put("keys/a", json!({"generate": true, "account_name": "a"})),
        put(
            "keys/a",
            json!({"key": key, "issuer": "i", "account_name": "n", "period": "1h"}),
        ),
        get("keys/a"),
        put("keys/b", json!({"url": URL})),
        get("keys/b"),
        put(
            "keys/c",
            json!({"url": "otpauth://totp/plain?secret=JBSWY3DPEHPK3PXP"}),
        ),
        get("keys/c"),
        put(
            "keys/c",
            json!({"url": "otpauth://totp/a?secret=JBSWY3DPEHPK3PXP&period=x"}),
        ),
        put(
            "keys/c",
            json!({"url": "otpauth://totp/a?secret=JBSWY3DPEHPK3PXP&digits=x"}),
        ),
        put("keys/d", generate).random(),
        get("keys/d"),
        put(
            "keys/e",
            json!({"generate": true, "issuer": "i", "account_name": "n"}),
        )
        .random()
        .differs(PICTURE),
        put(
            "keys/f",
            json!({"generate": true, "issuer": "i", "account_name": "n", "exported": false}),
        ),
        list("keys"),
        list("keys/?after=a&limit=2"),
        put("code/none", json!({"code": "123456"})),
        get("code/none"),
        put("code/a", json!({})),
        put("code/a", json!({"code": "12345"})),
        put("code/a", json!({"code": " 12345"})),
        // The clock of an engine alone stands elsewhere: each takes its own code.
        get("code/a").loose().keeps(&["code"]),
        put("code/a", json!({"code": "$code"})),
        put("code/a", json!({"code": "$code"})),
        put("keys/a@b.c-d", json!({"key": key})),
        put("keys/-a", json!({"key": key})).says("the text says what a name is made of"),
        delete("keys/a"),
        delete("keys/a"),
        get("keys/a"),
    ]
}
