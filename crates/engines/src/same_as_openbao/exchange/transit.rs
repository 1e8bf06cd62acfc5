//! Transit. Keys are restored from backups that OpenBao made (`backups.json`), so that both servers
//! have the same: then what is not random is compared byte by byte, and what is random on one server
//! is decrypted or verified on the other.

use super::{NO_QUOTES, Step, delete, get, list, put};
use serde_json::{Value, json};

/// Each script begins on a new mount.
pub(crate) fn all() -> Vec<Vec<Step>> {
    vec![
        restored(),
        keys(),
        settings(),
        encryption(),
        derivation(),
        signatures(),
        hmacs(),
        exports(),
        imports(),
        agreements(),
        tools(),
    ]
}

/// A mistake of the caller's, which OpenBao answers with its own failure.
const CALLER: &str = "a mistake of the caller's is a 400, not a 500";
/// Text that OpenBao makes of what was sent.
const NAMES: &str = NO_QUOTES;

fn backups() -> serde_json::Map<String, Value> {
    serde_json::from_str(include_str!("backups.json")).unwrap()
}

fn backup(name: &str) -> Value {
    backups()[name].clone()
}

/// Restores one of the backups under its own name.
fn restore(name: &str) -> Step {
    put("restore", json!({"backup": backup(name)}))
}

/// Base64.
fn b64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn restored() -> Vec<Step> {
    let mut script = Vec::new();
    for name in backups().keys() {
        script.push(restore(name));
        script.push(get(format!("keys/{name}")));
    }
    script.extend([
        list("keys"),
        list("keys/?limit=3"),
        list("keys/?after=ed&limit=2"),
        restore("aes128").differs(CALLER),
        put(
            "restore",
            json!({"backup": backup("aes128"), "force": true}),
        ),
        put("restore/other", json!({"backup": backup("aes128")})),
        get("keys/other"),
        put("restore/a/b", json!({"backup": backup("aes128")})).differs(CALLER),
        put("restore", json!({})),
        put("restore", json!({"backup": "!"})).differs(CALLER),
        // An object without a policy is left out: it makes OpenBao panic.
        put("restore", json!({"backup": b64("not json")})).differs(CALLER),
        get("backup/nothing").differs(CALLER),
        // Go writes the nanoseconds of a time without their last zeros.
        get("backup/aes128").loose(),
        put("keys/closed", json!({})),
        get("backup/closed").differs(CALLER),
        put("keys/closed/config", json!({"exportable": true})),
        get("backup/closed").differs(CALLER),
    ]);
    script
}

fn keys() -> Vec<Step> {
    let mut script = vec![
        get("keys/a"),
        list("keys"),
        delete("keys/a"),
        put("keys/a", json!({})),
        put("keys/a", json!({"type": "chacha20-poly1305"})),
        get("keys/a"),
        put("keys/b", json!({"type": "unknown"})).says(NAMES),
        put("keys/b", json!({"convergent_encryption": true})),
        put("keys/b", json!({"auto_rotate_period": 5})),
        put("keys/b", json!({"auto_rotate_period": "x"})).says(NAMES),
        put("keys/b", json!({"auto_rotate_period": "24h"})),
        put("keys/b", json!({"key_size": 64})),
        put("keys/h", json!({"type": "hmac"})).differs(CALLER),
        put("keys/h", json!({"type": "hmac", "key_size": 8})).says(NAMES),
        put("keys/h", json!({"type": "hmac", "key_size": 64})),
        put("keys/e", json!({"type": "ecdsa-p256", "derived": true})).differs(CALLER),
        put(
            "keys/e",
            json!({"type": "ed25519", "derived": true, "convergent_encryption": true}),
        )
        .differs(CALLER),
        put("keys/r", json!({"type": "rsa-2048", "derived": true})).differs(CALLER),
        put(
            "keys/c",
            json!({"derived": true, "convergent_encryption": true}),
        ),
        put("keys/d", json!({"type": "ed25519", "derived": true})),
        get(format!("keys/d?context={}", b64("c"))).random(),
        get("keys/d?context=%21"),
        list("keys"),
        delete("keys/a"),
        put("keys/a/config", json!({"deletion_allowed": true})),
        delete("keys/a"),
        get("keys/a"),
        put("keys/b/rotate", json!({})),
        put("keys/none/rotate", json!({})),
        delete("keys/b/soft-delete"),
        delete("keys/b/soft-delete"),
        get("keys/b"),
        put("encrypt/b", json!({"plaintext": b64("x")})),
        put("keys/b/rotate", json!({})).differs(CALLER),
        put("keys/b/soft-delete-restore", json!({})),
        put("keys/b/soft-delete-restore", json!({})),
        delete("keys/none/soft-delete").differs("nothing was deleted, and no answer says so"),
        put("encrypt/b", json!({"plaintext": b64("x")})).random(),
        get("cache-config"),
        put("cache-config", json!({"size": 5})),
        put("cache-config", json!({"size": 100})),
        get("cache-config"),
        get("config/keys"),
        put("config/keys", json!({"disable_upsert": true})),
        get("config/keys"),
        put("encrypt/new", json!({"plaintext": b64("x")})),
        put("config/keys", json!({"disable_upsert": false})),
        put("encrypt/new", json!({"plaintext": b64("x")})).random(),
        get("keys/new"),
    ];
    for kind in [
        "aes128-gcm96",
        "aes256-gcm96",
        "chacha20-poly1305",
        "xchacha20-poly1305",
        "ecdsa-p256",
        "ecdsa-p384",
        "ecdsa-p521",
        "ed25519",
        "rsa-2048",
    ] {
        script.push(put(format!("keys/{kind}"), json!({"type": kind})).random());
        script.push(put(format!("keys/{kind}/rotate"), json!({})).random());
    }
    script
}

