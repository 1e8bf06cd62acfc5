//! `identity/oidc/client`: services at which people log in.
//!
//! A confidential client has a secret, which is compared in constant time; a public one has none, and
//! has to use PKCE.

use super::assignment;
use super::credentials::Credentials;
use crate::fault::Fault;
use crate::identity::Identities;
use crate::identity::oidc::key;
use crate::identity::oidc::signing::{keep_text, take_text};
use crate::identity::oidc::store::{ASSIGNMENTS, CLIENTS, Shelf, name};
use crate::json::field::{Flag, Ttl, Words};
use crate::json::{Data, Unserializable};
use crate::outcome::{Outcome, Response};
use crate::record::encode;
use crate::request::Call;
use cofferdam_barrier::Batch;
use cofferdam_secret::{Secret, constant_time_eq, random_base62};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const DAY: u64 = 24 * 60 * 60;
const PREFIX: &str = "hvo_secret_";
const OUTLIVES: &str =
    "a client's id_token_ttl cannot be greater than the verification_ttl of the key it references";

/// Who needs a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Sort {
    Confidential,
    Public,
}

/// A service.
#[derive(Serialize, Deserialize)]
pub(in super::super) struct Client {
    pub(super) client_id: String,
    #[serde(serialize_with = "keep_text", deserialize_with = "take_text")]
    pub(super) secret: Secret<String>,
    pub(super) sort: Sort,
    pub(in super::super) key: String,
    pub(super) redirect_uris: Vec<String>,
    pub(super) assignments: Vec<String>,
    /// Seconds.
    pub(in super::super) id_token_ttl: u64,
    /// Seconds.
    pub(super) access_token_ttl: u64,
    pub(super) authorization_code: bool,
}

impl Client {
    fn new(sort: Sort) -> Result<Self, Fault> {
        let id = random_base62(32).map_err(Fault::internal)?;
        let mut secret = Secret::new(String::with_capacity(PREFIX.len() + 64));
        if sort == Sort::Confidential {
            let random = random_base62(64).map_err(Fault::internal)?;
            secret.expose_mut().push_str(PREFIX);
            secret.expose_mut().push_str(random.expose());
        }
        Ok(Self {
            // A name, which everybody who logs in there sees.
            client_id: id.expose().clone(),
            secret,
            sort,
            key: key::DEFAULT.to_owned(),
            redirect_uris: Vec::new(),
            assignments: Vec::new(),
            id_token_ttl: DAY,
            access_token_ttl: DAY,
            authorization_code: true,
        })
    }

    /// Whether this is its secret; a public client has none to show.
    pub(super) fn proves(&self, secret: &Secret<String>) -> bool {
        match self.sort {
            Sort::Public => true,
            Sort::Confidential => {
                constant_time_eq(self.secret.expose().as_bytes(), secret.expose().as_bytes())
            }
        }
    }

    fn shown(&self) -> Value {
        json!({
            "access_token_ttl": self.access_token_ttl,
            "assignments": self.assignments,
            "authorization_code": self.authorization_code,
            "client_credentials": false,
            "client_id": self.client_id,
            "client_type": self.sort,
            "id_token_ttl": self.id_token_ttl,
            "key": self.key,
            "redirect_uris": self.redirect_uris,
        })
    }
}

/// The way from an id to a name.
pub(super) fn by_id(id: &str) -> String {
    format!("client-id/{id}")
}

async fn load(shelf: &Shelf, name: &str) -> Result<Option<Client>, Fault> {
    let found = shelf.get(&format!("{CLIENTS}{name}")).await?;
    Ok(found.map(|kept| kept.record))
}

pub(in super::super) async fn exists(engine: &Identities, call: &Call<'_>) -> Result<bool, Fault> {
    let shelf = Shelf::of(&*engine.services()?);
    Ok(load(&shelf, call.capture("name")).await?.is_some())
}

pub(in super::super) async fn list(engine: &Identities) -> Result<Outcome, Fault> {
    let all = Shelf::of(&*engine.services()?)
        .all::<Client>(CLIENTS)
        .await?;
    let all = all.iter();
    let info = all.map(|(name, kept)| (name.clone(), kept.record.shown()));
    crate::identity::entities::listing(&info.collect())
}

