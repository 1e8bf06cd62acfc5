//! A store is moved from one seal to another: between all sorts of seals, cut off at every write.

use crate::harness::{Answered, Harness, START, parts};
use async_trait::async_trait;
use cofferdam_barrier::seal::machine::{MachineSeal, Places};
use cofferdam_barrier::seal::static_key::{NamedKey, StaticSeal};
use cofferdam_barrier::seal::systemd_creds::SystemdCreds;
use cofferdam_barrier::seal::tpm::{Pcrs, TpmSeal};
use cofferdam_barrier::seal::{Record, Seal};
use cofferdam_barrier::{Barrier, Error, RootKey};
use cofferdam_core::clock::ManualClock;
use cofferdam_core::{Kind, SealChoice, Standing, Vault, Verb};
use cofferdam_secret::Secret;
use cofferdam_store::{
    Commit, Entry, Key, Memory, Page, Revision, Span, Store, Transaction, Watch,
};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

#[allow(
    dead_code,
    unreachable_pub,
    reason = "what other rooms' tests need stands beside it"
)]
#[path = "../../../barrier/src/seal/tpm/tests/swtpm.rs"]
mod swtpm;

/// A store whose machine loses power at a certain write, before it or after it.
pub struct Cut {
    pub inner: Arc<dyn Store>,
    pub writes_left: AtomicI64,
    pub after: bool,
    pub dead: AtomicBool,
    /// Others are always faster.
    pub lost: AtomicBool,
}

impl Cut {
    /// One that does not lose power before it is told when.
    pub fn of(inner: &Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner: inner.clone(),
            writes_left: AtomicI64::new(i64::MAX),
            after: false,
            dead: AtomicBool::new(false),
            lost: AtomicBool::new(false),
        })
    }

    /// A replica of a vault that reads and writes through it.
    pub async fn vault(self: &Arc<Self>, like: &Harness) -> Harness {
        let parts = parts(self.clone(), like.clock.clone());
        let replica = Harness {
            vault: Vault::open(parts).await.unwrap(),
            clock: like.clock.clone(),
            store: self.clone(),
            root: like.root.clone(),
            keys: like.keys.clone(),
        };
        replica.unseal().await;
        replica
    }
    fn check(&self) -> Result<(), cofferdam_store::Error> {
        match self.dead.load(Ordering::SeqCst) {
            true => Err(cofferdam_store::Error::Closed),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Cut {
    async fn get(&self, key: &Key) -> Result<Option<Entry>, cofferdam_store::Error> {
        self.check()?;
        self.inner.get(key).await
    }

    async fn range(
        &self,
        span: &Span,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Page, cofferdam_store::Error> {
        self.check()?;
        self.inner.range(span, after, limit).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Commit, cofferdam_store::Error> {
        self.check()?;
        if self.lost.load(Ordering::SeqCst) {
            return Ok(Commit::Conflict);
        }
        if self.writes_left.fetch_sub(1, Ordering::SeqCst) > 0 {
            return self.inner.commit(transaction).await;
        }
        if self.after {
            let _ = self.inner.commit(transaction).await;
        }
        self.dead.store(true, Ordering::SeqCst);
        Err(cofferdam_store::Error::Closed)
    }

    async fn barrier(&self) -> Result<Revision, cofferdam_store::Error> {
        self.check()?;
        self.inner.barrier().await
    }

    async fn watch(&self, after: Revision) -> Result<Box<dyn Watch>, cofferdam_store::Error> {
        self.check()?;
        self.inner.watch(after).await
    }
}

/// A seal of another kind, which counts how often it closed something, and may refuse.
struct Other {
    inner: StaticSeal,
    closed: AtomicUsize,
    away: AtomicBool,
}

impl Other {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: fixed("other", 9),
            closed: AtomicUsize::new(0),
            away: AtomicBool::new(false),
        })
    }

    fn here(&self) -> Result<(), Error> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(Error::Seal("nobody answers".to_owned())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Seal for Other {
    fn kind(&self) -> &'static str {
        "other"
    }

    async fn wrap(&self, root: &RootKey) -> Result<Vec<u8>, Error> {
        self.here()?;
        self.closed.fetch_add(1, Ordering::SeqCst);
        self.inner.wrap(root).await
    }

    async fn unwrap(&self, blob: &[u8]) -> Result<RootKey, Error> {
        self.here()?;
        self.inner.unwrap(blob).await
    }

    fn promise(&self) -> String {
        String::new()
    }
}

fn fixed(id: &str, fill: u8) -> StaticSeal {
    let key = NamedKey::new(id, &Secret::new(vec![fill; 32])).unwrap();
    StaticSeal::new(key, None).unwrap()
}

fn tpm_at(tpm: &swtpm::Swtpm, registers: &str) -> Arc<dyn Seal> {
    let registers = Pcrs::parse(registers).unwrap();
    Arc::new(TpmSeal::at(tpm.socket(), registers))
}

/// A seal, or people's shares.
type Choice = Option<Arc<dyn Seal>>;

/// As systemd gives a credential: in memory, for nobody else.
fn credentials() -> tempfile::TempDir {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let file = directory.path().join("ours");
    std::fs::write(&file, [5; 32]).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
    directory
}

/// What the seals of a machine need.
struct Machine {
    directory: tempfile::TempDir,
    tpms: [swtpm::Swtpm; 2],
    credentials: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            tpms: [swtpm::Swtpm::start(), swtpm::Swtpm::start()],
            credentials: credentials(),
        }
    }
}

