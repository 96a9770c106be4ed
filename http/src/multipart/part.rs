//! One part.

use std::fmt;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use corelane_http_proto::multipart::PartHead;
use corelane_runtime::fs::File;

use super::file::Target;
use super::{Item, Multipart, MultipartError, safe_file_name};

/// A part of a body, to be read before the next is asked for. What is not read is skipped.
///
/// Errors name the part.
pub struct Part<'m> {
    multipart: &'m mut Multipart,
    head: PartHead,
}

impl<'m> Part<'m> {
    pub(super) fn new(multipart: &'m mut Multipart, head: PartHead) -> Part<'m> {
        Part { multipart, head }
    }

    /// Name of the form's field.
    pub fn name(&self) -> &str {
        self.head.name()
    }

    /// Name that the client gives the file, as it was sent; `None` for a part that is no file. Browsers send an empty one,
    /// and no data, where no file was chosen.
    ///
    /// **Never a path.** See [names of files](super#names-of-files).
    pub fn file_name(&self) -> Option<&str> {
        self.head.file_name()
    }

    /// The file's name after [`safe_file_name`].
    pub fn safe_file_name(&self) -> Option<String> {
        self.file_name().and_then(safe_file_name)
    }

    /// The type that the client claims. It says nothing about the data.
    pub fn content_type(&self) -> Option<&str> {
        self.head.content_type()
    }

    /// The field lines of the part's head.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.head.fields()
    }

    /// Value of the first field line of this name (any case).
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.head.field(name)
    }

    /// The next bytes of the part; `None` at its end. Sizes follow from how the bytes arrived and mean nothing.
    ///
    /// # Errors
    /// See [`MultipartError`].
    ///
    /// # Cancellation
    /// A dropped future has taken nothing; the part can be read on.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, MultipartError> {
        if !self.multipart.in_part {
            return Ok(None);
        }
        match self.multipart.next().await {
            Ok(Some(Item::Data(data))) => Ok(Some(data)),
            Ok(_) => Ok(None),
            Err(error) => Err(error.in_part(self.head.name())),
        }
    }

    /// The whole part in memory, if it has at most [`field_bytes_max`](super::MultipartLimits::field_bytes_max) bytes, be
    /// it a field or a file.
    ///
    /// # Errors
    /// The part is longer (413); see [`MultipartError`].
    ///
    /// # Cancellation
    /// What was read is lost.
    pub async fn bytes(self) -> Result<Bytes, MultipartError> {
        let max = self.multipart.limits.field_bytes_max;
        self.bytes_up_to(max).await
    }

    /// The whole part in memory, if it has at most `max` bytes.
    ///
    /// # Errors
    /// As [`Part::bytes`].
    ///
    /// # Cancellation
    /// What was read is lost.
    pub async fn bytes_up_to(mut self, max: u64) -> Result<Bytes, MultipartError> {
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        let mut whole = BytesMut::new();
        let mut next = Some(first);
        while let Some(chunk) = next {
            if (whole.len() + chunk.len()) as u64 > max {
                return Err(MultipartError::too_long(max).in_part(self.head.name()));
            }
            whole.extend_from_slice(&chunk);
            next = self.chunk().await?;
        }
        Ok(whole.freeze())
    }

    /// The whole part as text, as [`Part::bytes`]. It has to be UTF-8, whatever its type says.
    ///
    /// # Errors
    /// As [`Part::bytes`]; text that is not UTF-8 (400).
    ///
    /// # Cancellation
    /// What was read is lost.
    pub async fn text(self) -> Result<String, MultipartError> {
        let name = self.head.name().to_owned();
        let bytes = self.bytes().await?;
        String::from_utf8(Vec::from(bytes)).map_err(|_| MultipartError::not_utf8().in_part(&name))
    }

    /// Writes the part to `file`, from offset 0 on; gives its length in bytes.
    ///
    /// # Errors
    /// The disk is full (507), or cannot be written to (500); see [`MultipartError`].
    ///
    /// # Cancellation
    /// It is not known how much has been written.
    pub async fn copy_to(mut self, file: &File) -> Result<u64, MultipartError> {
        let mut len = 0;
        while let Some(chunk) = self.chunk().await? {
            let chunk_len = chunk.len() as u64;
            let written = file.write_at(len, chunk).await;
            written.map_err(|error| MultipartError::io(error).in_part(self.head.name()))?;
            len += chunk_len;
        }
        Ok(len)
    }

    /// Makes the file `path` of the part, readable by this user only (mode 0600); gives its length in bytes.
    ///
    /// The path is yours, not made of [`Part::file_name`]. The file appears under it when it is complete: until then it has
    /// no name (`O_TMPFILE`), and an upload that breaks off leaves nothing behind. Where the file system has no such files,
    /// the incomplete file stands under `path`, and is removed. It is not synced to the disk.
    ///
    /// # Errors
    /// The path exists ([`MultipartError::is_exists`]); the disk is full (507), or cannot be written to (500); see
    /// [`MultipartError`].
    ///
    /// # Cancellation
    /// No file is left; dropped at the very end, a complete one may be.
    pub async fn save_to(self, path: impl AsRef<Path>) -> Result<u64, MultipartError> {
        let name = self.head.name().to_owned();
        let named = |error| MultipartError::io(error).in_part(&name);
        let target = Target::make(path.as_ref()).await.map_err(named)?;
        let len = self.copy_to(target.file()).await?;
        target.finish().await.map_err(named)?;
        Ok(len)
    }
}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head.fmt(f)
    }
}
