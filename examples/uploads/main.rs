//! Files of any length from a browser, or curl, to a directory, and back.
//!
//! `cargo run --example uploads -- --directory /var/tmp/uploads` serves on 127.0.0.1:8083. `--help` lists the flags.
//!
//! ```sh
//! curl -F file=@photo.jpg http://127.0.0.1:8083/files
//! curl http://127.0.0.1:8083/files
//! ```

mod store;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use corelane::app::App;
use corelane::extract::{Json, Path, State};
use corelane::files::{Conditions, FileError};
use corelane::multipart::{Multipart, MultipartError, MultipartLimits};
use corelane::problem::Problem;
use corelane::response::{Html, Response, StatusCode};
use corelane::router::get;
use corelane::server::Server;

use store::{Store, Stored};

/// Takes files and gives them back.
#[derive(Parser)]
#[command(name = "uploads", version)]
struct Flags {
    /// Address to listen on; port 0 takes a free one, printed at start.
    #[arg(long, default_value = "127.0.0.1:8083")]
    listen: SocketAddr,
    /// Cores to serve with; all of them if not given.
    #[arg(long)]
    cores: Option<usize>,
    /// Directory for the files. It has to exist.
    #[arg(long)]
    directory: PathBuf,
    /// Longest upload, in bytes: all files of a request together.
    #[arg(long, default_value_t = 2 * 1024 * 1024 * 1024)]
    upload_bytes_max: u64,
    /// Longest file, in bytes.
    #[arg(long, default_value_t = 2 * 1024 * 1024 * 1024)]
    file_bytes_max: u64,
}

/// The form, and what is there. Names are set as text: a name is no HTML.
const PAGE: &str = r#"<!doctype html>
<meta charset="utf-8"><title>Uploads</title>
<form action="/files" method="post" enctype="multipart/form-data">
<input type="file" name="file" multiple required> <button>Send</button>
</form>
<ul></ul>
<script>
fetch("/files").then(answer => answer.json()).then(files => files.forEach(file => {
  const link = document.createElement("a");
  link.href = "/files/" + encodeURIComponent(file.id);
  link.textContent = file.name + ", " + file.bytes + " bytes";
  document.querySelector("ul").appendChild(document.createElement("li")).appendChild(link);
}));
</script>
"#;

/// Keeps each file as it arrives: nothing of it stays in memory. If one is refused, none of the request is kept.
async fn upload(
    State(store): State<Store>,
    mut multipart: Multipart,
) -> Result<(StatusCode, Json<Vec<Stored>>), MultipartError> {
    let mut stored = Vec::new();
    let taken = take(&store, &mut multipart, &mut stored).await;
    if let Err(error) = taken {
        store.remove(stored).await;
        return Err(error);
    }
    Ok((StatusCode::CREATED, Json(stored)))
}

async fn take(
    store: &Store,
    multipart: &mut Multipart,
    stored: &mut Vec<Stored>,
) -> Result<(), MultipartError> {
    while let Some(part) = multipart.next_part().await? {
        // Fields are of no interest here, nor is an input without a file.
        if part.file_name().is_none_or(str::is_empty) {
            continue;
        }
        let name = part.safe_file_name().unwrap_or_else(|| "unnamed".to_owned());
        let (id, path) = store.place(&name);
        let bytes = part.save_to(path).await?;
        stored.push(Stored { id, name, bytes });
    }
    Ok(())
}

async fn list(State(store): State<Store>) -> Result<Json<Vec<Stored>>, Problem> {
    match store.list().await {
        Ok(files) => Ok(Json(files)),
        Err(error) => {
            tracing::error!(%error, "the directory cannot be read");
            Err(Problem::internal())
        }
    }
}

/// Always as an attachment: a page that somebody uploaded must not run as one of ours.
async fn download(
    State(store): State<Store>,
    Path(id): Path<String>,
    conditions: Conditions,
) -> Result<Response, FileError> {
    let (file, name) = store.file(&id).await?;
    Ok(file.attachment(name).respond(&conditions))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();

    let Flags { listen, cores, directory, upload_bytes_max, file_bytes_max } = Flags::parse();
    let mut server = Server::bind(listen);
    if let Some(cores) = cores {
        server = server.cores(cores);
    }
    let limits = MultipartLimits { file_bytes_max, ..MultipartLimits::default() };
    // Opened once for all cores, and before any of them starts: a wrong path is told here.
    let store = Arc::new(Store::open(directory)?);
    server.run(move || {
        App::new()
            .state(Store::clone(&store))
            .state(limits)
            .get("/", async || Html(PAGE))
            .route("/files", get(list).post(upload).body_limit(upload_bytes_max))
            .get("/files/{id}", download)
    })?;
    Ok(())
}