fn all(here: &Machine) -> Vec<(&'static str, Choice)> {
    let directory = here.directory.path();
    let credentials = here.credentials.path().to_owned();
    let places = Places {
        key_file: directory.join("etc/seal.key"),
        data: directory.join("data"),
        machine_id: directory.join("machine-id"),
    };
    let machine = MachineSeal::open_or_create(&places).unwrap();
    vec![
        ("shamir", None),
        ("static a", Some(Arc::new(fixed("a", 1)))),
        ("static b", Some(Arc::new(fixed("b", 2)))),
        ("machine", Some(Arc::new(machine))),
        ("other", Some(Other::new())),
        ("tpm a", Some(tpm_at(&here.tpms[0], ""))),
        ("tpm b", Some(tpm_at(&here.tpms[1], "7"))),
        (
            "systemd-creds",
            Some(Arc::new(SystemdCreds::new(Some(credentials), "ours"))),
        ),
    ]
}

async fn open(store: &Arc<dyn Store>, seal: &Choice, former: &Choice) -> Arc<Vault> {
    let mut parts = parts(store.clone(), Arc::new(ManualClock::at(START)));
    parts.seal = seal.clone().map_or(SealChoice::Shamir, SealChoice::Auto);
    parts.former = former.clone();
    Vault::open(parts).await.unwrap()
}

/// A harness over it, with the root token and the shares of `like`.
fn with(vault: Arc<Vault>, like: &Harness) -> Harness {
    Harness {
        vault,
        clock: like.clock.clone(),
        store: like.store.clone(),
        root: like.root.clone(),
        keys: like.keys.clone(),
    }
}

/// A store under this seal, with a value in it. Nothing of it runs any more.
async fn sealed_by(seal: &Choice, shares: u8) -> Harness {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let vault = open(&store, seal, &None).await;
    let mut harness = Harness {
        vault,
        clock: Arc::new(ManualClock::at(START)),
        store,
        root: String::new(),
        keys: Vec::new(),
    };
    let names = match seal {
        Some(_) => ("recovery_shares", "recovery_threshold", "recovery_keys"),
        None => ("secret_shares", "secret_threshold", "keys"),
    };
    let wanted = match shares {
        0 => json!({}),
        shares => json!({names.0: shares, names.1: 2}),
    };
    let init = harness.call(Verb::Write, "sys/init", "", wanted).await;
    assert_eq!(init.fault, None, "{}", init.text);
    harness.root = init.body["root_token"].as_str().unwrap().to_owned();
    let keys = init.body[names.2].as_array().unwrap().iter();
    harness.keys = keys.map(|key| key.as_str().unwrap().to_owned()).collect();
    if seal.is_none() {
        harness.unseal().await;
    }
    harness
        .write("sys/mounts/secret", json!({"type": "probe"}))
        .await;
    harness.write("secret/data/a", json!({"k": "v"})).await;
    harness.write("sys/seal", Value::Null).await;
    harness
}

async fn share(harness: &Harness, at: usize, migrate: bool) -> Answered {
    let body = json!({"key": harness.keys[at], "migrate": migrate});
    harness.call(Verb::Write, "sys/unseal", "", body).await
}

/// Two shares; what the last one was answered.
async fn shares(harness: &Harness, migrate: bool) -> Answered {
    match share(harness, 0, migrate).await {
        answered if answered.fault.is_some() => answered,
        _ => share(harness, 2, migrate).await,
    }
}