fn settings() -> Vec<Step> {
    let config = |body: Value| put("keys/aes256/config", body);
    let trim = |body: Value| put("keys/aes256/trim", body);
    vec![
        restore("aes256"),
        config(json!({})),
        config(json!({"min_decryption_version": -1})),
        config(json!({"min_decryption_version": 99})),
        config(json!({"min_encryption_version": -1})),
        config(json!({"min_encryption_version": 99})),
        config(json!({"min_encryption_version": 1})),
        config(json!({"min_decryption_version": "x"})).says(NAMES),
        config(json!({"min_decryption_version": 0})),
        get("keys/aes256"),
        config(json!({"min_decryption_version": 3, "min_encryption_version": 4})),
        config(json!({"exportable": false, "allow_plaintext_backup": false})),
        config(json!({"auto_rotate_period": "59m"})),
        config(json!({"auto_rotate_period": "1h"})),
        config(json!({"auto_rotate_period": 0})),
        config(json!({"deletion_allowed": false})),
        put("keys/none/config", json!({})).says(NAMES),
        trim(json!({})),
        trim(json!({"min_available_version": 9})),
        trim(json!({"min_available_version": 4})),
        trim(json!({"min_available_version": 0})),
        trim(json!({"min_available_version": 2})),
        trim(json!({"min_available_version": 1})),
        trim(json!({"min_available_version": 3})),
        put("keys/none/trim", json!({"min_available_version": 1})),
        config(json!({"min_decryption_version": 2})),
        config(json!({"min_encryption_version": 0})),
        get("keys/aes256"),
        put("keys/fresh", json!({})),
        put("keys/fresh/trim", json!({"min_available_version": 1})),
    ]
}

