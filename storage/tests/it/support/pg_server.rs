//! `postgres` as a child process. It needs nothing of the other support files, so that other packages can take it by path.
#![allow(dead_code, reason = "tests of several packages take it, and each uses a part")]

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Longest a server may take until it lets somebody in.
const START_MAX: Duration = Duration::from_secs(60);

const HELP: &str = "these tests need PostgreSQL 15. On Debian or Ubuntu: sudo apt-get install postgresql-15";

/// How a server is to be. Everybody may be anybody, on TCP and on the socket, unless [`hba`](Self::hba) says otherwise.
#[derive(Default)]
pub(crate) struct PgBuilder {
    settings: Vec<String>,
    hba: String,
    files: Vec<(String, Vec<u8>)>,
}

impl PgBuilder {
    /// One setting, as in `postgresql.conf`.
    pub(crate) fn set(mut self, name: &str, value: &str) -> PgBuilder {
        self.settings.push(format!("{name}={value}"));
        self
    }

    /// One line of `pg_hba.conf`. Those given come first; `trust` for everybody comes last.
    pub(crate) fn hba(mut self, line: &str) -> PgBuilder {
        self.hba.push_str(line);
        self.hba.push('\n');
        self
    }

    /// A file in the data folder, readable by the server only.
    pub(crate) fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> PgBuilder {
        self.files.push((name.to_owned(), content.into()));
        self
    }

    /// TLS with this certificate and key, as PEM.
    pub(crate) fn tls(self, certificate: &str, key: &str) -> PgBuilder {
        self.set("ssl", "on")
            .set("ssl_cert_file", "server.crt")
            .set("ssl_key_file", "server.key")
            .file("server.crt", certificate)
            .file("server.key", key)
    }

