//! Multipart forms as a browser sends them (RFC 7578).

use std::fmt::Write;

/// Between parts. Long and odd enough not to stand in what tests send.
const BOUNDARY: &str = "corelane-test-boundary-7d1f3a9b";

/// A `multipart/form-data` body for [`TestRequest::multipart`](super::TestRequest::multipart).
#[derive(Debug, Default)]
#[must_use = "a form is sent by `TestRequest::multipart`"]
pub struct Multipart {
    body: Vec<u8>,
}

impl Multipart {
    /// A form without parts.
    pub fn new() -> Multipart {
        Multipart::default()
    }

    /// Adds a field of text.
    pub fn text(self, name: &str, value: &str) -> Multipart {
        self.part(&format!("form-data; name=\"{}\"", quoted(name)), None, value.as_bytes())
    }

    /// Adds a file.
    pub fn file(
        self,
        name: &str,
        file_name: &str,
        content_type: &str,
        content: impl AsRef<[u8]>,
    ) -> Multipart {
        let disposition = format!("form-data; name=\"{}\"; filename=\"{}\"", quoted(name), quoted(file_name));
        self.part(&disposition, Some(content_type), content.as_ref())
    }

    fn part(mut self, disposition: &str, content_type: Option<&str>, content: &[u8]) -> Multipart {
        let mut head = format!("--{BOUNDARY}\r\ncontent-disposition: {disposition}\r\n");
        if let Some(content_type) = content_type {
            // Writing to a string cannot fail.
            let _ = write!(head, "content-type: {content_type}\r\n");
        }
        head.push_str("\r\n");
        self.body.extend_from_slice(head.as_bytes());
        self.body.extend_from_slice(content);
        self.body.extend_from_slice(b"\r\n");
        self
    }

    /// The body and its content type.
    pub(super) fn finish(mut self) -> (Vec<u8>, String) {
        self.body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        (self.body, format!("multipart/form-data; boundary={BOUNDARY}"))
    }
}

/// Quotes as browsers do (WHATWG HTML, multipart/form-data encoding algorithm).
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}
