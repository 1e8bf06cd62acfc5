//! Values without a server: files of variables, a JSON object, a directory with a file a value.

use crate::cli::import::dotenv;
use crate::cli::{Failure, terminal};
use cofferdam_api::Tree;
use cofferdam_detect::{Label, Needles};
use cofferdam_secret::Secret;
use std::fs::File;
use std::io;
use std::path::Path;

/// Largest file of values.
const MOST: usize = 64 << 20;
/// Largest value of a directory: what Swarm, BuildKit and the volume driver take.
const MOST_VALUE: usize = 500 * 1024;

/// Adds what is in `path`.
pub(super) fn read(path: &Path, needles: &mut Needles) -> Result<(), Failure> {
    let unreadable = |error: &io::Error| {
        Failure::local(format!(
            "cannot read values from {}: {error}",
            path.display()
        ))
        .hint("name a file of NAME=value lines, a JSON object or a directory of files")
    };
    if path.is_dir() {
        return directory(path, needles);
    }
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let bytes = terminal::read_all(file, MOST).map_err(|error| unreadable(&error))?;
    if bytes.expose().trim_ascii_start().first() == Some(&b'{') {
        object(path, &bytes, needles)
    } else {
        variables(path, bytes, needles)
    }
}

fn add(needles: &mut Needles, name: &str, value: &Secret<Vec<u8>>) -> Result<(), Failure> {
    let added = needles.add(Label::new(name, None, "value"), value);
    added
        .map(drop)
        .map_err(|full| Failure::local(full.to_string()))
}

/// Links are followed: the current files of a Kubernetes or Cofferdam volume are behind one.
fn directory(path: &Path, needles: &mut Needles) -> Result<(), Failure> {
    let unreadable = |path: &Path, error: &io::Error| {
        Failure::local(format!(
            "cannot read values from {}: {error}",
            path.display()
        ))
        .hint("run it as the owner of these files")
    };
    let listed = std::fs::read_dir(path).and_then(|entries| {
        let paths = entries.map(|entry| Ok(entry?.path()));
        paths.collect::<io::Result<Vec<_>>>()
    });
    let mut files = listed.map_err(|error| unreadable(path, &error))?;
    // Of two files with one value the mask names the one that is read first.
    files.sort();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("..") || !file.is_file() {
            continue;
        }
        let opened = File::open(&file).and_then(|file| terminal::read_all(file, MOST_VALUE));
        let value = opened.map_err(|error| unreadable(&file, &error))?;
        add(needles, &name, &value)?;
    }
    Ok(())
}

fn object(path: &Path, bytes: &Secret<Vec<u8>>, needles: &mut Needles) -> Result<(), Failure> {
    let wrong = || {
        Failure::local(format!(
            "not one JSON object of names and values: {}",
            path.display()
        ))
        .hint("it looks like {\"kv/db\": \"value\", …}")
    };
    let mut tree = Tree::parse(bytes.expose()).map_err(|_| wrong())?;
    let names: Vec<String> = tree.entries().map(|(name, _)| name.to_owned()).collect();
    if names.is_empty() {
        return Err(wrong());
    }
    for name in names {
        let value = tree.take(&name).ok_or_else(wrong)?;
        add(needles, &name, &value.into_value())?;
    }
    Ok(())
}

fn variables(path: &Path, bytes: Secret<Vec<u8>>, needles: &mut Needles) -> Result<(), Failure> {
    let text = bytes.into_text().ok_or_else(|| {
        Failure::local(format!("not text: {}", path.display()))
            .hint("name a file of NAME=value lines, a JSON object or a directory of files")
    })?;
    let variables = dotenv::parse(text.expose()).map_err(|mistake| {
        Failure::local(format!("{}: {mistake}", path.display())).hint(mistake.hint())
    })?;
    for variable in variables {
        add(needles, &variable.name, &variable.value.into_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_directory_are_read_by_name() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..50 {
            let file = directory.path().join(format!("{number:02}"));
            std::fs::write(file, "planted-Xy7-Pa55word").unwrap();
        }
        let mut needles = Needles::for_redaction();
        assert!(read(directory.path(), &mut needles).is_ok());
        let names = needles.entries().iter().map(|entry| &entry.label.path);
        let expected: Vec<String> = (0..50).map(|number| format!("{number:02}")).collect();
        assert!(names.eq(&expected));
    }
}