fn encryption() -> Vec<Step> {
    let mut script = Vec::new();
    for name in ["aes256", "aes128", "chacha", "xchacha", "rsa2048"] {
        let decrypt = format!("decrypt/{name}");
        script.extend([
            restore(name),
            put(
                format!("encrypt/{name}"),
                json!({"plaintext": b64("secret")}),
            )
            .random()
            .keeps(&["ciphertext"]),
            put(decrypt.clone(), json!({"ciphertext": "$ciphertext"})),
            put(
                format!("rewrap/{name}"),
                json!({"ciphertext": "$ciphertext"}),
            )
            .random()
            .keeps(&["ciphertext"]),
            put(decrypt.clone(), json!({"ciphertext": "$ciphertext"})),
            put(format!("encrypt/{name}"), json!({"plaintext": ""}))
                .random()
                .keeps(&["ciphertext"]),
            put(decrypt.clone(), json!({"ciphertext": "$ciphertext"})),
            put(format!("datakey/wrapped/{name}"), json!({}))
                .random()
                .keeps(&["ciphertext"]),
            put(decrypt.clone(), json!({"ciphertext": "$ciphertext"})).random(),
            put(format!("datakey/plaintext/{name}"), json!({"bits": 512})).random(),
        ]);
        for bad in [
            "",
            "nothing",
            "vault:v1",
            "vault:vx:AAAA",
            "vault:v0:AAAA",
            "vault:v-1:AAAA",
            "vault:v99:AAAA",
            "vault:v99999999999999999999:AAAA",
            "vault:v4:",
            "vault:v4:!",
            "vault:v1:AAAA",
        ] {
            let step = put(decrypt.clone(), json!({"ciphertext": bad}));
            let opens = bad.ends_with(":AAAA") && !bad.contains('x') && !bad.contains("99");
            script.push(if name == "rsa2048" && opens && !bad.contains("-1") {
                step.differs(CALLER)
            } else {
                step
            });
        }
        script.push(put(decrypt, json!({})));
    }
    let aad = |data: &str| json!({"plaintext": b64("x"), "associated_data": b64(data)});
    script.extend([
        put("encrypt/aes256", json!({})),
        put("encrypt/aes256", json!({"plaintext": "!"})),
        put("encrypt/aes256", json!({"plaintext": "Zm9vZg="})).says(NAMES),
        put(
            "encrypt/aes256",
            json!({"plaintext": b64("x"), "key_version": 2}),
        ),
        put(
            "encrypt/aes256",
            json!({"plaintext": b64("x"), "key_version": 3}),
        )
        .random(),
        put(
            "encrypt/aes256",
            json!({"plaintext": b64("x"), "key_version": 5}),
        ),
        put(
            "encrypt/aes256",
            json!({"plaintext": b64("x"), "key_version": -1}),
        ),
        put(
            "encrypt/aes256",
            json!({"plaintext": b64("x"), "key_version": "x"}),
        )
        .says(NAMES),
        put("encrypt/aes256", aad("d"))
            .random()
            .keeps(&["ciphertext"]),
        put("decrypt/aes256", json!({"ciphertext": "$ciphertext"})),
        put(
            "decrypt/aes256",
            json!({"ciphertext": "$ciphertext", "associated_data": b64("d")}),
        ),
        put(
            "encrypt/aes256",
            json!({"plaintext": b64("x"), "associated_data": "!"}),
        )
        .differs(CALLER),
        put("encrypt/rsa2048", aad("d")).says("a single request has no place in a batch"),
        put(
            "encrypt/rsa2048",
            json!({"plaintext": b64(&"x".repeat(191))}),
        )
        .differs(CALLER),
        put("rewrap/aes256", json!({})),
        put("rewrap/none", json!({"ciphertext": "vault:v1:AAAA"})),
        put("decrypt/none", json!({"ciphertext": "vault:v1:AAAA"})),
        put("datakey/other/aes256", json!({})),
        put("datakey/wrapped/none", json!({})),
        put("datakey/wrapped/aes256", json!({"bits": 100})),
        put("datakey/wrapped/aes256", json!({"context": "!"})),
        put(
            "encrypt/p",
            json!({"plaintext": b64("x"), "type": "ecdsa-p256"}),
        ),
        put("encrypt/p", json!({"plaintext": b64("x"), "type": "zzz"})).says(NAMES),
        put(
            "encrypt/p",
            json!({"plaintext": b64("x"), "convergent_encryption": true}),
        ),
        put("keys/sig", json!({"type": "ed25519"})).random(),
        put("encrypt/sig", json!({"plaintext": b64("x")})),
        put("decrypt/sig", json!({"ciphertext": "vault:v1:AAAA"})),
    ]);
    script.extend(batches());
    script
}