    /// Starts it and waits until it lets somebody in.
    pub(crate) fn start(self) -> PgServer {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let programs = programs();
        let folder = std::env::temp_dir().join(format!(
            "corelane-pg-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        ));
        fs::create_dir_all(&folder).unwrap();
        give(&folder, 0o755);
        copy(&template(&programs), &folder.join("data"));
        for (name, content) in &self.files {
            let path = folder.join("data").join(name);
            fs::write(&path, content).unwrap();
            give(&path, 0o600);
        }
        let hba = format!("{}local all all trust\nhost all all all trust\n", self.hba);
        fs::write(folder.join("data/pg_hba.conf"), hba).unwrap();
        let mut server = PgServer { child: None, folder, programs, port: 0, settings: self.settings };
        // The port may be taken by another test between the look and the start.
        for _ in 0..5 {
            server.port = free_port();
            server.spawn();
            if server.wait_until_up() {
                return server;
            }
            server.kill();
        }
        panic!("postgres does not start: {}", server.log());
    }
}

/// A server with a folder, a socket and a port of its own. Its superuser is `postgres`. Dropping it ends it and removes the folder.
pub(crate) struct PgServer {
    child: Option<Child>,
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    settings: Vec<String>,
}

impl PgServer {
    /// One that trusts everybody.
    pub(crate) fn start() -> PgServer {
        PgServer::builder().start()
    }

    pub(crate) fn builder() -> PgBuilder {
        PgBuilder::default()
    }

    fn spawn(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log")).unwrap();
        let mut command = as_server(&self.programs.join("postgres"));
        command.arg("-D").arg(self.folder.join("data")).arg("-p").arg(self.port.to_string());
        let socket = format!("unix_socket_directories={}", self.folder.display());
        for setting in [
            socket.as_str(),
            "listen_addresses=127.0.0.1",
            // Nothing has to outlive the machine; what was committed outlives a killed server.
            "fsync=off",
            "full_page_writes=off",
            "shared_buffers=32MB",
            "max_wal_size=1GB",
            "TimeZone=UTC",
        ]
        .into_iter()
        .chain(self.settings.iter().map(String::as_str))
        {
            command.arg("-c").arg(setting);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        self.child = Some(child.unwrap_or_else(|error| panic!("{HELP} ({error})")));
    }

    /// False if the process ended instead.
    fn wait_until_up(&mut self) -> bool {
        let until = Instant::now() + START_MAX;
        while Instant::now() < until {
            if self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some()) {
                return false;
            }
            if self.lets_in() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// Whether a startup message on the socket is answered by an authentication message.
    fn lets_in(&self) -> bool {
        let Ok(mut stream) = UnixStream::connect(self.socket()) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let body = b"\0\x03\0\0user\0postgres\0\0";
        let mut message = u32::try_from(body.len() + 4).unwrap().to_be_bytes().to_vec();
        message.extend_from_slice(body);
        let mut first = [0];
        stream.write_all(&message).is_ok() && stream.read_exact(&mut first).is_ok() && first[0] == b'R'
    }

    /// What it wrote to its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Of the superuser, over TCP.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Of the superuser, over the Unix socket.
    pub(crate) fn unix_url(&self) -> String {
        let folder = self.folder.to_str().unwrap().replace('/', "%2F");
        format!("postgres://postgres@{folder}:{}/postgres", self.port)
    }

    /// The folder in which its socket is: what `host` is set to.
    pub(crate) fn socket_folder(&self) -> &Path {
        &self.folder
    }

    fn socket(&self) -> PathBuf {
        self.folder.join(format!(".s.PGSQL.{}", self.port))
    }

    /// What psql prints for a script, unaligned and without headings. Panics at the first error of the server.
    pub(crate) fn psql(&self, sql: &str) -> String {
        let output = self.psql_command().arg("-c").arg(sql).output().unwrap();
        assert!(output.status.success(), "psql -c {sql:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// psql for the superuser, over the socket.
    pub(crate) fn psql_command(&self) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres"])
            .arg("-p")
            .arg(self.port.to_string())
            .arg("-h")
            .arg(&self.folder);
        command
    }

    fn signal(&self, signal: &str, id: &str) {
        // It may have ended by itself: that is seen by whoever waits for it.
        let _ended = Command::new("kill").args([signal, id]).stderr(Stdio::null()).status().unwrap();
    }

    fn id(&self) -> String {
        self.child.as_ref().expect("it was not killed").id().to_string()
    }

    /// The process and its children: a backend per connection, and the background ones.
    fn family(&self) -> Vec<String> {
        let id = self.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let mut family = vec![id];
        family.extend(children.split_whitespace().map(str::to_owned));
        family
    }

    /// `SIGSTOP` for all its processes: they keep their sockets and answer nothing.
    pub(crate) fn pause(&self) {
        self.family().iter().for_each(|id| self.signal("-STOP", id));
    }

    /// `SIGCONT`.
    pub(crate) fn resume(&self) {
        self.family().iter().for_each(|id| self.signal("-CONT", id));
    }

    /// `SIGKILL` for all its processes, and waits for the first.
    pub(crate) fn kill(&mut self) {
        if self.child.is_none() {
            return;
        }
        self.family().iter().for_each(|id| self.signal("-KILL", id));
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
    }

    /// Shuts it down as an operator does (`fast`): sessions are told and ended.
    pub(crate) fn stop(&mut self) {
        self.signal("-INT", &self.id());
        let mut child = self.child.take().unwrap();
        child.wait().unwrap();
    }

    /// Kills it if it runs, starts it again on its port, and waits until it lets somebody in.
    pub(crate) fn restart(&mut self) {
        self.kill();
        // Its killed backends may hold the shared memory for some moments, and then it does not start.
        for _ in 0..100 {
            self.spawn();
            if self.wait_until_up() {
                return;
            }
            self.kill();
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("postgres does not start again: {}", self.log());
    }
}

impl Drop for PgServer {
    fn drop(&mut self) {
        self.kill();
        // What is left over is in the temporary folder.
        let _gone = fs::remove_dir_all(&self.folder);
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where `postgres`, `initdb` and `psql` are: Debian's folder, or else the `PATH`.
fn programs() -> PathBuf {
    let debian = PathBuf::from("/usr/lib/postgresql/15/bin");
    if debian.join("postgres").exists() {
        return debian;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|folder| folder.join("postgres").exists())
        .unwrap_or_else(|| panic!("{HELP}"))
}

fn is_root() -> bool {
    own_user() == 0
}

/// The user of this process, as `/proc` says.
fn own_user() -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid()
}

/// The user and group that the server runs as where the tests run as root, which it refuses to be.
fn unprivileged() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2).map(str::parse);
        Some((fields.next()?.ok()?, fields.next()?.ok()?))
    };
    find("postgres").or_else(|| find("nobody")).unwrap_or((65_534, 65_534))
}

/// A command that runs as a user who may run a server.
fn as_server(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let (user, group) = unprivileged();
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={user}"))
        .arg(format!("--regid={group}"))
        .arg("--clear-groups")
        .arg(program)
        .current_dir("/");
    command
}

/// Makes a file the server's.
fn give(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    if is_root() {
        let (user, group) = unprivileged();
        chown(path, Some(user), Some(group)).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    let arguments: [OsString; 4] = ["-a".into(), "--reflink=auto".into(), from.into(), to.into()];
    assert!(Command::new("cp").args(arguments).status().unwrap().success(), "cp -a {}", from.display());
}

/// A data folder as `initdb` makes it. It takes a second to make, so it is made once and stays in the temporary folder.
fn template(programs: &Path) -> PathBuf {
    let user = if is_root() { unprivileged().0 } else { own_user() };
    let version = Command::new(programs.join("postgres")).arg("--version").output().unwrap().stdout;
    let version: String = String::from_utf8_lossy(&version)
        .chars()
        .filter(|c| c.is_ascii_digit() || *c == '.')
        .take(6)
        .collect();
    let template = std::env::temp_dir().join(format!("corelane-pg-template-{version}-{user}"));
    if template.exists() {
        return template;
    }
    // Made beside and renamed: a template that is there is whole, however many tests start at once.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name =
        format!("{}-{}-{}", template.display(), std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let draft = PathBuf::from(name);
    fs::create_dir_all(&draft).unwrap();
    give(&draft, 0o700);
    let output = as_server(&programs.join("initdb"))
        .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8"])
        // Small segments: a small folder to copy.
        .args(["--wal-segsize=1", "-D"])
        .arg(&draft)
        .output()
        .unwrap_or_else(|error| panic!("{HELP} ({error})"));
    assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
    if fs::rename(&draft, &template).is_err() {
        // Another process was faster.
        fs::remove_dir_all(&draft).unwrap();
    }
    template
}