async fn is_open(vault: &Vault) -> bool {
    vault.standing().await == Standing::Active
}

async fn reads(harness: &Harness) {
    assert_eq!(harness.read("secret/data/a").await["data"]["k"], "v");
}

async fn status(harness: &Harness) -> Value {
    harness
        .call(Verb::Read, "sys/seal-status", "", Value::Null)
        .await
        .body
}

async fn stored(store: &Arc<dyn Store>) -> Record {
    let record = Barrier::new(store.clone()).seal_record().await;
    record.unwrap().unwrap()
}

/// Whether this configuration alone opens the store: by itself, or with people's shares.
async fn opens(like: &Harness, seal: &Choice) -> bool {
    let harness = with(open(&like.store, seal, &None).await, like);
    if is_open(&harness.vault).await {
        return true;
    }
    // Recovery shares open any seal of its own kind: that is not what is asked here.
    seal.is_none() && shares(&harness, false).await.fault.is_none()
}

/// Moves the store with the power cut at write number `writes`; whether the move came to its end.
async fn moves(from: &Choice, to: &Choice, writes: i64, after: bool, what: &str) -> bool {
    let before = sealed_by(from, 3).await;
    let cut: Arc<dyn Store> = Arc::new(Cut {
        inner: before.store.clone(),
        writes_left: AtomicI64::new(writes),
        after,
        dead: AtomicBool::new(false),
        lost: AtomicBool::new(false),
    });
    let first = with(open(&cut, to, from).await, &before);
    let whole = match shares(&first, true).await.fault {
        None => is_open(&first.vault).await,
        Some(_) => false,
    };
    drop(first);
    // Whatever was cut off: one of the two configurations opens the store, and not both.
    let (old, new) = (opens(&before, from).await, opens(&before, to).await);
    assert!(old != new, "{what}: old {old}, new {new}");
    let again = with(open(&before.store, to, from).await, &before);
    let pending = status(&again).await["migration"] == json!(true);
    assert_eq!(pending, old, "{what}");
    if !is_open(&again.vault).await {
        let given = shares(&again, true).await;
        assert_eq!(given.fault, None, "{what}: {}", given.text);
    }
    reads(&again).await;
    again.write("secret/data/b", json!({"k": "w"})).await;
    drop(again);
    assert!(opens(&before, to).await, "{what}");
    assert!(!opens(&before, from).await, "{what}");
    whole
}

#[tokio::test]
async fn between_all_seals_cut_off_at_every_write() {
    let machine = Machine::new();
    let seals = all(&machine);
    for (from_name, from) in &seals {
        for (to_name, to) in &seals {
            if from_name == to_name {
                continue;
            }
            for after in [false, true] {
                let mut writes = 0;
                loop {
                    let what = format!("{from_name} to {to_name}, write {writes}, after: {after}");
                    if moves(from, to, writes, after, &what).await {
                        break;
                    }
                    writes += 1;
                    assert!(writes < 100, "{what}: it never comes to its end");
                }
                // One that moves the store, and those of a start.
                assert!(writes >= 2, "{from_name} to {to_name}: {writes} writes");
            }
        }
    }
}

#[tokio::test]
async fn shares_go_along_and_the_old_seal_opens_nothing() {
    let (a, b): (Choice, Choice) = (Some(Arc::new(fixed("a", 1))), Some(Arc::new(fixed("b", 2))));
    let before = sealed_by(&None, 3).await;
    // Unseal keys become recovery keys.
    let waiting = with(open(&before.store, &a, &None).await, &before);
    let shown = status(&waiting).await;
    assert_eq!(
        [
            &shown["type"],
            &shown["migration"],
            &shown["recovery_seal_type"]
        ],
        [&json!("static"), &json!(true), &json!("shamir")]
    );
    shares(&waiting, true).await;
    reads(&waiting).await;
    let shown = status(&waiting).await;
    assert_eq!(
        [
            &shown["type"],
            &shown["migration"],
            &shown["t"],
            &shown["n"]
        ],
        [&json!("static"), &json!(false), &json!(2), &json!(3)]
    );
    let first = stored(&before.store).await;
    assert_eq!((first.generation, first.config.shares), (1, 3));
    // From one key to another, of the same sort.
    let second = with(open(&before.store, &b, &a).await, &before);
    shares(&second, true).await;
    reads(&second).await;
    assert_eq!(stored(&before.store).await.generation, 2);
    let old = a.as_ref().unwrap().unwrap(&first.wrapped).await.unwrap();
    let barrier = Barrier::new(before.store.clone()).unseal(&old).await;
    assert!(matches!(barrier, Err((_, Error::WrongKey))));
    // And back to people: recovery keys become unseal keys.
    let third = with(open(&before.store, &None, &b).await, &before);
    assert_eq!(status(&third).await["type"], "shamir");
    shares(&third, true).await;
    reads(&third).await;
    third.write("sys/seal", Value::Null).await;
    // The block that is left behind does no harm, and neither does the word that was needed.
    shares(&third, true).await;
    reads(&third).await;
    let last = with(open(&before.store, &None, &None).await, &before);
    last.unseal().await;
    reads(&last).await;
}