fn batches() -> Vec<Step> {
    let good = json!({"plaintext": b64("a"), "reference": "r1"});
    let bad = json!({"plaintext": "!", "reference": "r2"});
    let encrypt = |items: Value| put("encrypt/aes256", json!({"batch_input": items}));
    let decrypt = |items: Value| put("decrypt/aes256", json!({"batch_input": items}));
    vec![
        encrypt(json!([])),
        encrypt(json!("x")).differs(CALLER),
        encrypt(json!([1])).differs(CALLER),
        encrypt(json!([{"reference": "x"}])).differs(CALLER),
        encrypt(json!([good, good]))
            .random()
            .keeps(&["batch_results"]),
        decrypt(json!("$batch_results")),
        put("rewrap/aes256", json!({"batch_input": "$batch_results"})).random(),
        encrypt(json!([good, bad])).random(),
        encrypt(json!([bad, bad])),
        put(
            "encrypt/aes256",
            json!({"batch_input": [good, bad], "partial_failure_response_code": 207}),
        )
        .random(),
        put(
            "encrypt/aes256",
            json!({"batch_input": [bad, bad], "partial_failure_response_code": 207}),
        ),
        put(
            "encrypt/aes256",
            json!({"batch_input": [good, bad], "partial_failure_response_code": 999}),
        )
        .random(),
        encrypt(json!([good, {"plaintext": b64("a"), "context": b64("c")}])),
        decrypt(json!([{"ciphertext": ""}, {"ciphertext": "x"}])),
        put(
            "rewrap/aes256",
            json!({"batch_input": [{"ciphertext": "x"}, {"ciphertext": "vault:v9:AAAA"}]}),
        ),
    ]
}

fn derivation() -> Vec<Step> {
    let with = |context: &str| json!({"plaintext": b64("same"), "context": b64(context)});
    let mut script = Vec::new();
    for name in ["convergent", "convergent128", "convergentx"] {
        let encrypt = format!("encrypt/{name}");
        script.extend([
            restore(name),
            // Not random: both have the key, and the nonce follows from the text.
            put(encrypt.clone(), with("a")),
            put(encrypt.clone(), with("b")).keeps(&["ciphertext"]),
            put(
                format!("decrypt/{name}"),
                json!({"ciphertext": "$ciphertext", "context": b64("b")}),
            ),
            put(
                format!("decrypt/{name}"),
                json!({"ciphertext": "$ciphertext", "context": b64("a")}),
            ),
            put(
                format!("decrypt/{name}"),
                json!({"ciphertext": "$ciphertext"}),
            ),
            put(encrypt.clone(), json!({"plaintext": b64("same")})),
            put(
                encrypt.clone(),
                json!({"plaintext": b64("same"), "context": "!"}),
            ),
            put(
                format!("rewrap/{name}"),
                json!({"ciphertext": "$ciphertext", "context": b64("b")}),
            ),
        ]);
    }
    script.extend([
        put(
            "encrypt/convergent",
            json!({"plaintext": b64("x"), "context": b64("c"), "key_version": 1}),
        ),
        put(
            "encrypt/convergent",
            json!({"batch_input": [with("a"), with("b")]}),
        ),
        restore("derived"),
        put("encrypt/derived", with("a"))
            .random()
            .keeps(&["ciphertext"]),
        put(
            "decrypt/derived",
            json!({"ciphertext": "$ciphertext", "context": b64("a")}),
        ),
        put(
            "decrypt/derived",
            json!({"ciphertext": "$ciphertext", "context": b64("b")}),
        ),
        restore("edderived"),
        get(format!("keys/edderived?context={}", b64("c"))),
        get("keys/edderived"),
        put(
            "sign/edderived",
            json!({"input": b64("m"), "context": b64("c")}),
        )
        .keeps(&["signature"]),
        put(
            "verify/edderived",
            json!({"input": b64("m"), "context": b64("c"), "signature": "$signature"}),
        ),
        put(
            "verify/edderived",
            json!({"input": b64("m"), "context": b64("d"), "signature": "$signature"}),
        ),
        put("sign/edderived", json!({"input": b64("m")})).differs(CALLER),
        put("encrypt/upserted", with("a")).random(),
        get("keys/upserted"),
        put(
            "encrypt/upsertedc",
            json!({"plaintext": b64("x"), "context": b64("c"), "convergent_encryption": true}),
        )
        .random(),
        get("keys/upsertedc"),
    ]);
    script
}

const HASHES: [&str; 9] = [
    "sha1", "sha2-224", "sha2-256", "sha2-384", "sha2-512", "sha3-224", "sha3-256", "sha3-384",
    "sha3-512",
];

