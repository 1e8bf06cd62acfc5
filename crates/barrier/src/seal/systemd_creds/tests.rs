use super::*;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// A directory in memory, as systemd has it.
fn memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").expect("a tmpfs at /dev/shm")
}

fn put(directory: &Path, name: &str, bytes: &[u8], mode: u32) {
    let path = directory.join(name);
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, bytes).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn seal(directory: &Path) -> SystemdCreds {
    SystemdCreds::new(Some(directory.to_owned()), "ours")
}

async fn why(directory: &Path) -> String {
    let root = RootKey::generate().unwrap();
    match seal(directory).wrap(&root).await {
        Err(Error::Seal(why)) => why,
        Err(other) => other.to_string(),
        Ok(_) => "closed".to_owned(),
    }
}

#[tokio::test]
async fn what_a_credential_closed_it_alone_opens() {
    let directory = memory();
    // As with an access list for the unit's user.
    put(directory.path(), "ours", &[7; 32], 0o440);
    let root = RootKey::generate().unwrap();
    let ours = seal(directory.path());
    let blob = ours.wrap(&root).await.unwrap();
    let opened = ours.unwrap(&blob).await.unwrap();
    assert!(opened.bytes().expose() == root.bytes().expose());
    for at in 0..blob.len() {
        let mut changed = blob.clone();
        *changed.get_mut(at).unwrap() ^= 1;
        assert!(ours.unwrap(&changed).await.is_err(), "{at}");
        assert!(ours.unwrap(blob.get(..at).unwrap()).await.is_err(), "{at}");
    }
    put(directory.path(), "ours", &[8; 32], 0o400);
    let Err(Error::Seal(other)) = ours.unwrap(&blob).await else {
        panic!("another key opens it");
    };
    assert!(other.contains("another credential closed it"), "{other}");
}

#[tokio::test]
async fn what_is_not_as_systemd_makes_it_is_refused_with_a_word() {
    let directory = memory();
    let place = directory.path();
    assert!(
        why(place)
            .await
            .contains("systemd-creds encrypt --name=ours")
    );
    for mode in [0o444, 0o460, 0o600 | 0o001, 0o420] {
        put(place, "ours", &[7; 32], mode);
        assert!(why(place).await.contains("nobody else"), "{mode:o}");
    }
    for length in [0, 31, 33, 4096] {
        put(place, "ours", &vec![7; length], 0o400);
        assert!(why(place).await.contains("another length"), "{length}");
    }
    std::fs::rename(place.join("ours"), place.join("behind")).unwrap();
    std::os::unix::fs::symlink("behind", place.join("ours")).unwrap();
    assert!(why(place).await.contains("cannot be opened"));
    std::fs::remove_file(place.join("ours")).unwrap();
    std::fs::create_dir(place.join("ours")).unwrap();
    assert!(why(place).await.contains("must be a file"));
    put(place, "good", &[7; 32], 0o400);
    let root = RootKey::generate().unwrap();
    for directory in [None, Some(PathBuf::from("credentials"))] {
        let seal = SystemdCreds::new(directory, "good");
        let Err(Error::Seal(why)) = seal.wrap(&root).await else {
            panic!("closed by nothing");
        };
        assert!(why.contains("LoadCredentialEncrypted=good:"), "{why}");
    }
}

#[tokio::test]
async fn a_key_on_a_disk_is_refused() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = tempfile::tempdir_in(home).unwrap();
    put(directory.path(), "ours", &[7; 32], 0o400);
    assert!(why(directory.path()).await.contains("on a disk"));
}

#[test]
fn names_lead_nowhere() {
    for name in ["", ".", "..", "a/b", "/a", "a b", "a\0", "ä"] {
        assert!(!is_name(name), "{name:?}");
    }
}
