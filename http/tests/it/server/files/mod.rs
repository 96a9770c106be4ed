//! Files over real sockets: what is served, what is not, and what happens while a file is sent.

mod attacks;
mod conditional;
mod sending;
mod serving;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use corelane_http::app::App;
use corelane_http::files::Files;
use corelane_http::server::{Limits, Running};

use super::{Answer, Client, start};

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("corelane-files-{}-{number}", std::process::id()));
        fs::create_dir_all(path.join("root")).unwrap();
        Folder(path)
    }

    /// What is served; the folder around it is not.
    fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Folder {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Serves the root below `/f`.
    fn serve(&self, change: impl Fn(Files) -> Files + Send + Sync + 'static) -> Running {
        serve(&self.root(), change)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn serve(root: &Path, change: impl Fn(Files) -> Files + Send + Sync + 'static) -> Running {
    let root = root.to_owned();
    start(Limits::default(), move || {
        let files = change(Files::new(&root).development(false));
        App::new().group("/f", files.routes()).get("/alive", async || "yes")
    })
}

impl Client {
    /// `GET` with fields; the answer's body by its framing.
    fn get_with(&mut self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(request("GET", target, fields)).answer()
    }
}

fn request(method: &str, target: &str, fields: &[(&str, &str)]) -> String {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {target} HTTP/1.1\r\nhost: test\r\n{fields}\r\n")
}

/// Bytes that tell their own position.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(((at / 251) ^ (at % 251)) % 256).unwrap()).collect()
}