fn signatures() -> Vec<Step> {
    let input = b64("message");
    let mut script = Vec::new();
    for name in ["p256", "p384", "p521", "ed", "rsa2048", "rsa3072"] {
        script.push(restore(name));
        // One hash is enough to see that the size of a modulus makes no difference.
        let hashes = if name == "rsa3072" {
            &HASHES[2..3]
        } else {
            &HASHES[..]
        };
        for hash in hashes {
            let mut bodies = vec![json!({}), json!({"marshaling_algorithm": "jws"})];
            if name.starts_with("rsa") {
                bodies.extend([
                    json!({"signature_algorithm": "pkcs1v15"}),
                    json!({"signature_algorithm": "pss", "salt_length": "hash"}),
                    json!({"salt_length": 7}),
                ]);
            }
            for mut body in bodies {
                body["input"] = json!(input);
                let (sign, mut check) = (
                    put(format!("sign/{name}/{hash}"), body.clone()),
                    body.clone(),
                );
                // RSA with PKCS #1 and Ed25519 are not random: compared byte by byte.
                let fixed = name == "ed" || body["signature_algorithm"] == "pkcs1v15";
                let sign = sign.keeps(&["signature"]);
                script.push(if fixed {
                    sign
                } else {
                    sign.random_but_der(name)
                });
                check["signature"] = json!("$signature");
                script.push(put(format!("verify/{name}/{hash}"), check.clone()));
                check["input"] = json!(b64("other"));
                script.push(put(format!("verify/{name}/{hash}"), check));
            }
        }
    }
    let bare = json!({"input": input, "prehashed": true, "hash_algorithm": "none", "signature_algorithm": "pkcs1v15"});
    let digest = b64("0123456789abcdef0123456789abcdef");
    script.extend([
        put("sign/rsa2048", bare),
        put(
            "sign/rsa2048",
            json!({"input": input, "hash_algorithm": "none"}),
        ),
        put(
            "sign/rsa2048",
            json!({"input": digest, "prehashed": true, "signature_algorithm": "pkcs1v15"}),
        ),
        put("sign/rsa2048", json!({"input": input, "salt_length": 9999})).differs(CALLER),
        put("sign/rsa2048", json!({"input": input, "salt_length": "x"})).says(NAMES),
        put("sign/rsa2048", json!({"input": input, "salt_length": -2})).says(NAMES),
        put(
            "sign/rsa2048",
            json!({"input": input, "signature_algorithm": "x"}),
        )
        .differs(CALLER),
        put(
            "sign/rsa2048",
            json!({"input": input, "marshaling_algorithm": "x"}),
        )
        .says(NAMES),
        put("sign/rsa2048/zzz", json!({"input": input})).says(NAMES),
        put(
            "sign/rsa2048",
            json!({"input": input, "key_version": 1, "signature_algorithm": "pkcs1v15"}),
        ),
        put("sign/rsa2048", json!({"input": input, "key_version": 9})).differs(CALLER),
        put("sign/rsa2048", json!({"input": input, "key_version": -9})).differs(CALLER),
        put("sign/rsa2048", json!({"input": "!"})),
        put("sign/none", json!({"input": input})),
        put("verify/none", json!({"input": input, "signature": "x"})),
        put("verify/ed", json!({"input": input})),
        put(
            "verify/ed",
            json!({"input": input, "signature": "x", "hmac": "y"}),
        )
        .says("both are refused; OpenBao looks at the signature alone"),
        put("sign/ed", json!({"input": input, "algorithm": "sha2-512"})).keeps(&["signature"]),
        put("sign/ed", json!({})),
    ]);
    for bad in [
        "",
        "x",
        "vault:v1",
        "vault:vz:AAAA",
        "vault:v9:AAAA",
        "vault:v0:AAAA",
        "vault:v1:!",
        "vault:v1:AAAA",
    ] {
        for name in ["ed", "p256", "rsa2048"] {
            script.push(put(
                format!("verify/{name}"),
                json!({"input": input, "signature": bad}),
            ));
        }
    }
    script.extend([
        put("sign/ed", json!({"batch_input": [{"input": input, "reference": "a"}, {"input": "!"}, {}]})),
        put("verify/ed", json!({"batch_input": [
            {"input": input, "signature": "$signature", "reference": "a"},
            {"input": b64("other"), "signature": "$signature"},
            {"input": "!", "signature": "$signature"},
            {"signature": "$signature"},
            {"input": input, "signature": "bad"},
        ]})),
        put("verify/ed", json!({"batch_input": [{"input": input, "signature": "x"}, {"input": input, "hmac": "y"}]})),
        put("verify/ed", json!({"batch_input": [{"input": input, "signature": "x"}, {"input": input}]})),
        put("verify/ed", json!({"batch_input": [{"input": input}]})),
        put("verify/ed", json!({"batch_input": []})),
        put("keys/aes", json!({})),
        put("sign/aes", json!({"input": input})),
        put("verify/aes", json!({"input": input, "signature": "vault:v1:AAAA"})),
    ]);
    script
}