#[tokio::test]
async fn nothing_is_moved_that_the_configuration_does_not_say() {
    let a: Choice = Some(Arc::new(fixed("a", 1)));
    let other: Choice = Some(Other::new());
    let people = sealed_by(&None, 3).await;
    let auto = sealed_by(&a, 3).await;
    let nobody = sealed_by(&a, 0).await;
    let cases: [(&Harness, &Choice, &Choice, bool, &str); 7] = [
        (&people, &None, &None, true, "no migration seal found"),
        (&people, &a, &None, false, "migrate option not provided"),
        (&people, &a, &other, true, "to move it from"),
        (&auto, &None, &None, true, "disabled = \"true\""),
        (&auto, &None, &None, false, "disabled = \"true\""),
        (&auto, &other, &None, true, "disabled = \"true\""),
        (&auto, &None, &other, true, "other to move it from"),
    ];
    for (like, seal, former, migrate, told) in cases {
        let before = stored(&like.store).await;
        let harness = with(open(&like.store, seal, former).await, like);
        assert!(!is_open(&harness.vault).await, "{told}");
        let answered = shares(&harness, migrate).await;
        assert_eq!(answered.fault, Some(Kind::Invalid), "{told}");
        assert!(answered.text.contains(told), "{told}: {}", answered.text);
        assert!(stored(&like.store).await == before, "{told}");
    }
    let harness = with(open(&nobody.store, &None, &a).await, &people);
    let answered = shares(&harness, true).await;
    assert!(
        answered.text.contains("rekey -target=recovery -init"),
        "{}",
        answered.text
    );
}

#[tokio::test]
async fn wrong_shares_and_a_seal_that_does_not_answer_change_nothing() {
    let before = sealed_by(&None, 3).await;
    let stranger = sealed_by(&None, 3).await;
    let other = Other::new();
    let to: Choice = Some(other.clone());
    let record = stored(&before.store).await;
    let harness = with(open(&before.store, &to, &None).await, &before);
    share(&harness, 0, true).await;
    let wrong = json!({"key": stranger.keys[1], "migrate": true});
    let wrong = harness.call(Verb::Write, "sys/unseal", "", wrong).await;
    assert_eq!(wrong.fault, Some(Kind::Invalid));
    assert_eq!(status(&harness).await["progress"], 0);
    assert_eq!(other.closed.load(Ordering::SeqCst), 0, "it was not asked");
    other.away.store(true, Ordering::SeqCst);
    let away = shares(&harness, true).await;
    assert!(away.text.contains("nobody answers"), "{}", away.text);
    assert!(stored(&before.store).await == record);
    other.away.store(false, Ordering::SeqCst);
    assert_eq!(shares(&harness, true).await.fault, None);
    reads(&harness).await;
}

