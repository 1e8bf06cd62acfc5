use super::*;
use std::os::unix::fs::{PermissionsExt as _, symlink};

struct Machine {
    root: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("data")).unwrap();
        let machine = Self { root };
        machine.set_id("0123456789abcdef0123456789abcdef\n");
        machine
    }

    fn set_id(&self, id: &str) {
        std::fs::write(self.places().machine_id, id).unwrap();
    }

    fn places(&self) -> Places {
        let at = |name: &str| self.root.path().join(name);
        Places {
            key_file: at("etc/machine.key"),
            data: at("data"),
            machine_id: at("machine-id"),
        }
    }

    fn seal(&self) -> Result<MachineSeal, Error> {
        MachineSeal::open_or_create(&self.places())
    }

    fn refusal(&self) -> String {
        match self.seal() {
            Ok(_) => panic!("the seal opened"),
            Err(error) => error.to_string(),
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn root_key_comes_back_after_a_restart() {
    let machine = Machine::new();
    let root = RootKey::generate().unwrap();
    let record = machine.seal().unwrap().record(&root).await.unwrap();
    assert_eq!(record.config.kind, "machine");
    let again = machine
        .seal()
        .unwrap()
        .unwrap(&record.wrapped)
        .await
        .unwrap();
    assert_eq!(again.bytes().expose(), root.bytes().expose());
    let other = Machine::new().seal().unwrap();
    let wrong = other.unwrap(&record.wrapped).await;
    assert!(
        matches!(wrong, Err(Error::WrongKey)),
        "the id alone must not do"
    );
}

#[test]
fn key_file_is_for_the_owner_only() {
    let machine = Machine::new();
    machine.seal().unwrap();
    let places = machine.places();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&places.key_file), 0o600);
    assert_eq!(mode(places.key_file.parent().unwrap()), 0o700);
    let entries = std::fs::read_dir(places.key_file.parent().unwrap()).unwrap();
    assert_eq!(entries.count(), 1, "nothing staged is left");
    set_mode(&places.key_file, 0o640);
    assert!(machine.refusal().contains("mode 0600"));
}

#[test]
fn disk_moved_to_another_machine_does_not_open() {
    let machine = Machine::new();
    machine.seal().unwrap();
    machine.set_id("ffffffffffffffffffffffffffffffff");
    assert!(machine.refusal().contains("another machine"));
    std::fs::remove_file(machine.places().machine_id).unwrap();
    assert!(machine.refusal().contains("another machine"));
}

#[tokio::test]
async fn machine_without_an_id_says_so_and_keeps_working_when_it_gets_one() {
    let machine = Machine::new();
    machine.set_id("uninitialized\n");
    let seal = machine.seal().unwrap();
    assert!(seal.promise().contains("no id"));
    let blob = seal.wrap(&RootKey::generate().unwrap()).await.unwrap();
    machine.set_id("0123456789abcdef0123456789abcdef");
    assert!(machine.seal().unwrap().unwrap(&blob).await.is_ok());
}

#[test]
fn key_inside_the_data_directory_is_refused() {
    let machine = Machine::new();
    let places = Places {
        key_file: machine.root.path().join("data/deep/machine.key"),
        ..machine.places()
    };
    let refused = MachineSeal::open_or_create(&places).err().unwrap();
    assert!(refused.to_string().contains("inside the data directory"));
    assert!(!places.key_file.exists());
    // Nor through a link that leads there.
    let link = machine.root.path().join("link");
    symlink(&places.data, &link).unwrap();
    let places = Places {
        key_file: link.join("machine.key"),
        ..places
    };
    assert!(MachineSeal::open_or_create(&places).is_err());
}

#[test]
fn linked_or_damaged_key_file_is_named_and_refused() {
    let machine = Machine::new();
    machine.seal().unwrap();
    let file = machine.places().key_file;
    let whole = std::fs::read(&file).unwrap();
    for length in [0, 1, 40, 42, 4096] {
        let mut other = whole.clone();
        other.resize(length, 0);
        std::fs::write(&file, other).unwrap();
        let text = machine.refusal();
        assert!(
            text.contains("damaged") && text.contains("machine.key"),
            "{text}"
        );
    }
    let real = file.with_extension("real");
    std::fs::write(&real, &whole).unwrap();
    set_mode(&real, 0o600);
    std::fs::remove_file(&file).unwrap();
    symlink(&real, &file).unwrap();
    assert!(machine.refusal().contains("cannot be opened"));
    // A pipe, which nobody writes to: that is told, and not waited for.
    std::fs::remove_file(&file).unwrap();
    let (kind, mode) = (rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600));
    rustix::fs::mknodat(rustix::fs::CWD, &file, kind, mode, 0).unwrap();
    assert!(machine.refusal().contains("must be a file"));
}

#[test]
fn promise_is_one_honest_sentence() {
    let machine = Machine::new();
    let promise = machine.seal().unwrap().promise();
    assert!(promise.contains("data directory alone cannot be read"));
    assert!(promise.contains("whole disk can read everything"));
    assert!(promise.contains("machine.key"));
    assert!(!promise.contains('\n') && !promise.contains(". "));
}

#[test]
fn two_starts_at_once_agree_on_one_key() {
    let machine = Machine::new();
    let seals: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8).map(|_| scope.spawn(|| machine.seal())).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let keys: std::collections::BTreeSet<_> = seals
        .into_iter()
        .map(|seal| *seal.unwrap().wrapping.expose())
        .collect();
    assert_eq!(keys.len(), 1);
}
