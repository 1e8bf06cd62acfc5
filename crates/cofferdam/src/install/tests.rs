use super::*;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Every path below a directory, with its kind, mode and content.
fn tree(root: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = std::fs::symlink_metadata(&path).unwrap();
            let content = if metadata.is_symlink() {
                let target = std::fs::read_link(&path).unwrap();
                target.into_os_string().into_encoded_bytes()
            } else if metadata.is_dir() {
                open.push(path.clone());
                Vec::new()
            } else {
                std::fs::read(&path).unwrap()
            };
            found.insert(path, (metadata.permissions().mode(), content));
        }
    }
    found
}

fn root() -> (tempfile::TempDir, Layout) {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("usr/local/bin")).unwrap();
    std::fs::write(root.path().join("usr/local/bin/other"), "theirs").unwrap();
    let layout = Layout {
        root: root.path().to_owned(),
        prefix: "/usr/local".into(),
    };
    (root, layout)
}

fn texts() -> Vec<Text> {
    vec![("share/man/man1/cofferdam.1".into(), ".TH X 1\n".to_owned())]
}

fn put(layout: &Layout, version: &str) -> Result<Installed, Error> {
    install(
        layout,
        version.as_bytes().to_vec(),
        texts(),
        true,
        false,
        false,
    )
}

#[test]
fn what_is_installed_and_removed_leaves_the_tree_as_it_was() {
    let (root, layout) = root();
    let before = tree(root.path());
    let dry = install(&layout, b"one".to_vec(), texts(), true, false, true).unwrap();
    assert_eq!(tree(root.path()), before, "a dry run writes nothing");
    let done = put(&layout, "one").unwrap();
    assert_eq!(dry, done);
    let bin = root.path().join("usr/local/bin");
    assert_eq!(
        std::fs::read(bin.join("docker-credential-cofferdam")).unwrap(),
        b"one"
    );
    let plugin = root
        .path()
        .join("usr/local/lib/docker/cli-plugins/docker-cofferdam");
    assert_eq!(std::fs::read(plugin).unwrap(), b"one");
    assert_eq!(done.made.len(), 10);
    let installed = tree(root.path());
    // Again, and with another version.
    let again = put(&layout, "one").unwrap();
    assert_eq!((again.made.len(), again.unchanged.len()), (0, 10));
    assert_eq!(tree(root.path()), installed, "twice is once");
    assert_eq!(put(&layout, "two").unwrap().made.len(), 1);
    let removed = uninstall(&layout, false, false).unwrap();
    assert_eq!(removed.left, Vec::<PathBuf>::new());
    assert_eq!(tree(root.path()), before);
    assert!(matches!(
        uninstall(&layout, false, false),
        Err(Error::Absent(_))
    ));
}

#[test]
fn what_is_not_ours_is_refused_or_kept_and_put_back() {
    let (root, layout) = root();
    let place = root.path().join("usr/local/bin/cofferdam");
    std::fs::write(&place, "another program").unwrap();
    let before = tree(root.path());
    assert!(matches!(put(&layout, "one"), Err(Error::Foreign(paths)) if paths == [place.clone()]));
    assert_eq!(tree(root.path()), before);
    let done = install(&layout, b"one".to_vec(), texts(), true, true, false).unwrap();
    assert_eq!(done.kept.len(), 1);
    assert_eq!(std::fs::read(&place).unwrap(), b"one");
    assert_eq!(uninstall(&layout, false, false).unwrap().back.len(), 1);
    assert_eq!(tree(root.path()), before);
}

#[test]
fn what_somebody_changed_is_not_removed_unless_forced() {
    let (root, layout) = root();
    put(&layout, "one").unwrap();
    let unit = root
        .path()
        .join("usr/local/lib/systemd/system/cofferdam.service");
    std::fs::write(&unit, "changed").unwrap();
    let own = root.path().join("usr/local/share/cofferdam/notes.txt");
    std::fs::write(&own, "mine").unwrap();
    for refused in [
        uninstall(&layout, false, false).err(),
        put(&layout, "two").err(),
    ] {
        assert!(matches!(refused, Some(Error::Changed(paths)) if paths == [unit.clone()]));
    }
    assert!(root.path().join("usr/local/bin/cofferdam").exists());
    let removed = uninstall(&layout, true, false).unwrap();
    assert!(!unit.exists() && own.exists());
    assert!(
        removed
            .left
            .iter()
            .any(|path| path.ends_with("share/cofferdam"))
    );
}

#[test]
fn an_installation_that_dockerd_or_systemd_needs_stays() {
    let (root, layout) = root();
    put(&layout, "one").unwrap();
    let installed = tree(root.path());
    let config = root.path().join("etc/docker/daemon.json");
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    std::fs::write(&config, r#"{"authorization-plugins":["cofferdam-guard"]}"#).unwrap();
    assert!(matches!(
        uninstall(&layout, false, false),
        Err(Error::Asked(_))
    ));
    std::fs::remove_dir_all(root.path().join("etc")).unwrap();
    let wants = root.path().join("etc/systemd/system/sockets.target.wants");
    std::fs::create_dir_all(&wants).unwrap();
    std::os::unix::fs::symlink("/x", wants.join("cofferdam.socket")).unwrap();
    assert!(matches!(
        uninstall(&layout, false, false),
        Err(Error::Enabled(_))
    ));
    std::fs::remove_dir_all(root.path().join("etc")).unwrap();
    assert_eq!(tree(root.path()), installed);
}

#[test]
fn an_installation_that_breaks_off_is_undone() {
    let (root, layout) = root();
    // A file where a directory has to be.
    std::fs::write(root.path().join("usr/local/lib"), "in the way").unwrap();
    let before = tree(root.path());
    assert!(put(&layout, "one").is_err());
    assert_eq!(tree(root.path()), before);
}

#[test]
fn a_manifest_that_names_something_outside_is_none() {
    let (root, layout) = root();
    put(&layout, "one").unwrap();
    let manifest = root.path().join("usr/local/share/cofferdam/installed.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    for (from, to) in [
        ("/usr/local/bin/cofferdam\"", "/etc/passwd\""),
        (
            "/usr/local/bin/cofferdam\"",
            "/usr/local/../../etc/passwd\"",
        ),
        ("\"form\": 1", "\"form\": 2"),
    ] {
        assert!(text.contains(from));
        std::fs::write(&manifest, text.replace(from, to)).unwrap();
        assert!(
            matches!(uninstall(&layout, true, false), Err(Error::Manifest(_))),
            "{to}"
        );
    }
}

#[test]
fn units_name_the_binary_where_it_is() {
    let (root, mut layout) = root();
    layout.prefix = "/opt/cofferdam".into();
    put(&layout, "one").unwrap();
    let unit = root
        .path()
        .join("opt/cofferdam/lib/systemd/system/cofferdam.service");
    let text = std::fs::read_to_string(unit).unwrap();
    assert!(
        text.contains("ExecStart=/opt/cofferdam/bin/cofferdam up"),
        "{text}"
    );
    uninstall(&layout, false, false).unwrap();
    assert!(!root.path().join("opt").exists());
}
