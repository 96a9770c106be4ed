//! Bodies out: for clients and for tests.

use super::boundary::Boundary;

/// Writes a `multipart/form-data` body part by part.
///
/// Data is written as it is, between [`Encoder::begin_field`] or [`Encoder::begin_file`] and [`Encoder::end_part`].
/// It may not contain the delimiter: take a boundary at random.
///
/// ```
/// use corelane_http_proto::multipart::{Boundary, Encoder};
///
/// let encoder = Encoder::new(Boundary::new("XX")?);
/// let mut body = Vec::new();
/// encoder.field("title", b"Holiday", &mut body);
/// encoder.begin_file("photo", "sea.jpg", "image/jpeg", &mut body);
/// body.extend_from_slice(b"...");
/// encoder.end_part(&mut body);
/// encoder.finish(&mut body);
/// assert!(body.ends_with(b"...\r\n--XX--\r\n"));
/// assert_eq!(encoder.content_type(), "multipart/form-data; boundary=\"XX\"");
/// # Ok::<(), corelane_http_proto::multipart::MultipartError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Encoder {
    boundary: Boundary,
}

impl Encoder {
    /// An encoder with this boundary.
    pub fn new(boundary: Boundary) -> Encoder {
        Encoder { boundary }
    }

    /// Value of `content-type` for the body.
    pub fn content_type(&self) -> String {
        format!("multipart/form-data; boundary=\"{}\"", self.boundary.as_str())
    }

    /// Writes a whole field.
    pub fn field(&self, name: &str, value: &[u8], out: &mut Vec<u8>) {
        self.begin_field(name, out);
        out.extend_from_slice(value);
        self.end_part(out);
    }

    /// Begins a field. See [`Encoder::begin_file`] about its name.
    pub fn begin_field(&self, name: &str, out: &mut Vec<u8>) {
        self.begin(name, out);
        out.extend_from_slice(b"\r\n\r\n");
    }

    /// Begins a file.
    ///
    /// In names `"` and control characters become `%22` and so on, as browsers send them (HTML, "multipart/form-data
    /// encoding algorithm"), and a backslash is doubled, as in any quoted string. Control characters of the type are
    /// left out: nothing given here begins another line.
    pub fn begin_file(&self, name: &str, file_name: &str, content_type: &str, out: &mut Vec<u8>) {
        self.begin(name, out);
        out.extend_from_slice(b"; filename=\"");
        push_quoted(file_name, out);
        out.extend_from_slice(b"\"\r\ncontent-type: ");
        out.extend(content_type.bytes().filter(|byte| !byte.is_ascii_control()));
        out.extend_from_slice(b"\r\n\r\n");
    }

    /// Ends a part.
    pub fn end_part(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\r\n");
    }

    /// Ends the body.
    pub fn finish(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"--");
        out.extend_from_slice(self.boundary.as_str().as_bytes());
        out.extend_from_slice(b"--\r\n");
    }

    fn begin(&self, name: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"--");
        out.extend_from_slice(self.boundary.as_str().as_bytes());
        out.extend_from_slice(b"\r\ncontent-disposition: form-data; name=\"");
        push_quoted(name, out);
        out.push(b'"');
    }
}

fn push_quoted(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'"' | 0..0x20 | 0x7f => {
                out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            b'\\' => out.extend_from_slice(b"\\\\"),
            _ => out.push(byte),
        }
    }
}
