//! Files in one directory, each under an id of ours with the client's name behind it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use corelane::files::{FileError, NamedFile};
use corelane::multipart::safe_file_name;
use corelane::runtime::blocking;
use corelane::runtime::fs::File;

/// Most bytes kept of a client's name: with the id before it, it has to fit a name of the file system (255).
const NAME_BYTES_MAX: usize = 200;

/// Where the files are. Clones are of the same directory and count together.
#[derive(Clone)]
pub(crate) struct Store {
    path: PathBuf,
    directory: Arc<File>,
    /// Files begun, over all cores; the first number is that of the start.
    next: Arc<AtomicU64>,
}

/// A file that is there.
#[derive(serde::Serialize)]
pub(crate) struct Stored {
    /// What to ask for.
    pub(crate) id: String,
    /// What the client calls it, made safe.
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

impl Store {
    pub(crate) fn open(path: PathBuf) -> io::Result<Store> {
        let directory = std::fs::File::open(&path)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let next = AtomicU64::new(u64::try_from(begun).unwrap_or_default());
        Ok(Store { path, directory: Arc::new(File::from_std(directory)), next: Arc::new(next) })
    }

    /// An id and a path that no file has.
    pub(crate) fn place(&self, name: &str) -> (String, PathBuf) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
        let id = format!("{number:016x}-{name}");
        let path = self.path.join(&id);
        (id, path)
    }

    /// The file of this id, with the client's name for it. Whatever the id is, nothing outside of the directory opens.
    pub(crate) async fn file(&self, id: &str) -> Result<(NamedFile, String), FileError> {
        let file = NamedFile::open_beneath(&self.directory, id).await?;
        Ok((file, name_of(id)))
    }

    pub(crate) async fn list(&self) -> io::Result<Vec<Stored>> {
        let path = self.path.clone();
        blocking::run(move || list(&path)).await.map_err(io::Error::other)?
    }

    pub(crate) async fn remove(&self, files: Vec<Stored>) {
        let path = self.path.clone();
        let removed = blocking::run(move || {
            files.iter().try_for_each(|file| std::fs::remove_file(path.join(&file.id)))
        });
        if let Err(error) = removed.await.map_err(io::Error::other).flatten() {
            tracing::warn!(%error, "files of a refused upload are still there");
        }
    }
}

fn name_of(id: &str) -> String {
    let name = id.split_once('-').map_or(id, |(_, name)| name);
    safe_file_name(name).unwrap_or_else(|| "unnamed".to_owned())
}

fn list(path: &Path) -> io::Result<Vec<Stored>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if let (true, Ok(id)) = (metadata.is_file(), entry.file_name().into_string()) {
            files.push(Stored { name: name_of(&id), id, bytes: metadata.len() });
        }
    }
    files.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(files)
}