fn hmacs() -> Vec<Step> {
    let input = b64("message");
    let mut script = vec![restore("hmac"), restore("aes256"), restore("trimmed")];
    for hash in HASHES {
        for name in ["hmac", "aes256"] {
            script.extend([
                put(format!("hmac/{name}/{hash}"), json!({"input": input})).keeps(&["hmac"]),
                put(
                    format!("verify/{name}/{hash}"),
                    json!({"input": input, "hmac": "$hmac"}),
                ),
                put(
                    format!("verify/{name}/{hash}"),
                    json!({"input": b64("other"), "hmac": "$hmac"}),
                ),
            ]);
        }
    }
    for body in [
        json!({}),
        json!({"input": "!"}),
        json!({"input": input, "key_version": 1}),
        json!({"input": input, "key_version": 2}),
        json!({"input": input, "key_version": 3}),
        json!({"input": input, "key_version": 9}),
        json!({"input": input, "key_version": -1}),
        json!({"input": input, "algorithm": "sha2-512"}),
        json!({"batch_input": [{"input": input, "reference": "a"}, {"input": "!"}, {}]}),
        json!({"batch_input": []}),
    ] {
        script.push(put("hmac/aes256", body));
    }
    script.push(put("hmac/aes256", json!({"input": input, "algorithm": "zzz"})).says(NAMES));
    script.push(put("hmac/none", json!({"input": input})));
    for bad in [
        "",
        "x",
        "vault:v1",
        "vault:vz:AAAA",
        "vault:v9:AAAA",
        "vault:v1:AAAA",
        "vault:v3:!",
        "vault:v3:AAAA",
    ] {
        script.push(put("verify/aes256", json!({"input": input, "hmac": bad})));
    }
    script.push(
        put(
            "verify/aes256",
            json!({"batch_input": [
                {"input": input, "hmac": "vault:v3:AAAA", "reference": "a"},
                {"input": "!", "hmac": "vault:v3:AAAA"},
                {"hmac": "vault:v3:AAAA"},
                {"input": input, "hmac": "x"},
            ]}),
        )
        .differs("what is not valid is said to be so; OpenBao leaves the field out"),
    );
    script
}

fn exports() -> Vec<Step> {
    let mut script = Vec::new();
    for name in [
        "aes256", "xchacha", "p256", "p384", "p521", "ed", "rsa2048", "hmac", "trimmed",
    ] {
        script.push(restore(name));
        for what in ["encryption-key", "signing-key", "hmac-key", "public-key"] {
            for format in ["", "?format=raw", "?format=der", "?format=pem"] {
                let step = get(format!("export/{what}/{name}{format}"));
                script.push(if refused(name, what, format) {
                    step.differs(CALLER)
                } else {
                    step
                });
            }
        }
    }
    script.extend([
        get("export/encryption-key/aes256/latest"),
        get("export/encryption-key/aes256/3"),
        get("export/encryption-key/aes256/v3"),
        get("export/encryption-key/aes256/1"),
        get("export/encryption-key/aes256/9"),
        get("export/encryption-key/aes256/x"),
        get("export/zzz/aes256").says(NAMES),
        get("export/encryption-key/aes256?format=zzz").says(NAMES),
        get("export/encryption-key/none"),
        put("keys/closed", json!({})),
        get("export/encryption-key/closed"),
        get("export/hmac-key/closed"),
        put("keys/open", json!({"type": "ed25519"})).random(),
        get("export/signing-key/open"),
        get("export/public-key/open").random(),
    ]);
    script
}

/// Combinations that OpenBao answers with a 500.
fn refused(name: &str, what: &str, format: &str) -> bool {
    let symmetric = matches!(name, "aes256" | "xchacha" | "hmac" | "trimmed");
    let armoured = matches!(format, "?format=der" | "?format=pem");
    let curve_or_rsa = matches!(name, "p256" | "p384" | "p521" | "rsa2048");
    match what {
        "hmac-key" => armoured,
        "public-key" if symmetric => true,
        "encryption-key" if name == "hmac" => false,
        "encryption-key" if symmetric => armoured,
        "encryption-key" => name == "rsa2048" && format == "?format=raw",
        _ if symmetric => false,
        _ => curve_or_rsa && format == "?format=raw",
    }
}