pub(in super::super) async fn read(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    let shelf = Shelf::of(&*engine.services()?);
    let found = load(&shelf, name(&call)?).await?;
    let client = found.ok_or_else(Fault::missing)?;
    let mut object = Data::object();
    if let Value::Object(fields) = client.shown() {
        let write = |object: crate::json::Object, (name, value): (String, Value)| {
            object.value(&name, &value)
        };
        let written: Result<_, Unserializable> = fields.into_iter().try_fold(object, write);
        object = written.map_err(Fault::internal)?;
    }
    if client.sort == Sort::Confidential {
        object = object.text("client_secret", client.secret.expose());
    }
    Ok(Outcome::Data(Response::of(object.finish())))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Wanted {
    redirect_uris: Option<Words>,
    assignments: Option<Words>,
    key: Option<String>,
    id_token_ttl: Option<Ttl>,
    access_token_ttl: Option<Ttl>,
    client_type: Option<String>,
    authorization_code: Option<Flag>,
    client_credentials: Option<Flag>,
}

impl Wanted {
    fn sort(&self) -> Result<Option<Sort>, Fault> {
        match self.client_type.as_deref() {
            None => Ok(None),
            Some("confidential") => Ok(Some(Sort::Confidential)),
            Some("public") => Ok(Some(Sort::Public)),
            Some(_) => Err(Fault::invalid(
                "invalid client_type: confidential and public are known",
            )),
        }
    }

    fn settle(&self, old: Option<Client>) -> Result<Client, Fault> {
        let (sort, new) = (self.sort()?, old.is_none());
        let mut client = match old {
            Some(client) => client,
            None => Client::new(sort.unwrap_or(Sort::Confidential))?,
        };
        if sort.is_some_and(|sort| sort != client.sort) {
            return Err(Fault::invalid("client_type modification is not allowed"));
        }
        if let Some(key) = &self.key {
            if !new && *key != client.key {
                return Err(Fault::invalid("key modification is not allowed"));
            }
            client.key.clone_from(key);
        }
        if self.client_credentials.is_some_and(|flag| flag.0) {
            return Err(Fault::unsupported(
                "client_credentials: a client gets tokens about people who log in, and none about itself",
            ));
        }
        if let Some(words) = &self.redirect_uris {
            client.redirect_uris = words.each_once();
        }
        if let Some(words) = &self.assignments {
            client.assignments = words.each_once();
        }
        if let Some(ttl) = self.id_token_ttl {
            client.id_token_ttl = ttl.seconds();
        }
        if let Some(ttl) = self.access_token_ttl {
            client.access_token_ttl = ttl.seconds();
        }
        if let Some(flag) = self.authorization_code {
            client.authorization_code = flag.0;
        }
        Ok(client)
    }
}

pub(in super::super) async fn write(engine: &Identities, call: Call<'_>) -> Result<Outcome, Fault> {
    put(engine, call, None).await
}

/// Makes or changes a client; `credentials` take the place of those it has, or would get.
pub(super) async fn put(
    engine: &Identities,
    call: Call<'_>,
    credentials: Option<&Credentials>,
) -> Result<Outcome, Fault> {
    let wanted: Wanted = call.body.parse()?;
    let (name, now) = (name(&call)?, call.now);
    let shelf = Shelf::of(&*engine.services()?);
    let at = format!("{CLIENTS}{name}");
    shelf
        .change(|| async {
            let old = shelf.get::<Client>(&at).await?;
            let revision = old.as_ref().map(|old| old.revision);
            let before = old.as_ref().map(|old| by_id(&old.record.client_id));
            let mut client = wanted.settle(old.map(|old| old.record))?;
            if let Some(credentials) = credentials {
                client = credentials.settle(client)?;
            }
            for assignment in &client.assignments {
                let record = format!("{ASSIGNMENTS}{assignment}");
                if assignment != assignment::ALL && shelf.0.get(&record).await?.is_none() {
                    return Err(Fault::invalid("one of the assignments does not exist"));
                }
            }
            let found = key::load(&shelf, &client.key, now).await?;
            let key =
                found.ok_or_else(|| Fault::invalid("the key of the client does not exist"))?;
            if client.id_token_ttl > key.0.verification_ttl {
                return Err(Fault::invalid(OUTLIVES));
            }
            let way = by_id(&client.client_id);
            let taken = shelf.get::<String>(&way).await?;
            if taken.as_ref().is_some_and(|taken| taken.record != name) {
                return Err(Fault::invalid("another client has this client_id"));
            }
            let mut batch = Batch::new()
                .expect(at.clone(), revision)
                .expect(way.clone(), taken.map(|taken| taken.revision))
                .put(at.clone(), encode(&client)?)
                .put(way.clone(), encode(&name)?);
            if let Some(before) = before.filter(|before| *before != way) {
                batch = batch.delete(before);
            }
            let batch = key::ready(batch, &client.key, key, now).await?;
            Ok(Some((batch, Outcome::Done)))
        })
        .await
}

pub(in super::super) async fn delete(
    engine: &Identities,
    call: Call<'_>,
) -> Result<Outcome, Fault> {
    let shelf = Shelf::of(&*engine.services()?);
    let at = format!("{CLIENTS}{}", name(&call)?);
    shelf
        .change(|| async {
            let found = shelf.get::<Client>(&at).await?;
            Ok(found.map(|kept| {
                let batch = Batch::new().expect_at(at.clone(), kept.revision);
                let batch = batch.delete(at.clone());
                let batch = batch.delete(by_id(&kept.record.client_id));
                (batch, Outcome::Done)
            }))
        })
        .await
}
