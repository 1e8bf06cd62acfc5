//! What an application and its operator do all day, with vaultrs; the argument is the address.
//!
//! The talk is recorded between this client and two servers and compared: nothing is judged here
//! but that its typed answers can be read.

use serde_json::{Value, json};
use std::collections::HashMap;
use vaultrs::api::auth::approle::requests::SetAppRoleRequest;
use vaultrs::api::sys::requests::EnableEngineRequest;
use vaultrs::api::token::requests::CreateTokenRequest;
use vaultrs::api::transit::requests::CreateKeyRequest;
use vaultrs::api::transit::requests::RandomBytesSource;
use vaultrs::api::transit::{KeyType, OutputFormat};
use vaultrs::client::{VaultClient, VaultClientSettingsBuilder};
use vaultrs::error::ClientError;
use vaultrs::{auth, cubbyhole, kv2, sys, token, transit};

type Done = Result<(), Box<dyn std::error::Error>>;

fn client(address: &str, token: &str) -> Result<VaultClient, Box<dyn std::error::Error>> {
    let settings = VaultClientSettingsBuilder::default()
        .address(address)
        .token(token)
        .build()?;
    Ok(VaultClient::new(settings)?)
}

fn refused<T>(answer: Result<T, ClientError>) -> Done {
    match answer {
        Err(ClientError::APIError { .. } | ClientError::RestClientError { .. }) => Ok(()),
        Err(other) => Err(format!("refused otherwise: {other:?}").into()),
        Ok(_) => Err("not refused".into()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Done {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let address = std::env::args().nth(1).ok_or("an address")?;
    let root = client(&address, "root")?;
    keys(&root).await?;
    tokens(&address, &root).await?;
    logins(&root).await?;
    ciphers(&root).await?;
    Ok(())
}

async fn keys(root: &VaultClient) -> Done {
    let options = HashMap::from([("version".to_owned(), "2".to_owned())]);
    let mut kv = EnableEngineRequest::builder();
    sys::mount::enable(root, "team", "kv", Some(kv.options(options))).await?;
    sys::mount::list(root).await?;
    kv2::set(root, "team", "app/db", &json!({"password": "hunter2"})).await?;
    kv2::set(root, "team", "app/db", &json!({"password": "hunter3"})).await?;
    let _: Value = kv2::read(root, "team", "app/db").await?;
    let _: Value = kv2::read_version(root, "team", "app/db", 1).await?;
    kv2::read_metadata(root, "team", "app/db").await?;
    kv2::list(root, "team", "app").await?;
    kv2::delete_versions(root, "team", "app/db", vec![1]).await?;
    refused(kv2::read_version::<Value>(root, "team", "app/db", 1).await)?;
    kv2::undelete_versions(root, "team", "app/db", vec![1]).await?;
    kv2::destroy_versions(root, "team", "app/db", vec![1]).await?;
    kv2::delete_latest(root, "team", "app/db").await?;
    kv2::delete_metadata(root, "team", "app/db").await?;
    refused(kv2::read::<Value>(root, "team", "app/db").await)?;
    cubbyhole::set(root, "cubbyhole", "own", &HashMap::from([("a", "b")])).await?;
    let _: Value = cubbyhole::get(root, "cubbyhole", "own").await?;
    cubbyhole::list(root, "cubbyhole", "").await?;
    cubbyhole::delete(root, "cubbyhole", "own").await?;
    Ok(())
}

async fn tokens(address: &str, root: &VaultClient) -> Done {
    let rules = r#"path "team/data/*" { capabilities = ["read"] }"#;
    sys::policy::set(root, "reader", rules).await?;
    sys::policy::read(root, "reader").await?;
    sys::policy::list(root).await?;
    let mut wanted = CreateTokenRequest::builder();
    wanted.policies(vec!["reader".to_owned()]).ttl("1h");
    let made = token::new(root, Some(&mut wanted)).await?;
    let reader = client(address, &made.client_token)?;
    token::lookup_self(&reader).await?;
    token::renew_self(&reader, Some("30m")).await?;
    refused(kv2::set(&reader, "team", "x", &json!({})).await)?;
    token::lookup(root, &made.client_token).await?;
    token::lookup_accessor(root, &made.accessor).await?;
    token::revoke_accessor(root, &made.accessor).await?;
    refused(token::lookup_self(&reader).await)?;
    sys::policy::delete(root, "reader").await?;
    Ok(())
}

async fn logins(root: &VaultClient) -> Done {
    sys::auth::enable(root, "approle", "approle", None).await?;
    sys::auth::list(root).await?;
    let mut role = SetAppRoleRequest::builder();
    role.token_policies(vec!["default".to_owned()])
        .secret_id_num_uses(1u64);
    auth::approle::role::set(root, "approle", "ci", Some(&mut role)).await?;
    auth::approle::role::read(root, "approle", "ci").await?;
    auth::approle::role::list(root, "approle").await?;
    let id = auth::approle::role::read_id(root, "approle", "ci")
        .await?
        .role_id;
    let secret = auth::approle::role::secret::generate(root, "approle", "ci", None).await?;
    auth::approle::role::secret::list(root, "approle", "ci").await?;
    auth::approle::login(root, "approle", &id, &secret.secret_id).await?;
    refused(auth::approle::login(root, "approle", &id, &secret.secret_id).await)?;
    auth::approle::role::delete(root, "approle", "ci").await?;
    sys::auth::enable(root, "userpass", "userpass", None).await?;
    auth::userpass::user::set(root, "userpass", "ada", "lovelace", None).await?;
    auth::userpass::user::read(root, "userpass", "ada").await?;
    auth::userpass::user::list(root, "userpass").await?;
    auth::userpass::login(root, "userpass", "ada", "lovelace").await?;
    refused(auth::userpass::login(root, "userpass", "ada", "byron").await)?;
    auth::userpass::user::update_password(root, "userpass", "ada", "byron").await?;
    auth::userpass::user::delete(root, "userpass", "ada").await?;
    sys::auth::disable(root, "userpass").await?;
    Ok(())
}

async fn ciphers(root: &VaultClient) -> Done {
    sys::mount::enable(root, "transit", "transit", None).await?;
    transit::key::create(root, "transit", "key", None).await?;
    transit::key::read(root, "transit", "key").await?;
    let text = "c29tZSB0ZXh0";
    let sealed = transit::data::encrypt(root, "transit", "key", text, None)
        .await?
        .ciphertext;
    transit::key::rotate(root, "transit", "key").await?;
    let sealed = transit::data::rewrap(root, "transit", "key", &sealed, None)
        .await?
        .ciphertext;
    transit::data::decrypt(root, "transit", "key", &sealed, None).await?;
    let mut signer = CreateKeyRequest::builder();
    signer.key_type(KeyType::Ed25519);
    transit::key::create(root, "transit", "signer", Some(&mut signer)).await?;
    transit::data::sign(root, "transit", "signer", text, None).await?;
    transit::generate::random_bytes(
        root,
        "transit",
        OutputFormat::Base64,
        RandomBytesSource::Platform,
        None,
    )
    .await?;
    transit::generate::hash(root, "transit", text, None).await?;
    transit::generate::hmac(root, "transit", "key", text, None).await?;
    transit::key::list(root, "transit").await?;
    sys::mount::disable(root, "transit").await?;
    Ok(())
}