fn imports() -> Vec<Step> {
    vec![
        get("wrapping_key").random(),
        put("keys/i/import", json!({"ciphertext": "AAAA"})).differs(CALLER),
        put("keys/i/import", json!({"ciphertext": "!"})).differs(CALLER),
        put(
            "keys/i/import",
            json!({"ciphertext": "AAAA", "hash_function": "zzz"}),
        )
        .says(NAMES),
        put(
            "keys/i/import",
            json!({"ciphertext": "AAAA", "type": "zzz"}),
        )
        .says(NAMES),
        put("keys/i/import", json!({"public_key": "x"})).differs(CALLER),
        put(
            "keys/i/import",
            json!({"public_key": "x", "type": "ed25519"}),
        )
        .differs(CALLER),
        put(
            "keys/i/import",
            json!({"ciphertext": "AAAA", "convergent_encryption": true}),
        )
        .differs(CALLER),
        put(
            "keys/i/import",
            json!({"ciphertext": "AAAA", "auto_rotate_period": "2h"}),
        )
        .differs(CALLER),
        put(
            "keys/i/import",
            json!({"type": "ed25519", "public_key": PUBLIC}),
        ),
        get("keys/i"),
        put(
            "keys/i/import",
            json!({"type": "ed25519", "public_key": PUBLIC}),
        )
        .differs(CALLER),
        put("keys/i/import_version", json!({"public_key": PUBLIC})),
        get("keys/i"),
        put("sign/i", json!({"input": b64("m")})).differs(CALLER),
        put("keys/i/rotate", json!({})).differs(CALLER),
        put("keys/own", json!({})),
        put("keys/own/import_version", json!({"ciphertext": "AAAA"})).differs(CALLER),
        put("keys/none/import_version", json!({"ciphertext": "AAAA"})).differs(CALLER),
        restore("rsa4096"),
        restore("aes256"),
        get("byok-export/rsa4096/aes256").random(),
        get("byok-export/rsa4096/aes256/latest?hash=SHA1").random(),
        get("byok-export/aes256/rsa4096").differs(CALLER),
        get("byok-export/none/aes256").differs(CALLER),
        get("byok-export/rsa4096/none").differs(CALLER),
        get("byok-export/rsa4096/own"),
    ]
}

/// Somebody's public keys, of which nobody has the private halves any more.
const PEERS: [(&str, &str); 3] = [
    (
        "p256",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE0XCOJZJsM9EVcZRZhXKjCGHzq2ck\ngqlE6zDWr7ti1P3Nr/udhwDaxfQxAjHT3V3SXBkHwfjipc2hTOUd0Kz4+Q==\n-----END PUBLIC KEY-----\n",
    ),
    (
        "p384",
        "-----BEGIN PUBLIC KEY-----\nMHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEXDSmtesXFRYOxepsriz0l5eaQ1yITgl2\n9kYD4hnPZkUfC3kgvbUnhz60EYwNKpGQceJ+/YuDFkfyRdcGNa2QcmRkWQZ9AJOW\nK2VKysPvypVOtXmAMiZKTPYLYHab9kEK\n-----END PUBLIC KEY-----\n",
    ),
    (
        "p521",
        "-----BEGIN PUBLIC KEY-----\nMIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQASvglyBK/o26OTdG7fNcy6s9Oq9rK\naHHHBkGEdDc3XLm7lUQzIZ6p0r5uE074dzD6clM03VWzpJUXt9KoP2gfv+QBiR7k\nVHLDHU19wUN96NZB0Gyr9L4rpGE0PW1pj8TW68HmC6Wmh5Tn3ZX5/AYbPyHZir8l\nrVSTBySD8UJrd6rykRg=\n-----END PUBLIC KEY-----\n",
    ),
];