#[tokio::test]
async fn a_store_of_nobody_is_moved_by_who_writes_the_configuration() {
    let machine = Machine::new();
    let mut seals = all(&machine);
    seals.remove(0);
    for (from_name, from) in &seals {
        for (to_name, to) in &seals {
            if from_name == to_name {
                continue;
            }
            for after in [false, true] {
                for writes in 0.. {
                    let what = format!("{from_name} to {to_name}, write {writes}");
                    let before = sealed_by(from, 0).await;
                    let cut: Arc<dyn Store> = Arc::new(Cut {
                        inner: before.store.clone(),
                        writes_left: AtomicI64::new(writes),
                        after,
                        dead: AtomicBool::new(false),
                        lost: AtomicBool::new(false),
                    });
                    let whole = is_open(&*open(&cut, to, from).await).await;
                    let (old, new) = (opens(&before, from).await, opens(&before, to).await);
                    assert!(old != new, "{what}: old {old}, new {new}");
                    let again = with(open(&before.store, to, from).await, &before);
                    reads(&again).await;
                    assert!(!opens(&before, from).await, "{what}");
                    if whole {
                        break;
                    }
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn other_replicas_follow() {
    let a: Choice = Some(Arc::new(fixed("a", 1)));
    let b: Choice = Some(Arc::new(fixed("b", 2)));
    let before = sealed_by(&a, 3).await;
    let old = with(open(&before.store, &a, &None).await, &before);
    let waiting = with(open(&before.store, &b, &a).await, &before);
    let one = with(open(&before.store, &b, &a).await, &before);
    assert!(is_open(&old.vault).await && !is_open(&waiting.vault).await);
    shares(&one, true).await;
    one.write("secret/data/c", json!({"k": "x"})).await;
    // One that is open goes on, through a rotation, too.
    assert_eq!(old.read("secret/data/c").await["data"]["k"], "x");
    one.write("sys/rotate", Value::Null).await;
    one.write("secret/data/c", json!({"k": "y"})).await;
    assert_eq!(old.read("secret/data/c").await["data"]["k"], "y");
    old.write("secret/data/d", json!({"k": "z"})).await;
    // But it closes nothing with a seal that is not in force any more.
    for path in ["sys/rotate/recovery/init", "sys/rekey-recovery-key/init"] {
        let wanted = json!({"secret_shares": 1, "secret_threshold": 1});
        let refused = old.call(Verb::Write, path, &old.root, wanted).await;
        assert!(refused.text.contains("restart it"), "{}", refused.text);
    }
    // One that waited for people as well opens by itself.
    for _ in 0..100 {
        if is_open(&waiting.vault).await {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(waiting.read("secret/data/d").await["data"]["k"], "z");
    // Sealed by an operator, it stays so.
    waiting.write("sys/seal", Value::Null).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(!is_open(&waiting.vault).await);
}

#[tokio::test]
async fn new_shares_that_wait_for_verification_do_not_bring_the_old_seal_back() {
    let a: Choice = Some(Arc::new(fixed("a", 1)));
    let b: Choice = Some(Arc::new(fixed("b", 2)));
    let before = sealed_by(&a, 3).await;
    let old = with(open(&before.store, &a, &None).await, &before);
    let wanted = json!({"secret_shares": 1, "secret_threshold": 1, "require_verification": true});
    let begun = old.write("sys/rotate/recovery/init", wanted).await["data"].clone();
    let mut made = Value::Null;
    for key in &old.keys[..2] {
        let body = json!({"nonce": begun["nonce"], "key": key});
        made = old.write("sys/rotate/recovery/update", body).await["data"].clone();
    }
    let one = with(open(&before.store, &b, &a).await, &before);
    shares(&one, true).await;
    let record = stored(&before.store).await;
    let body = json!({"nonce": made["verification_nonce"], "key": made["keys"][0]});
    let path = "sys/rotate/recovery/verify";
    for replica in [&old, &one] {
        let refused = replica
            .call(Verb::Write, path, &one.root, body.clone())
            .await;
        assert_eq!(refused.fault, Some(Kind::Invalid), "{}", refused.text);
    }
    assert!(stored(&before.store).await == record);
    assert!(opens(&before, &b).await);
}

#[tokio::test]
async fn a_seal_without_recovery_shares_gets_its_first_ones() {
    let a: Choice = Some(Arc::new(fixed("a", 1)));
    let before = sealed_by(&a, 0).await;
    let mut harness = with(open(&before.store, &a, &None).await, &before);
    let plain = harness.token(json!({"policies": ["default"]})).await;
    let wanted = json!({"secret_shares": 3, "secret_threshold": 2});
    let path = "sys/rotate/recovery/init";
    let refused = harness
        .call(Verb::Write, path, &plain, wanted.clone())
        .await;
    assert_eq!(refused.fault, Some(Kind::Denied));
    let made = harness.write(path, wanted).await["data"].clone();
    assert_eq!(made["complete"], true);
    let keys = made["keys"].as_array().unwrap().iter();
    harness.keys = keys.map(|key| key.as_str().unwrap().to_owned()).collect();
    // With them it can become a store of people.
    let people = with(open(&harness.store, &None, &a).await, &harness);
    let given = shares(&people, true).await;
    assert_eq!(given.fault, None, "{}", given.text);
    reads(&people).await;
}
