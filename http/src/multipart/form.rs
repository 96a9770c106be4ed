//! Uploads collected.

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use corelane_runtime::fs::File;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde::de::DeserializeOwned;

use super::file::{self, Target};
use super::{Multipart, MultipartError, Part, safe_file_name};
use crate::body::{Body, into_bytes};
use crate::extract::{FromRequest, form_fields};
use crate::request::Request;

/// Most bytes read from a file at once when an [`Upload`] is read.
const READ_BYTES: usize = 64 * 1024;

/// A form with files: its fields as a value, its files in memory or in files without a name.
///
/// Fields work as in [`Form`](crate::extract::Form): repeated ones are a `Vec`, text is UTF-8, and what does not fit is 422
/// with the name of the field. Fields and files may come in any order. A file input left empty, which browsers send
/// as an empty file without a name, is no file.
///
/// [`Spool`] says how much is kept in memory, and where the rest goes. What is on the disk is gone when the
/// [`Upload`] is dropped, unless [`Upload::persist`] has given it a path.
///
/// ```
/// use corelane_http::app::App;
/// use corelane_http::multipart::{MultipartForm, Spool};
/// use corelane_http::router::post;
///
/// #[derive(serde::Deserialize)]
/// struct Album {
///     title: String,
///     #[serde(default)]
///     tag: Vec<String>,
/// }
///
/// async fn add(form: MultipartForm<Album>) -> String {
///     let bytes: u64 = form.files().iter().map(|file| file.len()).sum();
///     format!("{} {:?}: {bytes} bytes\n", form.title, form.tag)
/// }
/// let app = App::new()
///     .state(Spool { directory: "/var/tmp".into(), ..Spool::default() })
///     .route("/albums", post(add).body_limit(100 * 1024 * 1024));
/// # let _ = app.into_service();
/// ```
#[derive(Debug)]
pub struct MultipartForm<T> {
    fields: T,
    files: Vec<Upload>,
}

/// Where [`MultipartForm`] keeps files. Given to the application with [`App::state`](crate::app::App::state).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spool {
    /// Bytes of files kept in memory, all files of a form together (64 KiB). A file that does not fit goes to the
    /// disk.
    pub memory_bytes_max: u64,
    /// Directory for the rest (that of the system for temporary files). It has to exist. Files in it have no name, and
    /// only this process can read them. On many systems the default is memory: give one that is on a disk.
    pub directory: PathBuf,
    /// Most files of a form on the disk (32). Over it: 400. Each takes a descriptor until it is dropped, and descriptors
    /// are what connections need too.
    pub disk_files_max: u32,
}

impl Default for Spool {
    fn default() -> Self {
        Spool { memory_bytes_max: 64 * 1024, directory: std::env::temp_dir(), disk_files_max: 32 }
    }
}

impl<T> MultipartForm<T> {
    /// The files, in the order they were sent.
    pub fn files(&self) -> &[Upload] {
        &self.files
    }

    /// The first file of this field.
    pub fn file(&self, name: &str) -> Option<&Upload> {
        self.files.iter().find(|file| file.name() == name)
    }

    /// Fields and files, to be owned.
    pub fn into_parts(self) -> (T, Vec<Upload>) {
        (self.fields, self.files)
    }
}

impl<T> Deref for MultipartForm<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.fields
    }
}

impl<T: DeserializeOwned> FromRequest for MultipartForm<T> {
    type Rejection = MultipartError;

    async fn from_request(request: &mut Request) -> Result<Self, MultipartError> {
        let spool = request.matched().and_then(|route| route.states().get::<Spool>()).unwrap_or_default();
        let mut multipart = Multipart::from_request(request).await?;
        let (mut left, mut files_left) = (spool.memory_bytes_max, spool.disk_files_max);
        let (mut fields, mut files) = (String::new(), Vec::new());
        while let Some(part) = multipart.next_part().await? {
            if part.file_name().is_none() {
                let name = part.name().to_owned();
                push_field(&name, &part.text().await?, &mut fields);
                continue;
            }
            let file = Upload::take(part, left, files_left, &spool).await?;
            if file.file_name().is_empty() && file.is_empty() {
                continue;
            }
            match &file.content {
                Content::Memory(bytes) => left -= bytes.len() as u64,
                Content::Disk(_) => files_left -= 1,
            }
            files.push(file);
        }
        let fields = form_fields(fields.as_bytes()).map_err(MultipartError::fields)?;
        Ok(MultipartForm { fields, files })
    }

    /// Neither a body nor a type.
    fn is_absent(rejection: &MultipartError) -> bool {
        rejection.is_absent()
    }
}

/// Writes a field as it stands in a form without files, which serde can read.
fn push_field(name: &str, value: &str, out: &mut String) {
    out.extend(percent_encode(name.as_bytes(), NON_ALPHANUMERIC));
    out.push('=');
    out.extend(percent_encode(value.as_bytes(), NON_ALPHANUMERIC));
    out.push('&');
}

/// A file of a [`MultipartForm`].
pub struct Upload {
    name: Box<str>,
    file_name: Box<str>,
    content_type: Option<Box<str>>,
    len: u64,
    content: Content,
}