/// Keys that two sides have without having sent them: the very same ones on both servers.
fn agreements() -> Vec<Step> {
    let mut script = vec![restore("aes256"), restore("rsa2048")];
    let ask = |name: String, body: Value| put(format!("derive-key/{name}"), body);
    for (base, peer) in PEERS {
        script.push(restore(base));
        for kind in [
            "aes128-gcm96",
            "aes256-gcm96",
            "chacha20-poly1305",
            "xchacha20-poly1305",
            "",
        ] {
            let name = format!("{base}-{kind}x");
            let mut body = json!({"base_key_name": base, "peer_public_key": peer});
            if !kind.is_empty() {
                body["derived_key_type"] = json!(kind);
            }
            script.extend([
                ask(name.clone(), body),
                get(format!("keys/{name}")),
                put(format!("keys/{name}/config"), json!({"exportable": true})),
                get(format!("export/encryption-key/{name}")),
                put(format!("keys/{name}/rotate"), json!({})).differs(CALLER),
            ]);
        }
    }
    let (_, peer) = PEERS[0];
    let whole = |change: Value| {
        let mut body = json!({"base_key_name": "p256", "peer_public_key": peer});
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        ask("r".to_owned(), body)
    };
    script.extend([
        whole(json!({"derived_key_type": "AES128-GCM96", "key_derivation_algorithm": "ecdh"})),
        get("keys/r"),
        whole(json!({})).differs(CALLER),
        ask("s".to_owned(), json!({})),
        whole(json!({"key_derivation_algorithm": "zzz"})).says(NAMES),
        whole(json!({"derived_key_type": "hmac"})).says(NAMES),
        whole(json!({"base_key_name": "none"})),
        whole(json!({"base_key_name": "aes256"})),
        whole(json!({"base_key_name": "rsa2048"})),
        whole(json!({"base_key_name": "p384"})).differs(CALLER),
        whole(json!({"peer_public_key": "zzz"})).differs(CALLER),
        whole(json!({"peer_public_key": PUBLIC})).differs(CALLER),
        whole(json!({"base_key_version": -1})).differs(CALLER),
        whole(json!({"base_key_version": 99})).differs(CALLER),
        get("derive-key/r"),
        list("keys"),
    ]);
    script
}

/// The example of RFC 8410, section 10.1.
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

fn tools() -> Vec<Step> {
    let mut script = Vec::new();
    for hash in [
        "",
        "/sha2-224",
        "/sha2-256",
        "/sha2-384",
        "/sha2-512",
        "/sha3-224",
        "/sha3-256",
        "/sha3-384",
        "/sha3-512",
    ] {
        script.push(put(format!("hash{hash}"), json!({"input": b64("x")})));
        script.push(put(
            format!("hash{hash}"),
            json!({"input": b64("x"), "format": "base64"}),
        ));
    }
    script.extend([
        put("hash", json!({"input": b64("x"), "algorithm": "sha2-512"})),
        put("hash", json!({"input": b64("x"), "algorithm": "zzz"})).says(NAMES),
        put("hash/sha1", json!({"input": b64("x")})).says(NAMES),
        put("hash", json!({"input": b64("x"), "format": "zzz"})).says(NAMES),
        put("hash", json!({"input": "!"})),
        put("hash", json!({})),
        put("random", json!({})).random(),
        put("random/16", json!({})).random(),
        put("random/platform/16", json!({"format": "hex"})).random(),
        put("random/seal/16", json!({})).random(),
        put("random/seal", json!({"bytes": 24})).random(),
        put("random/all", json!({"bytes": 24})).random(),
        put("random", json!({"bytes": 0})),
        put("random", json!({"bytes": -1})),
        put("random/200000", json!({})),
        put("random/zzz", json!({})).says(NAMES),
        put("random/zzz/5", json!({})).says(NAMES),
        put("random", json!({"format": "zzz"})).says(NAMES),
        get("random"),
        put("keys/-a", json!({})).says("the text says what a name is made of"),
        put("keys/a-", json!({})).says("the text says what a name is made of"),
        put("keys/a%20b", json!({})).says("the text says what a name is made of"),
        put("keys/a.b_c-d", json!({})),
        put("encrypt/a$b", json!({"plaintext": ""})).says("the text says what a name is made of"),
        get("nowhere"),
    ]);
    script
}

impl Step {
    /// Random, and of a curve in ASN.1 not even of one length.
    fn random_but_der(self, name: &str) -> Self {
        let der = name.starts_with('p') && self.body["marshaling_algorithm"].is_null();
        if der { self.loose() } else { self.random() }
    }
}
