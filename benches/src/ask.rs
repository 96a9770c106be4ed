//! What is sent to a server again and again, and what it must answer.
//!
//! ```
//! use corelane_benches::ask::Ask;
//!
//! let ask = Ask { upload: Some(3), ..Ask::get("/echo", None) };
//! assert!(ask.request().starts_with(b"POST /echo HTTP/1.1\r\n"));
//! let ask = Ask { raw: true, ..ask };
//! assert_eq!(ask.checker().take(&ask.request()).unwrap().answers, 1);
//! ```

use crate::answer::Checker;

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Ask {
    /// Path to ask for.
    #[arg(long, default_value = "/plaintext")]
    pub path: String,
    /// Body every answer must have; without it, all must be as long as the first.
    #[arg(long)]
    pub body: Option<String>,
    /// Bytes to send with each request, which its answer must bring back.
    #[arg(long)]
    pub upload: Option<usize>,
    /// Speak no HTTP: the upload alone is sent, and the same bytes alone must come back.
    #[arg(long, requires = "upload")]
    pub raw: bool,
}

impl Ask {
    /// A request without a body.
    #[must_use]
    pub fn get(path: &str, body: Option<&str>) -> Self {
        Self { path: path.to_owned(), body: body.map(str::to_owned), upload: None, raw: false }
    }

    /// The bytes of one request.
    #[must_use]
    pub fn request(&self) -> Vec<u8> {
        let path = &self.path;
        match self.upload {
            Some(bytes) if self.raw => upload(bytes),
            Some(bytes) => {
                let head =
                    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bytes}\r\n\r\n");
                [head.into_bytes(), upload(bytes)].concat()
            }
            None => format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes(),
        }
    }

    /// What checks the answers of one connection.
    #[must_use]
    pub fn checker(&self) -> Checker {
        match self.upload {
            Some(bytes) if self.raw => Checker::raw(upload(bytes)),
            Some(bytes) => Checker::new(Some(upload(bytes))),
            None => Checker::new(self.body.as_ref().map(|body| body.as_bytes().to_vec())),
        }
    }

    /// The command line that means the same.
    #[must_use]
    pub fn to_arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--path".to_owned(), self.path.clone()];
        if let Some(body) = &self.body {
            arguments.extend(["--body".to_owned(), body.clone()]);
        }
        if let Some(bytes) = self.upload {
            arguments.extend(["--upload".to_owned(), bytes.to_string()]);
        }
        if self.raw {
            arguments.push("--raw".to_owned());
        }
        arguments
    }
}

/// Bytes of which no part equals another nearby, so that a piece in the wrong place shows.
fn upload(bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0]).collect()
}