enum Content {
    Memory(Bytes),
    Disk(File),
}

impl Upload {
    /// Takes a part to its end, into memory while it has at most `memory` bytes, then to the disk if `files` is not 0.
    async fn take(
        mut part: Part<'_>,
        memory: u64,
        files: u32,
        spool: &Spool,
    ) -> Result<Upload, MultipartError> {
        let name: Box<str> = part.name().into();
        let file_name = part.file_name().unwrap_or_default().into();
        let content_type = part.content_type().map(Into::into);
        let mut begun = BytesMut::new();
        let content = loop {
            let Some(chunk) = part.chunk().await? else { break Content::Memory(begun.freeze()) };
            if (begun.len() + chunk.len()) as u64 <= memory {
                begun.extend_from_slice(&chunk);
                continue;
            }
            if files == 0 {
                return Err(MultipartError::too_many_files(spool.disk_files_max).in_part(&name));
            }
            let failed = |error| MultipartError::io(error).in_part(&name);
            let file = file::unnamed(spool.directory.clone()).await.map_err(failed)?;
            let mut len = begun.len() as u64;
            file.write_at(0, begun.freeze()).await.map_err(failed)?;
            let mut next = Some(chunk);
            while let Some(chunk) = next {
                let chunk_len = chunk.len() as u64;
                file.write_at(len, chunk).await.map_err(failed)?;
                len += chunk_len;
                next = part.chunk().await?;
            }
            return Ok(Upload { name, file_name, content_type, len, content: Content::Disk(file) });
        };
        let Content::Memory(bytes) = &content else { unreachable!("a file on the disk was returned") };
        Ok(Upload { len: bytes.len() as u64, name, file_name, content_type, content })
    }

    /// Name of the form's field.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name that the client gives the file. **Never a path**: see [names of files](super#names-of-files).
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// The file's name after [`safe_file_name`].
    pub fn safe_file_name(&self) -> Option<String> {
        safe_file_name(&self.file_name)
    }

    /// The type that the client claims. It says nothing about the data.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True if it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// True if it is on the disk.
    pub fn is_on_disk(&self) -> bool {
        matches!(self.content, Content::Disk(_))
    }

    /// Bytes from `offset` on, at most `max` of them and at most 64 KiB; none at the end.
    ///
    /// # Errors
    /// The file cannot be read (500).
    ///
    /// # Cancellation
    /// May be dropped at any time.
    pub async fn read_at(&self, offset: u64, max: usize) -> Result<Bytes, MultipartError> {
        match &self.content {
            Content::Memory(bytes) => {
                let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let end = begin.saturating_add(max.min(READ_BYTES)).min(bytes.len());
                Ok(bytes.slice(begin..end))
            }
            Content::Disk(file) => {
                let read = file.read_at(offset, max.min(READ_BYTES)).await;
                read.map(Into::into).map_err(|error| MultipartError::io(error).in_part(&self.name))
            }
        }
    }

    /// The content, to be read chunk by chunk or sent on.
    pub fn into_body(self) -> Body {
        match self.content {
            Content::Memory(bytes) => Body::from(bytes),
            Content::Disk(file) => {
                let file = Rc::new(file);
                let mut offset = 0;
                Body::from_fn(move || {
                    let (file, at) = (Rc::clone(&file), offset);
                    offset += READ_BYTES as u64;
                    async move {
                        let read = file.read_at(at, READ_BYTES).await;
                        read.map(|lease| (!lease.is_empty()).then_some(lease)).transpose()
                    }
                })
            }
        }
    }

    /// The content in memory, if it has at most `max` bytes.
    ///
    /// # Errors
    /// It is longer (413), or cannot be read (500).
    ///
    /// # Cancellation
    /// The upload is lost.
    pub async fn into_bytes(self, max: u64) -> Result<Bytes, MultipartError> {
        if self.len > max {
            return Err(MultipartError::too_long(max).in_part(&self.name));
        }
        Ok(into_bytes(self.into_body().collect().await?))
    }

    /// Makes the file `path` of it, readable by this user only (mode 0600). The path is yours, and must not exist.
    ///
    /// A file on the disk gets a name, which costs nothing where [`Spool::directory`] is in the same file system, and a
    /// copy where not. It is not synced to the disk.
    ///
    /// # Errors
    /// The path exists ([`MultipartError::is_exists`]); the disk is full (507), or cannot be written to (500).
    ///
    /// # Cancellation
    /// The upload is lost; the file may be there.
    pub async fn persist(self, path: impl AsRef<Path>) -> Result<(), MultipartError> {
        let path = path.as_ref();
        let persisted = match self.content {
            Content::Disk(file) => file::name(file, path.to_owned()).await,
            Content::Memory(bytes) => write(path, bytes).await,
        };
        persisted.map_err(|error| MultipartError::io(error).in_part(&self.name))
    }
}

async fn write(path: &Path, bytes: Bytes) -> std::io::Result<()> {
    let target = Target::make(path).await?;
    target.file().write_at(0, bytes).await?;
    target.finish().await
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("name", &self.name)
            .field("file_name", &self.file_name)
            .field("len", &self.len)
            .field("on_disk", &self.is_on_disk())
            .finish_non_exhaustive()
    }
}
